"""The classifier on test samples it has never seen, beside naming the commonest class everywhere.

metrics.json     headline, scores with intervals, per class, verdict
classes.csv      a row per class: samples, precision, recall, F1, IoU
confusion.csv    samples by class of the reference (rows) and of the map (columns)
confusion.png    the same as a picture
model_card.md    for people; MLflow shows it with the model's version
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from groundshift.artifacts import Draft, Manifest
from groundshift.assessment.classification import SCORES, Classified, draw_confusion
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.memory import Room
from groundshift.models.pixel_trees import PixelTrees
from groundshift.samples.pixels import PixelSamples
from groundshift.settings import LandcoverEvaluateSettings, LandcoverEvaluateStage
from groundshift.tasks.landcover.card import TITLES, number, render_card
from groundshift.tasks.landcover.room import SQUARE, edge_within, require_table
from groundshift.tasks.landcover.train import labelled
from groundshift.tasks.protocol import Account

CONTRACT = "evaluation"
METRICS, CLASSES, CONFUSION = "metrics.json", "classes.csv", "confusion.csv"
PICTURE, CARD = "confusion.png", "model_card.md"
TREES, COMMONEST, CHAMPION = "lightgbm", "commonest class", "champion"


@dataclass(frozen=True)
class Verdict:
    """Whether a model is good enough to be mapped with.

    Attributes:
        verdict: passed, failed, or inconclusive where the test blocks say too little.
        reasons: a sentence per rule that was not met.
        lift: mIoU over the baseline's; None where it has none.
        comparison: mIoU of both on the same blocks, where there was a champion.
    """

    verdict: str
    reasons: tuple[str, ...] = ()
    lift: float | None = None
    comparison: Mapping[str, float] | None = field(default=None)


@dataclass(frozen=True)
class Judging:
    """A classifier on the test samples.

    Attributes:
        settings: of the stage.
        cube: the images.
        samples: with their class.
        trees: that are judged.
        rival: the champion, where it can be compared with.
        incomparable: why it can't be; empty if it can, or if there is none.
    """

    settings: LandcoverEvaluateStage
    cube: Cube
    samples: PixelSamples
    trees: PixelTrees
    rival: PixelTrees | None
    incomparable: str
    contract: str = CONTRACT
    resumes: bool = False

    @classmethod
    def open(
        cls,
        settings: LandcoverEvaluateStage,
        cube: Path,
        samples: Path,
        model: Path,
        champion: Path | None,
    ) -> "Judging":
        """Open what is judged, and by what; see `Task.evaluation`.

        Raises:
            ContractError: artifacts that don't fit one another.
        """
        images, indexed, trees = Cube.open(cube), PixelSamples.open(samples), PixelTrees.open(model)
        indexed.require(images)
        period = (settings.period.start_seconds, settings.period.end_seconds)
        trees.series.require(images.signature, period, owner="the model")
        names = tuple(one["name"] for one in indexed.manifest.summary["classes"])
        if names != trees.names:
            raise ContractError(
                f"{samples}: expected samples of the model's classes {', '.join(trees.names)}, "
                f"found {', '.join(names)}. Train on these samples: python -m components.train"
            )
        rival, incomparable = _rival(champion, trees, images, period)
        return cls(settings, images, indexed, trees, rival, incomparable)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hashes by name."""
        return {name: manifest.content_hash for name, manifest in self._manifests.items()}

    @property
    def _manifests(self) -> dict[str, Manifest]:
        manifests = {
            "cube": self.cube.manifest,
            "samples": self.samples.manifest,
            "model": self.trees.manifest,
        }
        return manifests if self.rival is None else manifests | {CHAMPION: self.rival.manifest}

    def write(self, draft: Draft) -> Account:
        """Map the test samples, and count."""
        own = self.settings.evaluate
        test = self.samples.of("test")
        judged = self._classified(TREES, self.trees, test)
        everywhere = np.full(len(test), self.trees.commonest, np.uint8)
        baseline = _counted(COMMONEST, self.trees, test, everywhere)
        rival = None if self.rival is None else self._classified(CHAMPION, self.rival, test)
        verdict = judge(judged, baseline, rival, own, self.incomparable)
        headline = _headline(judged, baseline)
        document = _document(judged, baseline, own) | {
            "headline": headline,
            "gate": asdict(verdict),
        }
        (draft.folder / METRICS).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
        _write_tables(draft.folder, judged)
        picture = draft.folder / PICTURE
        draw_confusion(picture, judged, "Test blocks: samples and share of the class")
        licences = {line for one in self._manifests.values() for line in one.licences}
        about = (self.settings, self.trees.series, judged, baseline)
        reasons = (verdict.verdict, *verdict.reasons)
        (draft.folder / CARD).write_text(render_card(*about, reasons, sorted(licences)))
        draft.values.add("matrices", judged.matrices)
        draft.summary.update(headline=headline)
        draft.licences.update(licences)
        draft.record["gate"] = asdict(verdict)
        return _account(judged, headline, verdict)

    def _classified(self, name: str, trees: PixelTrees, test: pd.DataFrame) -> Classified:
        start = self.settings.period.start_seconds
        room = Room(self.settings.memory, "evaluate")
        held = require_table(room, trees.series, len(test), len(trees.classes))
        cells = self.cube.cells.values()
        edge = edge_within(room, trees.series, cells, widest=SQUARE, held=held)
        features, _ = labelled(self.cube, test, trees.series, start, edge)
        mapped = trees.probabilities(features).argmax(axis=1).astype(np.uint8) + 1
        return _counted(name, trees, test, mapped)


