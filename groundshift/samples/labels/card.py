"""The label card: what the labels of a samples artifact are like, and how far to trust them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from groundshift.samples.labels.truth import POSITIVE

CLASSES = ("urban", "partly", "other", "unchanged")
"""By truth: most of an urban change in the window, less of one, a change of another kind, none."""

_LEVELS = 1000  # labels are counted in thousandths, so that memory doesn't grow with the area
_BARS = 20
_SHIFTS = np.linspace(-2, 4, 121)  # edges of the counts of wanted shifts
_FITTING_SHARE = 0.95


def _levels(labels: NDArray[np.float32]) -> NDArray[np.intp]:
    return np.rint(labels * _LEVELS).astype(np.intp)


@dataclass
class LabelCounts:
    """Labels of one kind, counted by value."""

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_LEVELS + 1, np.int64))
    missing: int = 0

    def add(self, labels: NDArray[np.float32]) -> None:
        """Count labels of any shape; NaN is missing."""
        known = labels[~np.isnan(labels)]
        self.missing += labels.size - known.size
        self.counts += np.bincount(_levels(known), minlength=_LEVELS + 1)

    def summary(self) -> dict[str, Any]:
        """Numbers for the card; means are null where there is no label."""
        total = int(self.counts.sum())
        values = np.arange(_LEVELS + 1) / _LEVELS
        bars = np.minimum(np.arange(_LEVELS + 1) * _BARS // _LEVELS, _BARS - 1)
        positive = self.counts[values >= POSITIVE].sum()
        return {
            "labels": total,
            "without_label": self.missing,
            "mean": float(self.counts @ values / total) if total else None,
            "positive_share": float(positive / total) if total else None,
            "histogram": np.bincount(bars, self.counts, _BARS).astype(int).tolist(),
        }


@dataclass
class LabelCard:
    """Counts over all complete windows and core pixels of an area.

    Attributes:
        formula: Parameters of the synthetic label, for the record.
        truth: Truth labels, if known.
        synthetic: Synthetic labels, if computed.
        classes: Synthetic labels where the truth is known, by class of the truth.
        shifts: Shifts that the index of the compared windows wants, counted by value.
        flat: Pixels and windows whose index is 0 before and after, and all that have one.
        warnings: What a reader must know before using the labels.
    """

    formula: dict[str, Any]
    truth: LabelCounts = field(default_factory=LabelCounts)
    synthetic: LabelCounts = field(default_factory=LabelCounts)
    classes: dict[str, LabelCounts] = field(
        default_factory=lambda: {name: LabelCounts() for name in CLASSES}
    )
    shifts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(_SHIFTS) - 1, np.int64))
    flat: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))
    warnings: list[str] = field(default_factory=list)

    def add_agreement(
        self,
        synthetic: NDArray[np.float32],
        truth: NDArray[np.float32],
        other: NDArray[np.float32],
    ) -> None:
        """Count synthetic labels by what is true; [window, y, x] each, NaN not known."""
        known = ~np.isnan(truth)
        members = {
            "urban": truth >= POSITIVE,
            "partly": (truth > 0) & (truth < POSITIVE),
            "other": (truth == 0) & (other >= POSITIVE),
        }
        members["unchanged"] = known & ~np.any(list(members.values()), axis=0)
        for name, chosen in members.items():
            self.classes[name].add(synthetic[chosen])

    def add_index(self, index: NDArray[np.float32], wanted_shift: NDArray[np.float32]) -> None:
        """Count how far the index is used; [window, 2, y, x] each, NaN where not defined."""
        defined = ~np.isnan(index).any(axis=1)
        self.flat += (int(((index == 0).all(axis=1) & defined).sum()), int(defined.sum()))
        wanted = np.clip(wanted_shift[~np.isnan(wanted_shift)], _SHIFTS[0], _SHIFTS[-1])
        self.shifts += np.histogram(wanted, _SHIFTS)[0]

    @property
    def flat_share(self) -> float | None:
        """Share of pixels and windows for which the index can't tell anything."""
        return float(self.flat[0] / self.flat[1]) if self.flat[1] else None

    @property
    def fitting_shift(self) -> float | None:
        """The shift that lifts the index of nearly all pixels above 0."""
        if not self.shifts.sum():
            return None
        place = np.searchsorted(np.cumsum(self.shifts), _FITTING_SHARE * self.shifts.sum())
        return round(float(_SHIFTS[min(place + 1, len(_SHIFTS) - 1)]), 2)

    @property
    def average_precision(self) -> float | None:
        """Area under the precision-recall curve of the synthetic label; None without positives."""
        positives = self.classes["urban"].counts
        every = np.sum([counts.counts for counts in self.classes.values()], axis=0)
        return average_precision(positives, every - positives)

    @property
    def prevalence(self) -> float | None:
        """Share of positives where truth and synthetic label are known: a coin's score."""
        every = sum(int(counts.counts.sum()) for counts in self.classes.values())
        return int(self.classes["urban"].counts.sum()) / every if every else None

    def document(self) -> dict[str, Any]:
        """The card, JSON-ready."""
        agreement: dict[str, Any] = {
            "average_precision": self.average_precision,
            "prevalence": self.prevalence,
            "classes": {name: counts.summary() for name, counts in self.classes.items()},
        }
        if self.average_precision is None:
            agreement["reason"] = "no urban change is known where the synthetic label is defined"
        return {
            "formula": self.formula,
            "truth": self.truth.summary(),
            "synthetic": self.synthetic.summary(),
            "agreement": agreement,
            "index": {"flat_share": self.flat_share, "fitting_shift": self.fitting_shift},
            "warnings": self.warnings,
        }

    def write(self, stem: Path) -> tuple[Path, ...]:
        """Write the card as JSON, Markdown and a picture beside each other."""
        paths = tuple(stem.with_suffix(suffix) for suffix in (".json", ".md", ".png"))
        document = self.document()
        paths[0].write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
        paths[1].write_text(_markdown(document))
        _picture(document).savefig(paths[2], metadata={"Software": None})
        return paths


