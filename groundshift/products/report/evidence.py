"""How good the model is, told by level of evidence, from an evaluation artifact."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groundshift.artifacts import Manifest, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.assessment.event_scores import DATED
from groundshift.assessment.files import CONTRACT, METRICS
from groundshift.assessment.protocol import LEVEL_MEANING, Level
from groundshift.assessment.results import NETWORK
from groundshift.errors import ContractError
from groundshift.products import pictures
from groundshift.products.report.page import Column, Fact, Plot, Quality, Row, Table

_LEVELS: dict[Level, tuple[str, str, str]] = {
    "controlled_truth": ("controlled", "controlled truth", "Against changes known by construction"),
    "reference": ("reference", "independent reference", "Against an independent reference"),
    "synthetic_agreement": ("synthetic", "synthetic labels", "Agreement with synthetic labels"),
}
_SCORES = {
    "pr_auc": "PR-AUC",
    "roc_auc": "ROC-AUC",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
}
_EVENTS = {
    "strength": "strength",
    "speed": "speed",
    "events": "known",
    "found": "found",
    "date_error_median": "median date error, days",
}
_WAYS = {
    "way": "events",
    "threshold": "threshold",
    "events": "known",
    "event_precision": "precision",
    "event_recall": "recall",
    "event_f1": "F1",
    "date_error_median": "median date error, days",
}
_NAMES = {
    "lightgbm": "LightGBM on window statistics",
    "ndvi_difference": "NDVI difference",
    "ndvi_cusum": "CUSUM of NDVI",
    "ndvi_ewma": "EWMA of NDVI",
    "endisi_difference": "ENDISI difference",
    "omnibus_test": "omnibus test",
    "radar_log_ratio": "radar log-ratio",
    "radar_step": "best-split radar step",
    "synthetic_label": "synthetic label formula",
}
_PLOTS = {
    "pr_curve.png": "Precision and recall on the test blocks",
    "reliability.png": "Reliability of the scores",
    "dates.png": "Dates found against true dates",
}


def detector_name(name: str) -> str:
    """A detector as people call it."""
    return _NAMES.get(name, name.replace("_", " "))


@dataclass(frozen=True)
class Evidence:
    """An evaluation artifact, opened for telling.

    Attributes:
        folder: the artifact.
        manifest: its manifest.
        document: `metrics.json`.
    """

    folder: Path
    manifest: Manifest
    document: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Evidence":
        """Open an artifact and check that it is whole.

        Raises:
            ContractError: not a whole evaluation.
        """
        manifest = read_manifest(folder, CONTRACT)
        check_files(folder, manifest)
        path = folder / METRICS
        document = json.loads(path.read_text()) if path.is_file() else {}
        missing = {"level", "pr_auc", "prevalence", "threshold"} - set(document.get("headline", ()))
        if missing:
            raise ContractError(
                f"{path}: expected a headline with {', '.join(sorted(missing))}, found none. "
                "Rerun: python -m components.evaluate"
            )
        return cls(folder, manifest, document)

    @property
    def threshold(self) -> float | None:
        """Score from which a pixel counts as changed; None where none could be chosen."""
        value: float | None = self.document["headline"]["threshold"]
        return value

    def headline(self) -> Fact | None:
        """The score to look at first, if it is defined."""
        headline = self.document["headline"]
        if headline["pr_auc"] is None:
            return None
        word = _LEVELS[headline["level"]][1]
        note = f"on test blocks, by {word}; chance is {headline['prevalence']:.3f}"
        return Fact("PR-AUC", f"{headline['pr_auc']:.2f}", note)

    def quality(self) -> Quality:
        """Tables and pictures of the page."""
        tables = [
            table
            for level in LEVEL_MEANING
            if level in self.document
            for table in _level_tables(level, self.document[level])
        ]
        plots = [
            Plot(pictures.data_uri(path.read_bytes()), title)
            for name, title in _PLOTS.items()
            if (path := self.folder / name).is_file()
        ]
        lead = (
            "All numbers are pooled over pixels and windows of test blocks, whose pixels neither "
            "training nor the choice of the threshold saw, while the maps above cover all ground. "
            "Intervals are drawn over blocks. Levels of evidence can't be compared with each other."
        )
        return Quality(lead, tables, plots)


def _level_tables(level: Level, found: Mapping[str, Any]) -> list[Table]:
    mark, label, title = _LEVELS[level]
    detectors = {NETWORK: found[NETWORK], **found.get("baselines", {})}
    ground = found.get("ground", {})
    columns = [
        Column("detector"),
        *(Column(name, number=True) for name in _SCORES.values()),
        Column("PR-AUC, 95 %", number=True),
        Column("decoys taken for change", number=True),
    ]
    order = sorted(detectors, key=lambda name: (name != NETWORK, -(detectors[name]["pr_auc"] or 0)))
    rows = [
        Row(_detector_cells(name, detectors[name], ground.get(name, {})), ours=name == NETWORK)
        for name in order
    ]
    meaning = LEVEL_MEANING[level]
    chance = found[NETWORK].get("prevalence")
    lead = (
        f"{meaning[0].upper()}{meaning[1:]}; {found['blocks']} blocks, {found['windows']} windows"
    )
    lead += "." if chance is None else f", chance is {chance:.3f}."
    tables = [_without_empty(Table(title, columns, rows, lead, mark, label))]
    if groups := found.get("events_by_group"):
        tables.append(_groups_table(groups, _events_lead(found[NETWORK]), mark, label))
    if ways := found.get("event_ways"):
        tables.append(_ways_table(ways, mark, label))
    return tables


def _without_empty(table: Table) -> Table:
    """A table without the columns that hold nothing."""
    kept = [
        number
        for number in range(len(table.columns))
        if any(row.cells[number] for row in table.rows)
    ]
    rows = [replace(row, cells=[row.cells[number] for number in kept]) for row in table.rows]
    return replace(table, columns=[table.columns[number] for number in kept], rows=rows)


def _detector_cells(
    name: str, scores: Mapping[str, Any], ground: Mapping[str, Any]
) -> tuple[str, ...]:
    interval = (scores.get("intervals") or {}).get("pr_auc")
    decoys = (ground.get("decoy") or {}).get("share_detected")
    note = f" ({scores['reason']})" if scores.get("reason") else ""
    return (
        detector_name(name) + note,
        *(_number(scores.get(score)) for score in _SCORES),
        f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "",
        "" if decoys is None else f"{decoys:.0%}",
    )


def _events_lead(scores: Mapping[str, Any]) -> str:
    """Precision, recall and date errors of events in a sentence."""
    parts = ["Known changes on the test blocks by strength and speed, and those found as events."]
    if scores.get("event_recall") is not None:
        precision = scores.get("event_precision")
        shown = "undefined, as nothing was found" if precision is None else f"{precision:.2f}"
        parts.append(f"Over all: recall {scores['event_recall']:.2f}, precision {shown}.")
    if scores.get("date_error_median") is not None:
        parts.append(f"Half of the dates are within {scores['date_error_median']:.0f} days.")
    return " ".join(parts)


def _groups_table(groups: list[Mapping[str, Any]], lead: str, mark: str, label: str) -> Table:
    columns = [
        Column(title, number=name not in ("strength", "speed")) for name, title in _EVENTS.items()
    ]
    rows = [Row([_cell(group.get(name)) for name in _EVENTS]) for group in groups]
    table = Table("Events by kind of change", columns, rows, lead, mark, label)
    return _without_empty(table)


def _ways_table(ways: list[Mapping[str, Any]], mark: str, label: str) -> Table:
    columns = [Column(title, number=name != "way") for name, title in _WAYS.items()]
    rows = [Row([_cell(way.get(name)) for name in _WAYS], ours=way["way"] == DATED) for way in ways]
    lead = (
        "Two ways of making events of the same scores on the same blocks, each by the threshold "
        "that is best for it on validation blocks. Threshold and polygonize outlines where the "
        "greatest score reaches it, and takes the middle of the best window for the date."
    )
    return _without_empty(Table("Events against the simple way", columns, rows, lead, mark, label))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
