"""The tables and curves of docs/evaluation.md, from the runs of `benchmarks.city_scores`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.city_area import DRAWS, MORE_DRAWS, UNITS, area_check, checked
from groundshift.assessment.operating import STRATA
from groundshift.assessment.uncertainty import CLOSENESS, SPREAD
from groundshift.products.report.evidence import detector_name
from pipelines.comparison import Mean, Run

MARKS = ("<!-- tables:begin -->", "<!-- tables:end -->")
PICTURE = "evaluation.png"
BAND = (0.2, 0.7)
"""Where the PR-AUC of a simple baseline was meant to lie, for the city to be worth a try."""
_LEARNS = ("lightgbm", "synthetic_label")
_TRUTH = "controlled_truth"


def write_page(docs: Path, done: Mapping[str, Sequence[Run]]) -> None:
    """Replace the tables of docs/evaluation.md and its picture.

    Args:
        docs: the folder.
        done: finished repetitions by experiment; the first is told in full, of the second, which
            has cities of its own, every detector.
    """
    (title, runs), (other, others), *_ = done.items()
    lines = [f"## Controlled truth: {title}", ""]
    if runs:
        parts = (
            detectors(runs, aim=True),
            events(runs),
            strata(runs),
            areas(runs),
            calibration(runs),
        )
        lines += [line for part in parts for line in (*part, "")]
        draw(docs / PICTURE, runs)
        lines += [f"![precision over recall, recall over false events]({PICTURE})"]
    if others:
        lines += ["", f"## Controlled truth: {other}", "", *detectors(others)]
    lines += [
        "",
        "## Controlled truth: harder cities, less to see, controls",
        "",
        *experiments(done),
        "",
        *spread(done),
    ]
    lines += ["", "## Agreement with synthetic labels", "", *agreement(done)]
    replaced(docs / "evaluation.md", MARKS, lines)


def replaced(page: Path, marks: tuple[str, str], lines: Sequence[str]) -> None:
    """Put lines between two marks of a page, in place of what stands there."""
    begin, end = marks
    head, rest = page.read_text().split(begin)
    text = "\n".join(lines)
    page.write_text(f"{head}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}")


def detectors(runs: Sequence[Run], *, aim: bool = False) -> list[str]:
    """PR-AUC of every detector and seed, and how far the network is ahead.

    Args:
        runs: the repetitions.
        aim: whether the network is meant to be ahead on every city.
    """
    levels = [level_of(run) for run in runs]
    names = [
        name for name in levels[0]["baselines"] if "reason" not in levels[0]["baselines"][name]
    ]
    areas = {name: [level["baselines"][name]["pr_auc"] for level in levels] for name in names}
    ahead = {
        name: [level["baselines"][name]["network_ahead_by"] for level in levels] for name in names
    }
    network = [level["network"]["pr_auc"] for level in levels]
    chance = [level["network"]["prevalence"] for level in levels]
    seeds = [str(seed_of(run)) for run in runs]
    header = ["PR-AUC on test blocks", *(f"seed {s}" for s in seeds), "mean", "network ahead by"]
    table = [header, ["---"] * len(header)]
    table.append(["chance (prevalence)", *map(_two, chance), _two(fmean(chance)), ""])
    table.append(["**network**", *map(_two, network), f"**{fmean(network):.2f}**", ""])
    for name in sorted(names, key=lambda n: -fmean(areas[n])):
        margin = (
            f"{Mean.of(ahead[name]).shown(2)}, {sum(d > 0 for d in ahead[name])} of {len(runs)}"
        )
        mean = _two(fmean(areas[name]))
        table.append([detector_name(name), *map(_two, areas[name]), mean, margin])
    simple = [name for name in names if name not in _LEARNS]
    won = sum(all(ahead[name][i] > 0 for name in simple) for i in range(len(runs)))
    aimed = f"; the aim is {'met' if won == len(runs) else 'all of them, and missed'}"
    verdict = (
        f"The network beats every simple baseline for {won} of {len(runs)} seeds"
        f"{aimed if aim else ''}. Margins: mean over seeds, Student's 95 % interval, and in how "
        "many seeds the network is ahead. The label formula is compared where it gives a label."
    )
    means = {name: fmean(areas[name]) for name in simple}
    outside = [detector_name(n) for n, mean in means.items() if not BAND[0] <= mean <= BAND[1]]
    band = f"Simple baselines outside {BAND[0]} to {BAND[1]}: {', '.join(outside) or 'none'}."
    return [*map(line, table), "", f"{verdict} {band} {_cost(runs)}"]


def _cost(runs: Sequence[Run]) -> str:
    """What one repetition takes."""
    minutes = fmean(sum(cost.cpu_seconds for cost in run.costs.values()) for run in runs) / 60
    peak = max(cost.peak_mb for run in runs for cost in run.costs.values()) / 1000
    return f"One repetition takes {minutes:.0f} CPU minutes and at most {peak:.1f} GB."


def events(runs: Sequence[Run]) -> list[str]:
    """Events found, dates and delays."""
    networks = [level_of(run)["network"] for run in runs]
    table = pd.concat([pd.read_csv(run.folders["evaluation"] / "events.csv") for run in runs])
    errors = table.loc[table["counts"], "error_days"].dropna().abs()
    exposure = sum(one["exposure"] for one in networks)
    recall, limit = pooled_recall(runs)
    rows = [
        ("known changes on test blocks", f"{int(table['counts'].sum())}"),
        ("event recall at the chosen threshold", _share(networks, "event_recall")),
        ("event precision there", _share(networks, "event_precision")),
        ("date error, p50", _days(errors, 50)),
        ("date error, p90", _days(errors, 90)),
        ("delay until a window shows it, p50", f"{_mean(networks, 'delay_p50', 0)} d"),
        ("delay until a window shows it, p90", f"{_mean(networks, 'delay_p90', 0)} d"),
        ("watched, in 100 km2 and years", f"{exposure:.3f}"),
        ("event recall without a false event, all seeds together", f"{recall:.2f}"),
        ("false events per 100 km2 and year that this excludes (95 %)", f"{limit:.0f}"),
    ]
    about = (
        f"At one false event per 100 km2 and year {exposure:.2f} would be expected on what was "
        "watched: the recall at that rate is the one without any, and none seen says no more than "
        "that the rate is likely below 3 / exposure, the last line. Its threshold is read "
        "off the test blocks; a piece of a change too small to match it counts as a false event."
    )
    return [line(("events", "")), line(("---", "---")), *map(line, rows), "", about]


def pooled_recall(runs: Sequence[Run]) -> tuple[float, float]:
    """Recall without a false event in any run, and the rate that this excludes at 95 %."""
    found = events_known = 0
    exposure = 0.0
    for run in runs:
        curve = pd.read_csv(run.folders["evaluation"] / "operating.csv")
        clean = curve[curve["false_events"] == 0]
        found += int(clean["found"].max()) if len(clean) else 0
        events_known += int(curve["events"].max())
        exposure += level_of(run)["network"]["exposure"]
    return found / max(events_known, 1), 3 / exposure


def strata(runs: Sequence[Run]) -> list[str]:
    """Recall by contrast, size and speed, all seeds together."""
    table = pd.concat([pd.read_csv(run.folders["evaluation"] / "strata.csv") for run in runs])
    grouped = table.groupby(["by", "stratum"], sort=False)[["events", "found"]].sum().reset_index()
    order = {(by, name): i for i, (by, name) in enumerate(_classes())}
    rows = [
        (row.by, row.stratum, str(row.events), f"{row.found / row.events:.2f}")
        for row in sorted(grouped.itertuples(), key=lambda row: order[row.by, row.stratum])
    ]
    return [line(("by", "changes", "known", "found")), line(["---"] * 4), *map(line, rows)]


def _classes() -> list[tuple[str, str]]:
    return [(by, name) for by, classes in STRATA.items() for name, _, _ in classes]


def areas(runs: Sequence[Run]) -> list[str]:
    """The area of change from samples, beside the true one."""
    known = {seed_of(run): area_check(run) for run in runs if checked(run)}
    rows = [
        (
            str(seed),
            *(f"{value:.1f}" for value in (one.true, one.mapped)),
            f"{one.estimated:.1f} ± {one.half_width:.1f}",
            *(f"{100 * share:.1f} %" for share in (one.held, one.held_by_more)),
        )
        for seed, one in known.items()
    ]
    titles = (
        "new built-up ground, seed",
        "true, ha",
        "pixels of the map, ha",
        "from a sample, ha",
        f"intervals that hold the truth, of {DRAWS}",
        f"of {MORE_DRAWS}",
    )
    about = (
        "The map is the network's over the whole city in the test windows' time; of it stratified "
        f"samples of {UNITS} pixels are drawn and judged by the truth (Olofsson et al. 2014 and "
        "2020; [events](events.md#the-true-area-of-change)). Mean estimate and half-width of its "
        "95 % interval. By chance alone the share "
        f"of {DRAWS} draws is off by up to 3 %."
    )
    return [line(titles), line(["---"] * len(titles)), *map(line, rows), "", about]


def calibration(runs: Sequence[Run]) -> list[str]:
    """Scores and probabilities side by side."""
    names = {
        "brier_skill": "Brier skill over prevalence",
        "calibration_slope": "slope",
        "calibration_error": "calibration error",
    }
    raw = [level_of(run)["network"] for run in runs]
    fitted = [level_of(run)["calibration"] for run in runs]
    methods = ", ".join(str(one["method"]) for one in fitted)
    rows = [(title, _mean(raw, name), _mean(fitted, name)) for name, title in names.items()]
    return [
        line(("calibration", "score", f"probability ({methods})")),
        line(["---"] * 3),
        *map(line, rows),
    ]


def experiments(done: Mapping[str, Sequence[Run]]) -> list[str]:
    """One row per experiment."""
    lines = [
        line(
            ("experiment", "seeds", "chance", "network", "LightGBM", "best simple", "event recall")
        ),
        line(["---"] * 7),
    ]
    for title, runs in done.items():
        if not runs:
            lines.append(line((title, "not run", *[""] * 5)))
            continue
        levels = [level_of(run) for run in runs]
        networks = [level["network"] for level in levels]
        numbers = (
            _share(networks, "prevalence"),
            _share(networks, "pr_auc"),
            *_rivals([level.get("baselines", {}) for level in levels]),
            _share(networks, "event_recall"),
        )
        lines.append(line((title, str(len(runs)), *numbers)))
    return lines


def _rivals(baselines: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """PR-AUC of LightGBM and of the best simple one, where these are not the first experiment's."""
    if not all(baselines):
        return "as city", "as city"
    best = [
        max(one["pr_auc"] for name, one in found.items() if name not in _LEARNS)
        for found in baselines
    ]
    return _share([found["lightgbm"] for found in baselines], "pr_auc"), _two(fmean(best))


