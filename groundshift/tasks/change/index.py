"""Windows, patches and labels of a cube: the samples of change monitoring.

Labels need the betas of the region: `regional` makes them where cells are worked on apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundshift.artifacts import Draft, read_manifest
from groundshift.cube.store import Cube
from groundshift.observations.store import Observations
from groundshift.samples import store
from groundshift.samples.betas import BETAS, Sums
from groundshift.samples.build import build, build_index
from groundshift.samples.labels.card import LabelCard
from groundshift.samples.labels.truth import Truth, dated_polygons, read_truth, truth_digest
from groundshift.settings import WindowStage
from groundshift.tasks.inputs import require_lineage
from groundshift.tasks.protocol import Account


@dataclass(frozen=True)
class Labelled:
    """Windows of a cube with labels for every complete one.

    Attributes:
        settings: of the stage.
        cube: that is indexed.
        truth: known changes; None if there are none.
        licences: of observations and cube.
        regional: betas of the region, where the cube holds one cell of it.
        inputs: content hashes by name.
    """

    settings: WindowStage
    cube: Cube
    truth: Truth | None
    licences: frozenset[str]
    regional: Sums | None
    inputs: Mapping[str, str]
    contract: str = store.CONTRACT
    resumes: bool = False

    @classmethod
    def open(
        cls, settings: WindowStage, observations: Path, cube: Path, betas: Path | None
    ) -> "Labelled":
        """Open what there is to index; see `Task.samples`."""
        seen, indexed = Observations.open(observations), Cube.open(cube)
        require_lineage(seen, indexed)
        inputs = {
            "observations": seen.manifest.content_hash,
            "cube": indexed.manifest.content_hash,
        }
        if settings.window.truth is not None:
            inputs["truth"] = truth_digest(settings.window.truth)
        regional = None
        if betas is not None:
            inputs["betas"] = read_manifest(betas, BETAS).content_hash
            regional = Sums.read(betas, BETAS, settings)
        licences = frozenset((*seen.manifest.licences, *indexed.manifest.licences))
        truth = _known_truth(settings, seen)
        return cls(settings, indexed, truth, licences, regional, inputs)

    def write(self, draft: Draft) -> Account:
        """Cut windows and patches, and label what is complete."""
        draft.licences.update(self.licences)
        card = build(self.cube, self.truth, self.settings, draft, self.regional)
        return account_of(draft.summary, card)


@dataclass(frozen=True)
class Unlabelled:
    """Windows and patches of a cube, for a model that is trained already.

    Attributes:
        settings: of the stage.
        cube: that is indexed.
    """

    settings: WindowStage
    cube: Cube
    contract: str = store.CONTRACT
    resumes: bool = False

    @property
    def inputs(self) -> Mapping[str, str]:
        """The cube's content hash."""
        return {"cube": self.cube.manifest.content_hash}

    def write(self, draft: Draft) -> Account:
        """Cut windows and patches."""
        draft.licences.update(self.cube.manifest.licences)
        build_index(self.cube, self.settings, draft)
        return account_of(draft.summary)


def _known_truth(settings: WindowStage, observations: Observations) -> Truth | None:
    """The truth that the settings name, else what was planted."""
    if settings.window.truth is not None:
        return read_truth(settings.window.truth)
    if observations.truth is None:
        return None
    return dated_polygons(observations.truth, where=f"{observations.folder}/truth.parquet")


def account_of(summary: Mapping[str, Any], card: LabelCard | None = None) -> Account:
    """The numbers of a manifest's summary, and those of its labels if it has any."""
    counts: dict[str, int] = summary["patches"]
    complete, windows = (summary[name] for name in ("complete_windows", "windows"))
    patches = ", ".join(f"{count} {split}" for split, count in counts.items())
    metrics = {"windows": complete, **{f"patches_{split}": n for split, n in counts.items()}}
    notes = [f"{complete} complete of {windows} windows; {patches} patches"]
    page, picture = (f"{store.CARD}{suffix}" for suffix in (".md", ".png"))
    if card is not None:
        metrics |= _label_metrics(card)
        notes += card.warnings
    return Account(
        metrics={name: float(value) for name, value in metrics.items() if value is not None},
        figures=(picture, page) if card is not None else (),
        pages={"card": page} if card is not None else {},
        notes=tuple(notes),
    )


def _label_metrics(card: LabelCard) -> dict[str, float | None]:
    """Numbers worth tracking; None where undefined."""
    return {
        "synthetic_average_precision": card.average_precision,
        "synthetic_prevalence": card.prevalence,
        "truth_mean": card.truth.summary()["mean"],
        "synthetic_mean": card.synthetic.summary()["mean"],
    }
