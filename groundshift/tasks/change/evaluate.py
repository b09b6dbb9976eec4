"""Judge a model on blocks it has never seen, beside what is simpler."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from groundshift.artifacts import Draft, Manifest
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
from groundshift.events.objects import EventRule, ScoredWindows, find_objects
from groundshift.events.polygonized import polygonize
from groundshift.events.series import cube_sums
from groundshift.events.table import find_events
from groundshift.models.store import Detector
from groundshift.samples.store import Samples
from groundshift.settings import EvaluateStage, EventSettings
from groundshift.tasks.change.curves import curves
from groundshift.tasks.change.room import share_of
from groundshift.tasks.protocol import Account

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Judging:
    """A model and every baseline, scored on the same held-out blocks.

    Attributes:
        settings: of the stage.
        cube: the images.
        samples: windows, splits and labels.
        detector: that is judged.
        rival: the champion, where it can be compared with.
        incomparable: why it can't be; empty if it can, or if there is none.
    """

    settings: EvaluateStage
    cube: Cube
    samples: Samples
    detector: Detector
    rival: Detector | None
    incomparable: str
    contract: str = CONTRACT
    resumes: bool = False

    @classmethod
    def open(
        cls,
        settings: EvaluateStage,
        cube: Path,
        samples: Path,
        model: Path,
        champion: Path | None,
    ) -> "Judging":
        """Open what is judged, and by what; see `Task.evaluation`.

        Raises:
            ContractError: artifacts that don't fit one another.
        """
        images, indexed, detector = Cube.open(cube), Samples.open(samples), Detector.open(model)
        indexed.require(images)
        return cls(settings, images, indexed, detector, *_rival(champion, images, detector))

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hashes by name."""
        return {name: manifest.content_hash for name, manifest in self._manifests.items()}

    @property
    def _manifests(self) -> dict[str, Manifest]:
        manifests = {
            "cube": self.cube.manifest,
            "samples": self.samples.manifest,
            "model": self.detector.manifest,
        }
        return manifests if self.rival is None else manifests | {"champion": self.rival.manifest}

    def write(self, draft: Draft) -> Account:
        """Score the model and every baseline, and say which is better."""
        own, images, rival = self.settings.evaluate, self.cube, self.rival
        share = share_of(self.settings, images, self.samples, self.detector)
        network = partial(score_network, self.detector, images, memory=share.scoring)
        theirs = partial(score_network, rival, images, memory=share.scoring) if rival else None
        scorers = (network, _finder(own, images), _outlines(own), _simple(own), theirs)
        results = Evaluation(
            images,
            self.samples,
            own,
            *scorers,
            neighbours=self.detector.inputs.neighbours,
            kept=share.strips,
        ).results()
        gate = judge_gate(results[0], own.gate, self.incomparable)
        pictures = [path.name for path in write_files(draft.folder, results, gate)]
        found = self._manifests.values()
        licences = sorted({line for manifest in found for line in manifest.licences})
        about = (self.detector, images, self.samples, results[0], gate, licences)
        write_model_card(draft.folder, Subject(self.settings.name, *about))
        hash_values(draft.values, results)
        draft.summary.update(headline=results[0].headline(), levels=[r.level for r in results])
        draft.licences.update(licences)
        draft.record["gate"] = gate.to_dict()
        return _account(results, gate, pictures)


def _account(results: Sequence[LevelResult], gate: Gate, pictures: Sequence[str]) -> Account:
    return Account(
        metrics=_metrics(results[0]),
        figures=tuple(pictures),
        notes=_notes(results, gate),
        pages={"summary": CARD},
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
    settings: EventSettings, dated_by: Cube
) -> Callable[[Panel, Scores, float], gpd.GeoDataFrame]:
    """The events of a block's scores, dated by the series of a cube."""

    def find(panel: Panel, scores: Scores, threshold: float) -> gpd.GeoDataFrame:
        block = panel.block
        read = cube_sums(dated_by.cells[block.cell.id], (block.rows.start, block.columns.start))
        rule = EventRule.of(settings, threshold)
        return find_events(_windows(panel, scores), rule, read=read)

    return find


def _outlines(settings: EventSettings) -> Callable[[Panel, Scores, float], list[BaseGeometry]]:
    """The outlines of these events."""

    def find(panel: Panel, scores: Scores, threshold: float) -> list[BaseGeometry]:
        found = find_objects(_windows(panel, scores), EventRule.of(settings, threshold))
        return [part.geometry for part in found.parts]

    return find


def _simple(settings: EventSettings) -> Callable[[Panel, Scores, float], gpd.GeoDataFrame]:
    """What a threshold on the greatest score of a block outlines."""

    def find(panel: Panel, scores: Scores, threshold: float) -> gpd.GeoDataFrame:
        return polygonize(_windows(panel, scores), threshold, settings.min_event)

    return find


def _windows(panel: Panel, scores: Scores) -> ScoredWindows:
    """A block's scores, nothing outside of what is judged."""
    inside = np.where(panel.block.inside, scores, np.float32(np.nan))
    return ScoredWindows(inside, panel.starts, panel.ends, panel.block.grid)


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