def judge(
    judged: Classified,
    baseline: Classified,
    rival: Classified | None,
    settings: LandcoverEvaluateSettings,
    incomparable: str = "",
) -> Verdict:
    """Whether a model is good enough, and ahead of the champion.

    Args:
        judged: the model on the test samples.
        baseline: the commonest class everywhere, on the same ones.
        rival: the champion on the same ones, if there is one to compare with.
        settings: what must be reached.
        incomparable: why the champion could not be compared with; empty if it was.
    """
    gate = settings.gate
    mine, base = judged.scores["miou"], baseline.scores["miou"]
    samples = int(judged.confusion.sum())
    if mine is None or base is None or samples < gate.minimum_samples:
        reason = f"{samples} test samples, expected at least {gate.minimum_samples}"
        return Verdict("inconclusive", (reason,))
    reasons = []
    if mine - base <= gate.margin:
        reasons.append(
            f"mIoU {mine:.3f}, of the commonest class everywhere {base:.3f}: expected to be ahead "
            f"by more than {gate.margin:g}"
        )
    comparison = None
    if rival is not None and settings.bootstrap:
        draws = (settings.bootstrap, settings.seed)
        ahead = judged.drawn(*draws)["miou"] - rival.drawn(*draws)["miou"]
        limit = float(np.nanquantile(ahead, 1 - gate.confidence))
        comparison = {"champion_miou": rival.scores["miou"] or 0.0, "lower_limit": round(limit, 6)}
        if limit <= 0:
            reasons.append(
                f"mIoU {mine:.3f}, the champion's {comparison['champion_miou']:.3f}: expected to "
                f"be ahead in {gate.confidence:.0%} of draws of blocks"
            )
    doubts = [incomparable] if incomparable else []
    if rival is not None and comparison is None:
        doubts.append("no paired draws to compare with the champion by: set evaluate.bootstrap")
    verdict = "failed" if reasons else "inconclusive" if doubts else "passed"
    lift = round(mine / base, 6) if base else None
    return Verdict(verdict, (*reasons, *doubts), lift, comparison)


def _rival(
    champion: Path | None, trees: PixelTrees, cube: Cube, period: tuple[int, int]
) -> tuple[PixelTrees | None, str]:
    """The champion where it can be compared with, and why not where it can't."""
    if champion is None:
        return None, ""
    reigning = PixelTrees.open(champion)
    if reigning.manifest.content_hash == trees.manifest.content_hash:
        return None, ""  # judged again: it has nobody to be ahead of
    advice = "to replace it all the same: groundshift models promote"
    if reigning.names != trees.names:
        return None, f"the champion has other classes ({', '.join(reigning.names)}); {advice}"
    try:
        reigning.series.require(cube.signature, period, owner="the champion")
    except ContractError as error:
        return None, f"{error}; {advice}"
    return reigning, ""


def _counted(
    name: str, trees: PixelTrees, test: pd.DataFrame, mapped: np.ndarray[Any, Any]
) -> Classified:
    truth, blocks = test["class"].to_numpy(np.uint8), test["block"].to_numpy(np.int64)
    return Classified.of(name, trees.names, truth, mapped, blocks)


def _headline(judged: Classified, baseline: Classified) -> dict[str, Any]:
    """The numbers that runs are compared by."""
    own = {name: judged.scores[name] for name in SCORES}
    return own | {f"baseline_{name}": baseline.scores[name] for name in SCORES}


def _document(
    judged: Classified, baseline: Classified, settings: LandcoverEvaluateSettings
) -> dict[str, Any]:
    """All numbers, null where undefined."""
    limits = judged.intervals(settings.bootstrap, settings.seed)
    per_class = json.loads(judged.table().round(6).to_json(orient="records"))
    return {
        "classifiers": {one.name: one.scores for one in (judged, baseline)},
        "intervals": {name: limits[name].as_json() for name in SCORES},
        "classes": per_class,
        "samples": int(judged.confusion.sum()),
        "blocks": len(judged.matrices),
    }


def _write_tables(folder: Path, judged: Classified) -> None:
    judged.table().round(6).to_csv(folder / CLASSES, index=False, lineterminator="\n")
    confusion = pd.DataFrame(judged.confusion, judged.classes, judged.classes)
    confusion.to_csv(folder / CONFUSION, index_label="reference", lineterminator="\n")


def _account(judged: Classified, headline: Mapping[str, Any], verdict: Verdict) -> Account:
    names = [{"displayName": name} for name in judged.classes]
    rows = [{"row": row} for row in judged.confusion.tolist()]
    scores = ", ".join(
        f"{TITLES[name]} {number(judged.scores[name])} ({number(headline[f'baseline_{name}'])})"
        for name in SCORES
    )
    notes = (
        f"{scores} on {len(judged.matrices)} test blocks (in brackets: commonest class everywhere)",
        "; ".join((f"gate: {verdict.verdict}", *verdict.reasons)),
    )
    return Account(
        metrics={name: value for name, value in headline.items() if value is not None},
        figures=(PICTURE, CARD),
        notes=notes,
        pages={"summary": CARD},
        curves={"confusion": {"confusionMatrix": {"annotationSpecs": names, "rows": rows}}},
        parameters={"verdict": verdict.verdict},
    )
