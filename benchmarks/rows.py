"""Rows of the benchmark's table: what a stage took, beside the plain way, the goal, the limit."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.measuring import Cost

RESULTS = Path(__file__).parent / "results"

MOST_MB = 500
"""Memory above imports that a stage may take."""


@dataclass(frozen=True)
class Goal:
    """What a stage must reach.

    Attributes:
        ratio: of the plain way's CPU seconds per unit to ours, at least.
        seconds: that ours may take, where nothing is compared.
        reference: CPU seconds per unit of the published program itself, measured once on two
            other cores on the workload `medium`; None where that was not measured.
    """

    ratio: float | None = None
    seconds: float | None = None
    reference: float | None = None


GOALS: Mapping[str, Goal] = {
    "stack": Goal(25, reference=140),
    "list of windows": Goal(reference=67),
    "window index": Goal(seconds=1),
    "betas": Goal(reference=0.37),
    "labels": Goal(reference=0.56),
    "betas and labels": Goal(300, reference=0.93),
    "batches": Goal(10),
    "training step": Goal(1.15, reference=1.04),
    "network, stride 5": Goal(3.5, reference=0.231),
    "network, stride 1": Goal(4, reference=0.231),
    "maps": Goal(5, reference=0.28),
    "new observation": Goal(),
    "all without the network": Goal(300, reference=14_610),
}
"""By stage. The last reference is the sum of those above it over 256 tiles and 97 windows, with
labels on three tiles of eight as the published split has them."""


@dataclass(frozen=True)
class Row:
    """One stage.

    Attributes:
        stage: its name.
        work: what was done, in words.
        units: of work that ours and the plain way did.
        ours: what ours cost.
        plain: what the plain way cost; None where nothing is compared.
        difference: largest between their outputs, as compared with `allowed`.
        allowed: at most.
        limit: what would bound our time on this machine.
        best_s: CPU seconds at that limit; 0 where there is none worth naming.
        notes: further figures, by name.
    """

    stage: str
    work: str
    units: tuple[float, float]
    ours: Cost
    plain: Cost | None = None
    difference: float = 0.0
    allowed: float = 0.0
    limit: str = ""
    best_s: float = 0.0
    notes: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Row":
        """A row that was kept."""
        own = {each.name: found[each.name] for each in fields(cls)}
        own["ours"] = Cost(**found["ours"])
        own["plain"] = Cost(**found["plain"]) if found["plain"] else None
        return cls(**own)

    @property
    def ratio(self) -> float | None:
        """Of the plain way's CPU seconds per unit to ours; None if the outputs differ."""
        if self.plain is None or not self.difference <= self.allowed:
            return None
        return (self.plain.cpu_s / self.units[1]) / (self.ours.cpu_s / self.units[0])

    def found(self) -> dict[str, Any]:
        """All of it, JSON-ready, with what follows from it."""
        goal = GOALS.get(self.stage, Goal())
        plain = None if self.plain is None else self.plain.cpu_s / self.units[1]
        beside = plain / goal.reference if plain and goal.reference else None
        if goal.ratio is not None:
            met = self.ratio is not None and self.ratio >= goal.ratio
        else:
            met = goal.seconds is None or self.ours.cpu_s <= goal.seconds
        return asdict(self) | {
            "ratio": self.ratio,
            "required": goal.ratio,
            "reference": goal.reference,
            "plain_to_reference": beside,
            "met": met and self.ours.peak_mb <= MOST_MB,
        }


HEADS = (
    "stage",
    "CPU s",
    "wall s",
    "MB",
    "peak MB",
    "plain: CPU s",
    "peak MB",
    "ratio",
    "required",
    "before",
    "plain / reference",
    "difference",
    "of the limit",
)


def table(rows: Iterable[Mapping[str, Any]], before: Mapping[str, Any]) -> list[str]:
    """The rows as Markdown.

    Args:
        rows: as `Row.found` gives them.
        before: those to compare with, by stage.
    """
    lines = ["| " + " | ".join(HEADS) + " |", "|" + " --- |" * len(HEADS)]
    return lines + [_line(row, before.get(row["stage"], {}).get("ratio")) for row in rows]


def _line(row: Mapping[str, Any], last: float | None) -> str:
    ours, plain = row["ours"], row["plain"]
    different = plain is not None and row["ratio"] is None
    share = row["best_s"] / ours["cpu_s"]
    cells = [
        f"{row['stage']}: {row['work']}",
        _number(ours["cpu_s"]),
        _number(ours["wall_s"]),
        f"{ours['written_mb']:.0f}" if ours["written_mb"] >= 1 else "-",
        f"{max(ours['peak_mb'], 0):.0f}",
        _number(plain["cpu_s"]) if plain else "-",
        f"{max(plain['peak_mb'], 0):.0f}" if plain else "-",
        "outputs differ" if different else _times(row["ratio"]),
        _times(row["required"]),
        _times(last),
        f"{row['plain_to_reference']:.2f}" if row["plain_to_reference"] else "-",
        f"{row['difference']:.1g}" if plain else "-",
        f"{share:.0%} {row['limit']}" if row["best_s"] else "-",
    ]
    return "| " + " | ".join(cells) + " |"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} x".replace(".0 x", " x")


def kept(size: str, folder: Path = RESULTS, commit: str | None = None) -> dict[str, Any]:
    """The results of a size: those in a folder, or as a commit has them; empty if there are none.

    Args:
        size: name of the workload.
        folder: where results are kept.
        commit: any name git knows.
    """
    path = folder / f"{size}.json"
    if commit is None:
        text = path.read_text() if path.exists() else ""
    else:
        place = f"{commit}:./benchmarks/results/{size}.json"
        shown = subprocess.run(["git", "show", place], capture_output=True, text=True, check=False)
        if shown.returncode:
            raise SystemExit(f"no results of size {size} in {commit}: {shown.stderr.strip()}")
        text = shown.stdout
    return dict(json.loads(text)) if text else {"rows": {}}
