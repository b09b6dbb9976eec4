"""The gate: whether a model is good enough to be mapped with."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from groundshift.assessment.protocol import Level
from groundshift.assessment.results import LABEL, TREES, LevelResult
from groundshift.settings import GateSettings

Verdict = Literal["passed", "failed", "inconclusive"]


@dataclass(frozen=True)
class Gate:
    """A verdict and what it rests on.

    Attributes:
        verdict: inconclusive where the test blocks say too little.
        reasons: a sentence per rule that was not met.
        level: of the truth that it was judged by.
        lift: PR-AUC over the prevalence; None where it has none.
        beats_simple_baselines: by name, whether the network is ahead; told, not judged by.
        beats_lightgbm: likewise; None where there is nothing to compare with.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    level: Level
    lift: float | None = None
    beats_simple_baselines: Mapping[str, bool] = field(default_factory=dict)
    beats_lightgbm: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return asdict(self) | {"reasons": list(self.reasons)}


def judge_gate(
    result: LevelResult, settings: GateSettings, champion: Mapping[str, Any] | None = None
) -> Gate:
    """Judge a network by the level that counts.

    Args:
        result: of that level.
        settings: what must be reached.
        champion: headline of the champion's evaluation; None to compare with none.
    """
    scores = result.network.scores
    area, prevalence = scores["pr_auc"].value, scores["prevalence"].value
    positives = int(sum(result.network.blocks.get("positives", ())))
    if area is None or not prevalence or positives < settings.minimum_positives:
        reason = (
            f"{positives} changed pixels (times windows) on the test blocks, expected at least "
            f"{settings.minimum_positives}"
        )
        return Gate("inconclusive", (reason,), result.level)
    lift = area / prevalence
    verdict: Verdict = "passed"
    reasons = []
    if lift < settings.minimum_lift:
        verdict = "failed"
        reasons.append(
            f"PR-AUC {area:.3f} is {lift:.2f} times the prevalence, expected at least "
            f"{settings.minimum_lift:g} times"
        )
    if settings.margin is not None and champion is not None:
        behind = _behind(area, result.level, champion, settings.margin)
        reasons += behind
        verdict = "failed" if behind else verdict
    simple = {
        name: rival.beaten
        for name, rival in result.rivals.items()
        if name not in (TREES, LABEL) and rival.beaten is not None
    }
    trees = result.rivals[TREES].beaten if TREES in result.rivals else None
    return Gate(verdict, tuple(reasons), result.level, round(lift, 6), simple, trees)


def _behind(area: float, level: Level, champion: Mapping[str, Any], margin: float) -> list[str]:
    """Why a model is not ahead of the champion; one judged by other truth can't be compared."""
    theirs = champion["pr_auc"]
    if champion["level"] != level or theirs is None or area >= theirs + margin:
        return []
    return [
        f"PR-AUC {area:.3f}, expected the champion's {theirs:.3f} and a margin of {margin:g} above"
    ]


def promotes(verdict: str, *, champion: bool) -> bool:
    """Whether a model becomes the champion; where there is none yet, any that did not fail does.

    Args:
        verdict: a gate's.
        champion: whether there is one.
    """
    return verdict == "passed" or (verdict == "inconclusive" and not champion)
