"""An evaluation: the network and every baseline on the same pixels, at each level of truth."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.assessment.baselines import (
    Predictor,
    compared_betas,
    simple_baselines,
)
from groundshift.assessment.calibrating import Calibration, fit, probability_scores
from groundshift.assessment.calibration import reliability
from groundshift.assessment.comparison import CHAMPION, Contender, compare
from groundshift.assessment.event_scores import (
    DATED,
    POLYGONIZED,
    event_summary,
    event_table,
    events_by_group,
    joined,
    way_row,
)
from groundshift.assessment.judging import Judged, Pooled, choose_threshold, judge, region_scores
from groundshift.assessment.operating import (
    Outline,
    Watched,
    best_threshold_of_events,
    delays,
    events_by_stratum,
    operating_curve,
    operating_summary,
)
from groundshift.assessment.protocol import Level, Panel, panels, positive
from groundshift.assessment.results import LABEL, NETWORK, TREES, LevelResult, Rival
from groundshift.assessment.scores import NO_THRESHOLD, Score, regression
from groundshift.assessment.scoring import (
    KEPT_VALUES,
    StripReader,
    fit_trees,
    score_panels,
    without,
)
from groundshift.assessment.uncertainty import error_ranking
from groundshift.cube.store import Cube
from groundshift.domain.eras import era
from groundshift.domain.time import parse_duration
from groundshift.models.inference import PlaceScores
from groundshift.samples.splits import Split
from groundshift.samples.store import LabelKind, Samples
from groundshift.settings import EvaluateSettings

log = logging.getLogger(__name__)

_BINS = 50
"""Bins of equal mass of the reliability curve: at a prevalence of 4 % the change fills the last."""

_EVENT_THRESHOLDS = tuple(np.linspace(0.1, 0.9, 9).round(2).tolist())
"""That ways of making events choose from."""

PanelScores = NDArray[np.float32]
ScorePanels = Callable[[Sequence[Panel]], list[PlaceScores]]
"""The network: scores of every panel."""
FindEvents = Callable[[Panel, PanelScores, float], gpd.GeoDataFrame]
"""Dated events of a panel's scores at a threshold."""


@dataclass(frozen=True)
class Scored:
    """The panels of a split at one level, and the network's scores on them."""

    panels: list[Panel]
    network: list[PanelScores]
    spread: list[PanelScores] | None
    """Over the members of an ensemble."""

    @classmethod
    def of(cls, panels: list[Panel], scores: Sequence[PlaceScores]) -> "Scored":
        """Panels with what a network says of them."""
        spread = [place.spread for place in scores if place.spread is not None]
        return cls(panels, [place.mean for place in scores], spread or None)


