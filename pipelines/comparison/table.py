"""One table of quality and cost, with intervals, and what each setting changes.

The interval of a variant that was repeated is Student's over its repetitions (sites, seeds): 95 %
of such intervals hold the mean of the kind of repetition. Without repetitions it is the middle 95 %
of draws of test blocks. Differences to the first variant are taken repetition by repetition.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student

from groundshift.assessment.files import METRICS
from pipelines.comparison.chain import Run
from pipelines.comparison.variants import Variant

QUALITIES = {
    "pr_auc": "PR-AUC",
    "prevalence": "chance",
    "f1": "F1",
    "event_recall": "event recall",
    "event_precision": "event precision",
    "date_error_median": "median date error, d",
}
_DAYS = ("date_error_median",)
"""Of these the ones in days; the others are shares."""
COSTS = {"cpu_seconds": "CPU s", "peak_mb": "peak MB", "written_mb": "MB written"}

_BY = "pr_auc"
"""What variants are compared by."""


@dataclass(frozen=True)
class Mean:
    """A mean with its interval; None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "Mean":
        """Mean and Student's interval over repetitions; undefined ones make it undefined."""
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return cls(None)
        mean = fmean(known)
        if len(known) < 2:
            return cls(mean)
        half = float(student.ppf(0.975, len(known) - 1)) * stdev(known) / math.sqrt(len(known))
        return cls(mean, mean - half, mean + half)

    def within(self, most: float) -> "Mean":
        """The same, its interval between 0 and another limit: Student's knows none."""
        if self.low is None or self.high is None:
            return self
        return replace(self, low=max(self.low, 0), high=min(self.high, most))

    def shown(self, digits: int = 3) -> str:
        """The mean, and its interval in brackets."""
        if self.value is None:
            return ""
        text = f"{self.value:.{digits}f}"
        if self.low is None or self.high is None:
            return text
        return f"{text} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@dataclass(frozen=True)
class Compared:
    """One variant and what came out.

    Attributes:
        variant: its settings.
        runs: its repetitions.
        failure: why there are none.
    """

    variant: Variant
    runs: tuple[Run, ...] = ()
    failure: str = ""

    def networks(self) -> list[dict[str, Any]]:
        """What each repetition's evaluation says of the network."""
        return [_network(run) for run in self.runs]

    def quality(self, name: str) -> Mean:
        """A score of the network: over repetitions, or over draws of blocks if there is one."""
        found = self.networks()
        mean = Mean.of([one.get(name) for one in found])
        limits = found[0]["intervals"].get(name) if len(found) == 1 else None
        return Mean(mean.value, *limits) if limits else mean

    def ahead_of(self, first: "Compared", name: str = _BY) -> Mean:
        """How far the score lies above that of another variant, repetition by repetition."""
        pairs = zip(self.networks(), first.networks(), strict=True)
        return Mean.of([_difference(mine.get(name), theirs.get(name)) for mine, theirs in pairs])

    def cost(self, name: str) -> Mean:
        """CPU seconds and bytes of all stages together, memory of the largest."""
        over = max if name == "peak_mb" else sum
        values = [over(getattr(cost, name) for cost in run.costs.values()) for run in self.runs]
        return Mean(fmean(values) if values else None)


def rows(compared: Sequence[Compared]) -> list[dict[str, str]]:
    """The table: settings, scores, costs of each variant; empty where there is nothing to say."""
    first = next((one for one in compared if one.runs), None)
    table = []
    for one in compared:
        row = dict(one.variant.values)
        if not one.runs or first is None:
            table.append(row | {"failed": one.failure})
            continue
        row |= {title: _shown(one, name) for name, title in QUALITIES.items()}
        row["PR-AUC above the first"] = "" if one is first else one.ahead_of(first).shown()
        row |= {title: one.cost(name).shown(0) for name, title in COSTS.items()}
        table.append(row)
    return table


def render(title: str, compared: Sequence[Compared], command: str) -> str:
    """The comparison as a page of Markdown, with the command that repeats it."""
    table = rows(compared)
    columns = list(dict.fromkeys(name for row in table for name in row))
    runs = max((len(one.runs) for one in compared), default=0)
    levels = sorted({_level(run) for one in compared for run in one.runs})
    over = f"{runs} repetitions, 95 % (Student)" if runs > 1 else "95 % of draws of test blocks"
    about = (
        f"Scores of the network at the level {', '.join(levels) or 'none'}; intervals: {over}, cut "
        "to what is possible. "
        "Chance is the PR-AUC of a guess, the share of changed pixels: windows change it. "
        "Costs are those of all stages, also where work was shared with another variant."
    )
    lines = [
        *(f"# {title}", "", "```", command, "```", "", about, ""),
        _line(columns),
        _line("---" for _ in columns),
        *(_line(row.get(name, "") for name in columns) for row in table),
    ]
    effects = _effects(compared)
    if effects:
        lines += ["", "## What each setting changes", "", *effects]
    return "\n".join(lines) + "\n"


def _effects(compared: Sequence[Compared]) -> list[str]:
    """A row per varied setting: PR-AUC at each value, on average over the others; widest first."""
    found: list[tuple[float, str]] = []
    keys = dict.fromkeys(key for one in compared for key in one.variant.values)
    for key in keys:
        by_value: dict[str, list[float]] = {}
        for one in compared:
            value = one.quality(_BY).value if one.runs else None
            if value is not None:
                by_value.setdefault(one.variant.values[key], []).append(value)
        if len(by_value) > 1:
            means = {value: fmean(scores) for value, scores in by_value.items()}
            width = max(means.values()) - min(means.values())
            shown = ", ".join(f"{value}: {mean:.3f}" for value, mean in means.items())
            found.append((width, _line((f"`{key}`", shown, f"{width:.3f}"))))
    if not found:
        return []
    ordered = [line for _, line in sorted(found, key=lambda pair: -pair[0])]
    return [_line(("setting", "mean PR-AUC at its values", "range")), _line(["---"] * 3), *ordered]


def _shown(one: Compared, name: str) -> str:
    """A score, its interval cut to what is possible."""
    if name in _DAYS:
        return one.quality(name).within(math.inf).shown(1)
    return one.quality(name).within(1).shown()


def _difference(mine: float | None, theirs: float | None) -> float | None:
    return None if mine is None or theirs is None else mine - theirs


def _network(run: Run) -> dict[str, Any]:
    document = _metrics(run)
    network: dict[str, Any] = document[document["headline"]["level"]]["network"]
    return network


def _level(run: Run) -> str:
    return str(_metrics(run)["headline"]["level"])


def _metrics(run: Run) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads((run.folders["evaluation"] / METRICS).read_text())
    return document


def _line(cells: Any) -> str:
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"
