"""What an evaluation says, as JSON and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pandas as pd

from groundshift.assessment.bootstrap import Interval
from groundshift.assessment.calibrating import Calibration
from groundshift.assessment.comparison import Comparison
from groundshift.assessment.judging import Judged, margin
from groundshift.assessment.protocol import LEVEL_MEANING, Level, Panel
from groundshift.assessment.scores import Score, as_json

NETWORK, TREES, LABEL = "network", "lightgbm", "synthetic_label"

_HEADLINE = (
    "pr_auc",
    "prevalence",
    "roc_auc",
    "precision",
    "recall",
    "f1",
    "kappa",
    "balanced_accuracy",
)


@dataclass(frozen=True)
class Rival:
    """A baseline beside the network on the same pixels.

    Attributes:
        judged: the baseline.
        network: the network, on the pixels that the baseline scores.
    """

    judged: Judged
    network: Judged

    @property
    def difference(self) -> float | None:
        """PR-AUC of the network less that of the baseline."""
        mine, theirs = self.network.scores["pr_auc"].value, self.judged.scores["pr_auc"].value
        return None if mine is None or theirs is None else mine - theirs

    @property
    def beaten(self) -> bool | None:
        """Whether the network has the higher PR-AUC; None where one has none."""
        return None if self.difference is None else self.difference > 0


@dataclass(frozen=True)
class LevelResult:
    """All that is said at one level of truth.

    Attributes:
        level: which.
        panels: the test blocks.
        network: judged on all their pixels.
        rivals: the baselines by name.
        absent: baselines that could not be had, with the reason.
        extra: further scores of the network.
        curve: reliability of the network.
        events: rows of `event_table`, None where no events are known.
        groups: rows of `events_by_group`.
        strata: rows of `events_by_stratum`.
        operating: rows of `operating_curve`.
        ways: rows of `way_row`, ways of making events of the network's scores.
        calibration: what makes probabilities of the network's scores; only truth does.
        no_calibration: why there is none.
        probability: scores of these probabilities.
        comparison: with the champion, where there is one to compare with.
    """

    level: Level
    panels: Sequence[Panel]
    network: Judged
    rivals: dict[str, Rival] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Score] = field(default_factory=dict)
    curve: pd.DataFrame = field(default_factory=pd.DataFrame)
    events: pd.DataFrame | None = None
    groups: pd.DataFrame | None = None
    strata: pd.DataFrame | None = None
    operating: pd.DataFrame | None = None
    ways: pd.DataFrame | None = None
    calibration: Calibration | None = None
    no_calibration: str = "synthetic labels are no truth to fit probabilities to"
    probability: dict[str, Score] = field(default_factory=dict)
    comparison: Comparison | None = None

    @property
    def judged(self) -> list[Judged]:
        """The network and the baselines."""
        return [self.network, *(rival.judged for rival in self.rivals.values())]

    def as_json(self) -> dict[str, Any]:
        """The level's part of `metrics.json`."""
        document: dict[str, Any] = {
            "meaning": LEVEL_MEANING[self.level],
            "blocks": len(self.network.blocks),
            "windows": max((len(panel.windows) for panel in self.panels), default=0),
            NETWORK: _detector(self.network, self.extra),
            "ground": _ground(self.judged),
            "calibration": self._calibration(),
        }
        if self.rivals or self.absent:
            found = {name: _rival(rival) for name, rival in self.rivals.items()}
            absent = {n: {"pr_auc": None, "reason": reason} for n, reason in self.absent.items()}
            document["baselines"] = found | absent
        if self.comparison is not None:
            document["champion"] = self.comparison.to_dict()
        if self.groups is not None:
            document["events_by_group"] = plain_rows(self.groups)
        if self.ways is not None:
            document["event_ways"] = plain_rows(self.ways)
        if self.strata is not None:
            document["events_by_stratum"] = plain_rows(self.strata)
        return document

    def _calibration(self) -> dict[str, Any]:
        """How scores become probabilities, and how good these are."""
        if self.calibration is None:
            return {"method": None, "reason": self.no_calibration}
        return {"method": self.calibration.method, **as_json(self.probability)}

    def headline(self) -> dict[str, Any]:
        """The few numbers to look at first, flat."""
        scores = self.network.scores | self.extra
        names = [*_HEADLINE, *(n for n in ("event_precision", "event_recall") if n in scores)]
        values = {name: _rounded(scores[name].value) for name in names}
        threshold = self.network.threshold.value
        return {"level": self.level, **values, "threshold": threshold}


def baseline_table(result: LevelResult) -> pd.DataFrame:
    """A row per detector: scores, PR-AUC interval, shares of ground detected, the margin."""
    rows = []
    for judged in result.judged:
        rival = result.rivals.get(judged.name)
        low, high = _limits(judged.intervals.get("pr_auc"))
        kinds = judged.kinds.set_index("kind")["share_detected"]
        rows.append(
            {
                "level": result.level,
                "detector": judged.name,
                **{name: score.value for name, score in judged.scores.items()},
                "pr_auc_low": low,
                "pr_auc_high": high,
                "threshold": judged.threshold.value,
                "decoys_detected": kinds["decoy"],
                "network_ahead_by": None if rival is None else rival.difference,
            }
        )
    return pd.DataFrame(rows)


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table, JSON-ready: undefined numbers null, floats to six digits."""
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def _detector(judged: Judged, extra: Mapping[str, Score] = MappingProxyType({})) -> dict[str, Any]:
    """Scores, threshold and intervals of a detector."""
    document = as_json({**judged.scores, **extra, "threshold": judged.threshold})
    # Exact, because a pixel that scores just so much is detected.
    document["threshold"] = judged.threshold.value
    document["intervals"] = {name: found.as_json() for name, found in judged.intervals.items()}
    return document


def _rival(rival: Rival) -> dict[str, Any]:
    """A baseline, and how far the network is ahead on the same pixels and draws of blocks."""
    interval = margin(rival.network, rival.judged)
    return _detector(rival.judged) | {
        "network_pr_auc": _rounded(rival.network.scores["pr_auc"].value),
        "network_ahead_by": _rounded(rival.difference),
        "network_ahead_by_interval": interval.as_json(),
    }


def _ground(judged: Sequence[Judged]) -> dict[str, Any]:
    """Mean score and share detected by kind of ground, per detector."""
    return {
        one.name: {
            row["kind"]: {key: row[key] for key in ("pixels", "mean_score", "share_detected")}
            for row in plain_rows(one.kinds)
        }
        for one in judged
    }


def _limits(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    value = value.item() if hasattr(value, "item") else value
    return round(value, 6) if isinstance(value, float) else value