class Evaluation:
    """Judges a network on the validation and test blocks of an area.

    Args:
        cube: the images.
        samples: windows, splits, labels.
        settings: of the stage.
        network: the network.
        find: the events of its scores.
        outline: their outlines alone.
        simple: the events that a threshold on the greatest score outlines, to compare with.
        champion: the network to be compared with; None for none.
        neighbours: whether the network sees the windows before and after, so that the trees do.
        kept: numbers of strips that are kept for the next baseline.
    """

    def __init__(
        self,
        cube: Cube,
        samples: Samples,
        settings: EvaluateSettings,
        network: ScorePanels,
        find: FindEvents,
        outline: Outline,
        simple: FindEvents,
        champion: ScorePanels | None = None,
        *,
        neighbours: bool = False,
        kept: int = KEPT_VALUES,
    ) -> None:
        self._cube, self._samples, self._settings = cube, samples, settings
        self._find, self._outline, self._simple = find, outline, simple
        self._champion, self._neighbours = champion, neighbours
        self._reader = StripReader(cube, kept)
        main = main_kind(samples)
        validation, test = self._panels("validation", main), self._panels("test", main)
        log.info("the network scores %d validation and %d test blocks", len(validation), len(test))
        scores = network([*validation, *test])
        self._validation = Scored.of(validation, scores[: len(validation)])
        self._test = Scored.of(test, scores[len(validation) :])
        self.threshold = self._threshold_of(self._validation)

    def results(self) -> list[LevelResult]:
        """What is found at every level, the one that counts first."""
        main = main_kind(self._samples)
        found = [self._level(main, self._test, with_baselines=self._settings.baselines)]
        if self._champion is not None:
            found[0] = self._beside_champion(found[0], self._champion)
        if main == "truth" and "synthetic" in self._samples.label_kinds:
            labelled = self._panels("test", "synthetic")
            beside = replace(self._test, panels=labelled)
            found.append(self._level("synthetic", beside, with_baselines=False))
        return found

    @property
    def _wait(self) -> float:
        """Days from a window's end until it can be scored: when the window after it is there."""
        length = parse_duration(self._samples.settings["length"])
        return length / timedelta(days=1) if self._neighbours else 0.0

    def _panels(self, split: Split, which: LabelKind) -> list[Panel]:
        return panels(self._samples, self._cube, split, which, stride=self._settings.stride)

    def _threshold_of(self, validation: Scored) -> Score:
        if self._settings.threshold is not None:
            return Score(self._settings.threshold)
        return choose_threshold(validation.panels, validation.network)

    def _level(self, which: LabelKind, test: Scored, *, with_baselines: bool) -> LevelResult:
        network = self._judge(NETWORK, test.panels, test.network, self.threshold)
        result = LevelResult(level_of(self._samples, which), test.panels, network)
        pooled = Pooled.of(test.panels, test.network)
        labels, scores = positive(pooled.all_labels), pooled.all_scores
        curve = reliability(labels, scores, _BINS)
        extra = {
            **regression(pooled.all_labels, scores),
            **region_scores(test.panels, test.network, self.threshold, self._settings.boundary),
            **probability_scores(labels, scores, _BINS),
        }
        if test.spread is not None:
            extra |= error_ranking(test.panels, test.network, test.spread, self.threshold)
        result = replace(result, extra=extra, curve=curve)
        if which == "truth":
            result = self._calibrated(self._with_events(result, test), labels, scores)
        return self._with_baselines(result, test, which) if with_baselines else result

    def _calibrated(
        self, result: LevelResult, labels: NDArray[np.bool_], scores: PanelScores
    ) -> LevelResult:
        """The result with probabilities, which the validation blocks' truth makes of the scores."""
        validation = Pooled.of(self._validation.panels, self._validation.network)
        found = fit(validation.positives, validation.scores)
        if not isinstance(found, Calibration):
            return replace(result, no_calibration=found)
        probability = probability_scores(labels, found(scores), _BINS)
        return replace(result, calibration=found, probability=probability)

    def _with_events(self, result: LevelResult, test: Scored) -> LevelResult:
        """The result with scores of events; there are none where truth is no polygons."""
        truth, threshold = self._samples.truth, self.threshold.value
        if truth is None:
            return result
        if threshold is None:
            reason = Score(None, NO_THRESHOLD)
            names = ("event_precision", "event_recall", "event_f1")
            return replace(result, extra=result.extra | dict.fromkeys(names, reason))
        table = self._events(test, truth, threshold, self._find)
        watched = _watched(test, truth)
        curve = operating_curve(watched, self._outline)
        late = delays(watched, threshold, wait=self._wait)
        extra = event_summary(table) | operating_summary(curve, watched) | late
        return replace(
            result,
            extra=result.extra | extra,
            events=table,
            groups=events_by_group(table),
            strata=events_by_stratum(table, truth),
            operating=curve,
            ways=self._ways(test, truth),
        )

    def _ways(self, test: Scored, truth: gpd.GeoDataFrame) -> pd.DataFrame:
        """Two ways of making events of the same scores, each by its own best threshold."""
        validation = _watched(self._validation, truth)
        rows = []
        for way, outline, find in (
            (DATED, self._outline, self._find),
            (POLYGONIZED, lambda *asked: list(self._simple(*asked).geometry), self._simple),
        ):
            best = best_threshold_of_events(validation, outline, _EVENT_THRESHOLDS)
            rows.append(way_row(way, best, self._events(test, truth, best, find)))
        return pd.DataFrame(rows)

    def _events(
        self, test: Scored, truth: gpd.GeoDataFrame, threshold: float, find: FindEvents
    ) -> pd.DataFrame:
        return joined(
            event_table(panel, scores, truth, find(panel, scores, threshold))
            for panel, scores in zip(test.panels, test.network, strict=True)
        )

    def _beside_champion(self, result: LevelResult, champion: ScorePanels) -> LevelResult:
        """The result with the champion on the same blocks and draws, by a threshold of its own."""
        validation, test = self._validation.panels, self._test.panels
        log.info("the champion scores the same %d blocks", len(validation) + len(test))
        scores = champion([*validation, *test])
        theirs = Scored.of(test, scores[len(validation) :])
        threshold = self._threshold_of(Scored.of(validation, scores[: len(validation)]))
        judged = self._judge(CHAMPION, test, theirs.network, threshold)
        events = None
        if result.events is not None and threshold.value is not None:
            events = self._events(theirs, self._samples.truth, threshold.value, self._find)
        comparison = compare(
            test,
            Contender(result.network, self._test.network, result.events),
            Contender(judged, theirs.network, events),
            confidence=self._settings.gate.confidence,
            minimum_positives=self._settings.gate.minimum_positives,
        )
        rivals = result.rivals | {CHAMPION: Rival(judged, result.network)}
        return replace(result, rivals=rivals, comparison=comparison)

    def _with_baselines(self, result: LevelResult, test: Scored, which: LabelKind) -> LevelResult:
        rivals: dict[str, Rival] = {}
        absent: dict[str, str] = {}
        for name, predictor in self._predictors().items():
            if isinstance(predictor, str):
                absent[name] = predictor
                continue
            log.info("scoring the baseline %s", name)
            validation = score_panels(predictor, self._validation.panels, self._reader)
            threshold = choose_threshold(self._validation.panels, validation)
            scores = score_panels(predictor, test.panels, self._reader)
            judged = self._judge(name, test.panels, scores, threshold)
            rivals[name] = Rival(judged, result.network)
        if which == "truth":
            if "synthetic" in self._samples.label_kinds:
                rivals[LABEL] = self._label_formula(test)
            else:
                absent[LABEL] = "this cube allows no synthetic labels; the label card says why"
        return replace(result, rivals=rivals, absent=absent)

    def _predictors(self) -> dict[str, Predictor | str]:
        cells = list(self._cube.cells.values())
        windows = self._samples.windows
        labels, published = self._samples.settings["synthetic"], era(self._samples.settings["era"])
        betas = compared_betas(cells, windows[windows["complete"]])
        enl = labels["looks"] or published.looks
        found = simple_baselines(cells[0], betas, labels["shift"], enl)
        target = self._samples.target
        training = panels(self._samples, self._cube, "training", target)
        log.info("fitting boosted trees to %d training blocks", len(training))
        seed, neighbours = self._settings.seed, self._neighbours
        return found | {TREES: fit_trees(training, self._reader, seed, neighbours=neighbours)}

    def _label_formula(self, test: Scored) -> Rival:
        """The synthetic label as a predictor, on the pixels and windows that have one."""
        validation = [panel.labels for panel in self._panels("validation", "synthetic")]
        threshold = choose_threshold(without(self._validation.panels, validation), validation)
        scores = [panel.labels for panel in self._panels("test", "synthetic")]
        same = without(test.panels, scores)
        judged = self._judge(LABEL, same, scores, threshold)
        return Rival(judged, self._judge(NETWORK, same, test.network, self.threshold))

    def _judge(
        self, name: str, on: Sequence[Panel], scores: Sequence[PanelScores], threshold: Score
    ) -> Judged:
        draws, seed = self._settings.bootstrap, self._settings.seed
        return judge(name, on, scores, threshold, draws=draws, seed=seed)


def _watched(scored: Scored, truth: gpd.GeoDataFrame) -> list[Watched]:
    """Blocks with their scores and known changes."""
    return [
        Watched.of(panel, scores, truth)
        for panel, scores in zip(scored.panels, scored.network, strict=True)
    ]


def main_kind(samples: Samples) -> LabelKind:
    """The labels that count: truth where it is known."""
    return "truth" if "truth" in samples.label_kinds else "synthetic"


def level_of(samples: Samples, which: LabelKind) -> Level:
    """What scores against a kind of labels are worth."""
    if which == "synthetic":
        return "synthetic_agreement"
    # A truth of the user's own is an input of its own; a planted one came with the observations.
    return "reference" if "truth" in samples.manifest.inputs else "controlled_truth"
