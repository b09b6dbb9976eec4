"""The gate: whether a model is good enough to be mapped with, and to replace the champion.

Two questions. Is it good enough at all: PR-AUC on blocks it has never seen, at least so many times
what chance gives. Is it better than the champion: ahead on the same blocks in nearly all paired
draws, and worse in no stratum by more than a margin. Where the blocks say too little for the second
question, the verdict is inconclusive and the champion stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from groundshift.assessment.comparison import CHAMPION, Comparison
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
        comparison: with the champion; None where there was none to compare with.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    level: Level
    lift: float | None = None
    beats_simple_baselines: Mapping[str, bool] = field(default_factory=dict)
    beats_lightgbm: bool | None = None
    comparison: Comparison | None = None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        compared = None if self.comparison is None else self.comparison.to_dict()
        return asdict(self) | {"reasons": list(self.reasons), "comparison": compared}


def judge_gate(result: LevelResult, settings: GateSettings, incomparable: str = "") -> Gate:
    """Judge a network by the level that counts.

    Args:
        result: of that level, with the comparison where there is a champion.
        settings: what must be reached.
        incomparable: why the champion could not be scored on these blocks; empty if it was, or
            if there is none.
    """
    scores = result.network.scores
    area, prevalence = scores["pr_auc"].value, scores["prevalence"].value
    positives = int(sum(result.network.blocks.get("positives", ())))
    if area is None or not prevalence or positives < settings.minimum_positives:
        reason = (
            f"{positives} changed pixels (times windows) on the test blocks, expected at least "
            f"{settings.minimum_positives}"
        )
        return Gate("inconclusive", (reason,), result.level, comparison=result.comparison)
    lift = area / prevalence
    failures = []
    if lift < settings.minimum_lift:
        failures.append(
            f"PR-AUC {area:.3f} is {lift:.2f} times the prevalence, expected at least "
            f"{settings.minimum_lift:g} times"
        )
    doubts = [incomparable] if incomparable else []
    if result.comparison is not None:
        doubts += _too_little(result.comparison, settings)
        if not doubts:
            failures += _behind(result.comparison, settings)
    verdict: Verdict = "failed" if failures else "inconclusive" if doubts else "passed"
    simple = {
        name: rival.beaten
        for name, rival in result.rivals.items()
        if name not in (TREES, LABEL, CHAMPION) and rival.beaten is not None
    }
    trees = result.rivals[TREES].beaten if TREES in result.rivals else None
    reasons = (*failures, *doubts)
    return Gate(verdict, reasons, result.level, round(lift, 6), simple, trees, result.comparison)


def _too_little(found: Comparison, settings: GateSettings) -> Iterator[str]:
    """Why a comparison decides nothing."""
    if found.blocks < settings.minimum_blocks:
        yield (
            f"{found.blocks} test blocks, expected at least {settings.minimum_blocks} to replace "
            "the champion by"
        )
    if found.events < settings.minimum_events:
        yield (
            f"{found.events} events on the test blocks, expected at least "
            f"{settings.minimum_events} to replace the champion by"
        )
    if found.lower_limit is None:
        yield "no paired draws to compare with the champion by: set evaluate.bootstrap"


def _behind(found: Comparison, settings: GateSettings) -> Iterator[str]:
    """Why a model doesn't replace the champion."""
    # Both are there where there are draws.
    assert found.lower_limit is not None
    assert found.pr_auc is not None
    assert found.champion_pr_auc is not None
    if found.lower_limit <= settings.margin:
        yield (
            f"PR-AUC {found.pr_auc:.3f}, the champion's {found.champion_pr_auc:.3f}: ahead by more "
            f"than {found.lower_limit:.3f} in {settings.confidence:.0%} of draws of blocks, "
            f"expected more than {settings.margin:g}"
        )
    for stratum in found.strata:
        if stratum.loss > settings.stratum_margin:
            yield (
                f"{stratum.name}: {stratum.measure} {stratum.model:.3f}, expected at most "
                f"{settings.stratum_margin:g} below the champion's {stratum.champion:.3f}"
            )


def promotes(verdict: str, *, champion: bool) -> bool:
    """Whether a model becomes the champion; where there is none yet, any that did not fail does.

    Args:
        verdict: a gate's.
        champion: whether there is one.
    """
    return verdict == "passed" or (verdict == "inconclusive" and not champion)
