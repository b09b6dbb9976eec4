"""The files of an evaluation: `metrics.json`, tables and curves as CSV, pictures.

    metrics.json              everything, by level of truth; null where a score is undefined, with
                              the reason beside it
    headline.json             the few numbers to look at first, flat
    baselines.csv             a row per detector
    blocks.csv                a row per detector and test block
    pr_curve.csv, roc_curve.csv, reliability.csv      of the network
    baseline_pr_curves.csv    of the baselines
    events.csv                known changes with what was found of them, then false alarms
    calibration.json          what makes probabilities of scores, if truth is known
    strata.csv                known changes found, by contrast, size and speed
    operating.csv             event recall and false events at falling thresholds
    summary.md                the verdict and the detectors, for people
    model_card.md, model.stac.json                    see `model_card`
    pr_curve.png, reliability.png, dates.png

Tables and pictures are those of the first level, the one that counts.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from groundshift.artifacts import ValueHash
from groundshift.assessment.calibrating import Calibration
from groundshift.assessment.card import CARD, render_card
from groundshift.assessment.gate import Gate
from groundshift.assessment.plots import draw
from groundshift.assessment.results import LevelResult, baseline_table
from groundshift.errors import ContractError

CONTRACT = "evaluation"
METRICS, HEADLINE, CALIBRATION = "metrics.json", "headline.json", "calibration.json"


def write_files(folder: Path, results: Sequence[LevelResult], gate: Gate) -> tuple[Path, ...]:
    """Write everything an evaluation says.

    Args:
        folder: of the artifact.
        results: by level, the one that counts first.
        gate: the verdict.

    Returns:
        The pictures.
    """
    first = results[0]
    headline = first.headline()
    _write_json(folder / HEADLINE, headline)
    (folder / CARD).write_text(render_card(first, gate))
    levels: dict[str, Any] = {result.level: result.as_json() for result in results}
    _write_json(folder / METRICS, {"headline": headline, **levels})
    if first.calibration is not None:
        _write_json(folder / CALIBRATION, first.calibration.to_dict())
    rivals = [judged.pr_curve.assign(detector=judged.name) for judged in first.judged[1:]]
    tables = {
        "baselines": baseline_table(first),
        "blocks": pd.concat([judged.blocks for judged in first.judged], ignore_index=True),
        "pr_curve": first.network.pr_curve,
        "roc_curve": first.network.roc_curve,
        "reliability": first.curve,
    }
    if rivals:
        tables["baseline_pr_curves"] = pd.concat(rivals, ignore_index=True)
    found = {"events": first.events, "strata": first.strata, "operating": first.operating}
    tables |= {name: table for name, table in found.items() if table is not None}
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.8g", lineterminator="\n")
    return draw(folder, first)


def read_headline(folder: Path) -> dict[str, Any]:
    """The few numbers of an evaluation to look at first.

    Raises:
        ContractError: they are not there.
    """
    path = folder / HEADLINE
    try:
        headline: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ContractError(
            f"{path} can't be read ({error}). Rerun: python -m components.evaluate"
        ) from error
    return headline


def read_calibration(folder: Path) -> Calibration | None:
    """What makes probabilities of a model's scores; None where no truth was known.

    Raises:
        ContractError: it is there and can't be read.
    """
    path = folder / CALIBRATION
    if not path.is_file():
        return None
    try:
        return Calibration.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError) as error:
        raise ContractError(
            f"{path} can't be read ({error}). Rerun: python -m components.evaluate"
        ) from error


def hash_values(values: ValueHash, results: Sequence[LevelResult]) -> None:
    """Feed every score of every detector, undefined ones as -1."""
    for result in results:
        for judged in result.judged:
            scores = judged.scores | (result.extra if judged is result.network else {})
            values.add_text(f"{result.level}/{judged.name}", scores)
            numbers = pd.Series([score.value for score in scores.values()], dtype=float)
            values.add_scores(f"{result.level}/{judged.name}", numbers.to_numpy())


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