def spread(done: Mapping[str, Sequence[Run]]) -> list[str]:
    """How well the spread of an ensemble ranks errors, and the score alone."""
    names = (SPREAD, CLOSENESS)
    header = ("chance that a wrong pixel has the greater", "seeds", "spread", "closeness")
    lines = [line(header), line(["---"] * len(header))]
    for title, runs in done.items():
        networks = [level_of(run)["network"] for run in runs]
        if any(SPREAD in one for one in networks):
            lines.append(line((title, str(len(runs)), *(_share(networks, name) for name in names))))
    return lines


def agreement(done: Mapping[str, Sequence[Run]]) -> list[str]:
    """How well the network's scores agree with the label formula: no measure of truth."""
    lines = [line(("experiment", "PR-AUC against synthetic labels")), line(["---"] * 2)]
    for title, runs in done.items():
        networks = [
            json.loads((run.folders["evaluation"] / "metrics.json").read_text())[
                "synthetic_agreement"
            ]["network"]
            for run in runs
        ]
        if networks:
            lines.append(line((title, _share(networks, "pr_auc"))))
    return lines


def draw(path: Path, runs: Sequence[Run]) -> None:
    """Precision over recall, and event recall over false events, a line per seed."""
    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for run in runs:
        folder, label = run.folders["evaluation"], f"network, seed {seed_of(run)}"
        curve = pd.read_csv(folder / "pr_curve.csv")
        left.plot(curve["recall"], curve["precision"], label=label)
        watched = pd.read_csv(folder / "operating.csv")
        # The best recall that a rate allows: more thresholds than one have the same rate.
        best = watched.sort_values("false_rate").assign(recall=lambda t: t["recall"].cummax())
        right.step(best["false_rate"], best["recall"], where="post", label=label)
    _axes(left, "recall", "precision")
    _axes(right, "false events per 100 km2 and year", "event recall")
    right.set_xscale("symlog", linthresh=10)
    right.set_xlim(left=0)
    left.legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Software": None})


def level_of(run: Run) -> dict[str, Any]:
    """What an evaluation says at the level of controlled truth."""
    document = json.loads((run.folders["evaluation"] / "metrics.json").read_text())
    level: dict[str, Any] = document[_TRUTH]
    return level


def seed_of(run: Run) -> int:
    """Seed of the city."""
    manifest = json.loads((run.folders["observations"] / "manifest.json").read_text())
    return int(manifest["content"]["settings"]["fetch"]["synthetic"]["seed"])


def _axes(axes: Axes, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y, ylim=(0, 1.02))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)


def _mean(rows: Sequence[Mapping[str, Any]], name: str, digits: int = 2) -> str:
    return Mean.of([row.get(name) for row in rows]).shown(digits) or "none"


def _share(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """The mean of numbers between 0 and 1, where its interval ends too."""
    return Mean.of([row.get(name) for row in rows]).within(1).shown(2) or "none"


def _days(errors: pd.Series, percentile: int) -> str:
    return f"{np.percentile(errors, percentile):.0f} d" if len(errors) else "none"


def _two(value: float) -> str:
    return f"{value:.2f}"


def line(cells: Sequence[str]) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"
