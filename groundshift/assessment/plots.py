"""Pictures of an evaluation: precision and recall, reliability, dates."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from groundshift.assessment.judging import Judged
from groundshift.assessment.results import LevelResult

_NETWORK_COLOUR = "#b5402a"
_COLOURS = ("#3b6ea5", "#5a9e6f", "#c9a227", "#8467a8", "#7a7a7a", "#4aa3a2", "#a5683b")
_SPEEDS = {"abrupt": "o", "gradual": "s"}


def draw(folder: Path, result: LevelResult) -> tuple[Path, ...]:
    """Draw a level's pictures; one without anything to show is left out.

    Returns:
        The files.
    """
    drawn = [
        _save(folder / "pr_curve.png", lambda axes: _precision_recall(axes, result.judged)),
    ]
    if not result.curve.empty:
        drawn.append(
            _save(folder / "reliability.png", lambda axes: _reliability(axes, result.curve))
        )
    events = result.events
    if events is not None and events["error_days"].notna().any():
        drawn.append(_save(folder / "dates.png", lambda axes: _dates(axes, events)))
    return tuple(drawn)


def _save(path: Path, paint: Callable[[Axes], None]) -> Path:
    figure = Figure(figsize=(6.4, 4.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    paint(axes)
    # Without the writer's version, so that a new matplotlib alone changes no bytes.
    figure.savefig(path, metadata={"Software": None})
    return path


def _precision_recall(axes: Axes, judged: Sequence[Judged]) -> None:
    """Curves, the network's on top, and the prevalence as the line of pure chance."""
    network, *others = judged
    others.sort(key=lambda one: -(one.scores["pr_auc"].value or 0))
    for number, one in enumerate(others):
        again, place = divmod(number, len(_COLOURS))
        _curve(axes, one, _COLOURS[place], width=1.1, dashed=again > 0)
    _curve(axes, network, _NETWORK_COLOUR, width=2.2)
    prevalence = network.scores["prevalence"].value
    if prevalence is not None:
        label = f"chance ({prevalence:.3f})"
        axes.axhline(prevalence, color="black", linewidth=0.8, linestyle=":", label=label)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    entries = list(zip(*axes.get_legend_handles_labels(), strict=True))
    entries.sort(key=lambda entry: not entry[1].startswith(network.name))
    if entries:
        handles, labels = zip(*entries, strict=True)
        axes.legend(handles, labels, fontsize=8, frameon=False)
    axes.set_title("Test blocks: precision and recall (PR-AUC)", fontsize=10)


def _curve(axes: Axes, judged: Judged, colour: str, width: float, *, dashed: bool = False) -> None:
    area = judged.scores["pr_auc"].value
    if area is None:
        return
    curve = judged.pr_curve
    label = f"{judged.name.replace('_', ' ')} {area:.3f}"
    axes.step(
        curve["recall"],
        curve["precision"],
        where="pre",
        label=label,
        color=colour,
        linewidth=width,
        linestyle="--" if dashed else "-",
    )


def _reliability(axes: Axes, curve: pd.DataFrame) -> None:
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":", label="calibrated")
    axes.plot(curve["score"], curve["share"], "o-", color=_NETWORK_COLOUR, label="network")
    axes.set(xlabel="mean score of the bin", ylabel="share of changed pixels")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize=8, frameon=False)
    axes.set_title("Test blocks: reliability (bins of equally many pixels)", fontsize=10)


def _dates(axes: Axes, events: pd.DataFrame) -> None:
    """Found date against true date, by strength and speed."""
    found = events[events["error_days"].notna()]
    strengths = sorted(found["strength"].dropna().unique()) or [np.nan]
    for speed, marker in _SPEEDS.items():
        for number, strength in enumerate(strengths):
            same = found["strength"].isna() if np.isnan(strength) else found["strength"] == strength
            mine = found[same & (found["speed"] == speed)]
            if mine.empty:
                continue
            share = "" if np.isnan(strength) else f", strength {strength:.2f}"
            colour = _COLOURS[number % len(_COLOURS)]
            label = f"{speed}{share}"
            axes.plot(mine["date"], mine["found_date"], marker, color=colour, label=label)
    limits = pd.concat([found["date"], found["found_date"]]).agg(["min", "max"])
    axes.plot(limits, limits, color="black", linewidth=0.8, linestyle=":", label="exact")
    axes.set(xlabel="true date (middle of the change)", ylabel="date found")
    axes.tick_params(axis="x", rotation=30)
    axes.legend(fontsize=8, frameon=False)
    axes.set_title("Test blocks: dates of the events that were found", fontsize=10)
