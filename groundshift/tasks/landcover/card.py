"""The model card of a classifier: what it is, how good it is, what it is not for."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from groundshift.assessment.classification import SCORES, Classified
from groundshift.models.pixel_series import PixelSeries
from groundshift.settings import LandcoverEvaluateStage

TITLES = {"accuracy": "accuracy", "macro_f1": "macro F1", "miou": "mIoU"}
_PER_CLASS = ("precision", "recall", "f1", "iou")
_LIMITS = """\
- How good it is was measured on blocks of this area and period, inside patches of one class where
  the reference is surest. Along their edges, elsewhere and in other years it is worse.
- The reference is taken for the truth; its own errors count against the model.
- It names one of its classes everywhere, also on ground that is none of them."""


def render_card(
    settings: LandcoverEvaluateStage,
    series: PixelSeries,
    judged: Classified,
    baseline: Classified,
    verdict: Sequence[str],
    licences: Sequence[str],
) -> str:
    """The card as Markdown.

    Args:
        settings: of the evaluate stage.
        series: what the model takes.
        judged: the model on the test samples.
        baseline: the commonest class everywhere, on the same ones.
        verdict: and its reasons.
        licences: licence and attribution lines.
    """
    streams = "; ".join(f"{s.role}: {', '.join(s.bands)}" for s in series.signature.streams)
    period = f"{settings.period.start:%Y-%m-%d} to {settings.period.end:%Y-%m-%d}"
    samples, blocks = int(judged.confusion.sum()), len(judged.matrices)
    model = (
        f"Gradient boosted trees (LightGBM) on series of single pixels: {series.instants} "
        f"instants, one every {series.interval / 86400:g} days, of {streams}, and the indices "
        f"{', '.join(series.indices) or 'none'}. Period {period}."
    )
    test = (
        f"{samples} samples on {blocks} test blocks it has never seen; intervals: 95 % of draws "
        "of blocks."
    )
    lines = [f"# Land cover of {settings.name}: {verdict[0]}", ""]
    lines += [f"- {reason}" for reason in verdict[1:]]
    lines += [model, "", test, "", *_scores(settings, judged, baseline), "", *_classes(judged), ""]
    lines += ["## Limits", "", _LIMITS, "", "## Licences", "", *(f"- {line}" for line in licences)]
    return "\n".join(lines) + "\n"


def number(value: float | None) -> str:
    """A score to three digits; nothing where it is not defined."""
    return "" if value is None or np.isnan(value) else f"{value:.3f}"


def _scores(
    settings: LandcoverEvaluateStage, judged: Classified, baseline: Classified
) -> list[str]:
    own = settings.evaluate
    limits = judged.intervals(own.bootstrap, own.seed)
    rows = ["| score | model | 95 % | commonest class |", "| --- | ---: | --- | ---: |"]
    for name in SCORES:
        span = limits[name].as_json()
        between = "" if span is None else f"{span[0]:.3f} to {span[1]:.3f}"
        mine, base = number(judged.scores[name]), number(baseline.scores[name])
        rows.append(f"| {TITLES[name]} | {mine} | {between} | {base} |")
    return rows


def _classes(judged: Classified) -> list[str]:
    head = "| class | samples | precision | recall | F1 | IoU |"
    rows = [_class(row) for row in judged.table().to_dict("records")]
    return [head, "| --- | ---: | ---: | ---: | ---: | ---: |", *rows]


def _class(row: dict[Any, Any]) -> str:
    scores = " | ".join(number(row[name]) for name in _PER_CLASS)
    return f"| {row['class']} | {row['samples']} | {scores} |"
