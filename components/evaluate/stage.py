"""The evaluate stage: judge a model on blocks it has never seen, beside what is simpler."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from components.evaluate.curves import curves
from components.evaluate.room import share_of
from groundshift.artifacts import Manifest, Summary, writing
from groundshift.assessment.card import CARD
from groundshift.assessment.evaluation import Evaluation
from groundshift.assessment.files import CONTRACT, hash_values, write_files
from groundshift.assessment.gate import Gate, judge_gate
from groundshift.assessment.model_card import Subject, write_model_card
from groundshift.assessment.network_scores import score_network
from groundshift.assessment.protocol import LEVEL_MEANING, Panel
from groundshift.assessment.results import TREES, LevelResult
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.events.objects import EventRule, ScoredWindows
from groundshift.events.series import cube_sums
from groundshift.events.table import find_events
from groundshift.models.store import Detector
from groundshift.samples.store import Samples
from groundshift.settings import EvaluateStage, EventSettings

Scores = NDArray[np.float32]


def run(
    settings: EvaluateStage,
    *,
    cube: Path,
    samples: Path,
    model: Path,
    evaluation: Path,
    champion: Path | None = None,
) -> Summary:
    """Score a model and every baseline on the same held-out blocks, and say which is better.

    Args:
        settings: of the stage.
        cube: artifact with the images.
        samples: artifact with windows, splits and labels.
        model: artifact that is judged.
        evaluation: where the artifact goes.
        champion: artifact of the model to be ahead of, if there is another one.

    Raises:
        ContractError: artifacts that don't fit one another.
    """
    images, indexed, detector = Cube.open(cube), Samples.open(samples), Detector.open(model)
    indexed.require(images)
    inputs = {"cube": images.manifest, "samples": indexed.manifest, "model": detector.manifest}
    rival, incomparable = _rival(champion, images, detector)
    if rival is not None:
        inputs["champion"] = rival.manifest
    share = share_of(settings, images, indexed, detector)
    with writing(
        evaluation,
        CONTRACT,
        area=settings.name,
        settings=settings.affecting(),
        inputs={name: manifest.content_hash for name, manifest in inputs.items()},
    ) as draft:
        network = partial(score_network, detector, images, memory=share.scoring)
        theirs = (
            None if rival is None else partial(score_network, rival, images, memory=share.scoring)
        )
        find, outline = (_finder(settings.evaluate, by) for by in (images, None))
        scorers = (network, find, outline, theirs)
        judged = Evaluation(images, indexed, settings.evaluate, *scorers, kept=share.strips)
        results = judged.results()
        gate = judge_gate(results[0], settings.evaluate.gate, incomparable)
        pictures = [path.name for path in write_files(draft.folder, results, gate)]
        licences = sorted({line for manifest in inputs.values() for line in manifest.licences})
        about = (detector, images, indexed, results[0], gate, licences)
        write_model_card(draft.folder, Subject(settings.name, *about))
        hash_values(draft.values, results)
        draft.summary.update(headline=results[0].headline(), levels=[r.level for r in results])
        draft.licences.update(licences)
        draft.record["gate"] = gate.to_dict()
    return _summary(evaluation, draft.finished, results, gate, pictures)


def _summary(
    evaluation: Path,
    manifest: Manifest,
    results: Sequence[LevelResult],
    gate: Gate,
    pictures: Sequence[str],
) -> Summary:
    return Summary(
        stage="evaluate",
        artifact=evaluation,
        content_hash=manifest.content_hash,
        value_hash=manifest.value_hash,
        metrics=_metrics(results[0]),
        figures=tuple(evaluation / name for name in pictures),
        notes=_notes(results, gate),
        pages={"summary": evaluation / CARD},
        curves=curves(results[0].network),
        parameters={"verdict": gate.verdict},
    )


def _rival(champion: Path | None, images: Cube, detector: Detector) -> tuple[Detector | None, str]:
    """The champion where it can be compared with, and why not where it can't."""
    if champion is None:
        return None, ""
    reigning = Detector.open(champion)
    if reigning.manifest.content_hash == detector.manifest.content_hash:
        return None, ""  # judged again: it has nobody to be ahead of
    try:
        reigning.require(images.signature, owner="the champion")
    except ContractError as error:
        return None, f"{error}; to replace it all the same: groundshift models promote"
    return reigning, ""


def _finder(
    settings: EventSettings, dated_by: Cube | None
) -> Callable[[Panel, Scores, float], gpd.GeoDataFrame]:
    """The events of a block's scores, dated by the series of a cube if one is given."""

    def find(panel: Panel, scores: Scores, threshold: float) -> gpd.GeoDataFrame:
        block = panel.block
        inside = np.where(block.inside, scores, np.float32(np.nan))
        origin = (block.rows.start, block.columns.start)
        read = None if dated_by is None else cube_sums(dated_by.cells[block.cell.id], origin)
        return find_events(
            ScoredWindows(inside, panel.starts, panel.ends, block.grid),
            EventRule.of(settings, threshold),
            read=read,
        )

    return find


def _metrics(result: LevelResult) -> dict[str, float]:
    """Numbers worth tracking; undefined ones are left out."""
    values: dict[str, Any] = result.headline()
    for name, rival in result.rivals.items():
        values[f"{name}_pr_auc"] = rival.judged.scores["pr_auc"].value
    if result.comparison is not None:
        values["ahead_of_champion_by_at_least"] = result.comparison.lower_limit
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def _notes(results: Sequence[LevelResult], gate: Gate) -> tuple[str, ...]:
    """Sentences for the person who ran it."""
    first = results[0]
    verdict = "; ".join((f"gate: {gate.verdict}", *gate.reasons))
    area, blocks = first.network.scores["pr_auc"], len(first.network.blocks)
    if area.value is None:
        meaning = LEVEL_MEANING[first.level]
        return f"no PR-AUC on {blocks} test blocks ({meaning}): {area.reason}", verdict
    notes = [_headline(first, area.value)]
    simple = gate.beats_simple_baselines
    if simple:
        lost = [name for name, beaten in simple.items() if not beaten]
        notes.append(
            f"the network loses to {', '.join(lost)}" if lost else "beats every simple baseline"
        )
    trees = first.rivals.get(TREES)
    if trees is not None and trees.difference is not None:
        side = "ahead of" if trees.beaten else "behind"
        notes.append(
            f"{abs(trees.difference):.3f} {side} LightGBM on window statistics "
            f"({trees.judged.scores['pr_auc'].value:.3f})"
        )
    return (*notes, verdict)


def _headline(first: LevelResult, area: float) -> str:
    limits = first.network.intervals["pr_auc"].as_json()
    between = (
        "" if limits is None else f" (95 % of draws of blocks: {limits[0]:.2f}-{limits[1]:.2f})"
    )
    prevalence, blocks = first.network.scores["prevalence"].value, len(first.network.blocks)
    place = f"at a prevalence of {prevalence:.3f} on {blocks} test blocks"
    return f"PR-AUC {area:.3f}{between} {place}; truth: {LEVEL_MEANING[first.level]}"