def average_precision(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> float | None:
    """Average precision of scores counted by value, as scikit-learn defines it.

    Args:
        positives: [level] number of positives per score, ascending.
        negatives: [level] number of negatives.

    Returns:
        sum_n (R_n - R_{n-1}) P_n over falling thresholds; None without positives.
    """
    hits = np.cumsum(positives[::-1])
    if not hits[-1]:
        return None
    found = hits + np.cumsum(negatives[::-1])
    gained = np.diff(hits, prepend=0)
    used = found > 0
    return float((gained[used] * hits[used] / found[used]).sum() / hits[-1])


def _markdown(document: dict[str, Any]) -> str:
    lines = ["# Label card", "", "Over all complete windows and core pixels.", ""]
    lines += [f"- **Mind:** {warning}" for warning in document["warnings"]]
    lines += ["", "| labels | number | without a label | mean | at least 0.5 |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    rows = [(name, document[name]) for name in ("truth", "synthetic")]
    lines += [_row(name, values) for name, values in rows]
    agreement = document["agreement"]
    lines += ["", "## Synthetic label against the truth", ""]
    if agreement["average_precision"] is None:
        lines += [f"Not scored: {agreement['reason']}."]
    else:
        lines.append(
            f"Average precision {agreement['average_precision']:.3f}, "
            f"where chance gives {agreement['prevalence']:.3f}. This says how well the label "
            "formula finds the known changes; it is no score of a model."
        )
        lines += [
            "",
            "| truth | number | without a label | mean synthetic label | at least 0.5 |",
            "| --- | --- | --- | --- | --- |",
            *(_row(name, values) for name, values in agreement["classes"].items()),
        ]
    lines += ["", "## Formula", ""]
    lines += [f"- {name}: {value}" for name, value in document["formula"].items()]
    index = document["index"]
    if index["flat_share"] is not None:
        lines.append(
            f"- index 0 both before and after: {index['flat_share']:.1%} of pixels and windows; "
            f"a shift of {index['fitting_shift']} lifts {_FITTING_SHARE:.0%} above 0"
        )
    return "\n".join(lines) + "\n"


def _row(name: str, values: dict[str, Any]) -> str:
    numbers = [
        "-" if values[key] is None else f"{values[key]:.4f}" for key in ("mean", "positive_share")
    ]
    return (
        " | ".join((f"| {name}", str(values["labels"]), str(values["without_label"]), *numbers))
        + " |"
    )


def _picture(document: dict[str, Any]) -> Figure:
    """Histograms of the labels, and of the synthetic label by class of the truth."""
    figure = Figure(figsize=(9, 3.6), dpi=110)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.08, right=0.98, bottom=0.15, top=0.9, wspace=0.15)
    _histograms(left, [(name, document[name]) for name in ("truth", "synthetic")])
    left.set(title="labels", xlabel="label", ylabel="share of labels")
    classes = list(document["agreement"]["classes"].items())
    _histograms(right, classes)
    right.set(title="synthetic label by truth", xlabel="synthetic label")
    return figure


def _histograms(axes: Any, series: Sequence[tuple[str, dict[str, Any]]]) -> None:
    edges = np.linspace(0, 1, _BARS + 1)
    for name, values in series:
        if values["labels"]:
            share = np.array(values["histogram"]) / values["labels"]
            axes.stairs(share, edges, label=f"{name} ({values['labels']})", linewidth=1.5)
    axes.set_yscale("log")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)
