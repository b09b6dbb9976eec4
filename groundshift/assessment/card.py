"""An evaluation as a page of Markdown: the verdict, and the network beside every baseline."""

from groundshift.assessment.gate import Gate
from groundshift.assessment.judging import Judged
from groundshift.assessment.protocol import LEVEL_MEANING
from groundshift.assessment.results import LevelResult
from groundshift.assessment.scores import Score

CARD = "summary.md"

_COLUMNS = {
    "pr_auc": "PR-AUC",
    "roc_auc": "ROC-AUC",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
}


def render_card(result: LevelResult, gate: Gate) -> str:
    """The page.

    Args:
        result: of the level that counts.
        gate: the verdict on it.
    """
    chance = _number(result.network.scores["prevalence"]) or "not known"
    blocks, empty = len(result.network.blocks), " |" * len(_COLUMNS)
    lines = [
        f"# Evaluation: {gate.verdict}",
        *(f"- {reason}" for reason in gate.reasons),
        "",
        f"Truth: {LEVEL_MEANING[result.level]}. {blocks} test blocks; PR-AUC of chance: {chance}.",
        "",
        f"| detector | {' | '.join(_COLUMNS.values())} |",
        "| --- |" + " ---: |" * len(_COLUMNS),
        *map(_row, result.judged),
        *(f"| {_title(name)} ({reason}) |{empty}" for name, reason in result.absent.items()),
    ]
    return "\n".join(lines) + "\n"


def _row(judged: Judged) -> str:
    numbers = (_number(judged.scores[name]) for name in _COLUMNS)
    return f"| {_title(judged.name)} | {' | '.join(numbers)} |"


def _title(name: str) -> str:
    return name.replace("_", " ")


def _number(score: Score) -> str:
    return "" if score.value is None else f"{score.value:.3f}"
