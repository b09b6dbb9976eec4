"""The task `landcover`; its parts are loaded when a stage asks for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from groundshift.artifacts import ArtifactStore, Manifest
from groundshift.cube.store import Cube
from groundshift.errors import SettingsError
from groundshift.observations.store import Observations
from groundshift.settings import (
    LandcoverEvaluateStage,
    LandcoverInferStage,
    LandcoverTrainStage,
    LandcoverWindowStage,
)
from groundshift.tasks.inputs import require_lineage
from groundshift.tasks.protocol import Account, Chain, Task, Work


class LandcoverTask:
    """Pixels with a class, trees on their series, a map of classes."""

    opener = "groundshift.products.serving.classifier:open_classifier"

    def example(self, model: Path) -> Mapping[str, NDArray[Any]]:
        """The pixels of the model's probe."""
        from groundshift.products.serving.classifier import example

        return example(model)

    def samples(
        self, settings: LandcoverWindowStage, *, observations: Path, cube: Path, betas: Path | None
    ) -> Work:
        """Pixels of every class."""
        from groundshift.tasks.landcover.index import Labelled

        seen, indexed = Observations.open(observations), Cube.open(cube)
        require_lineage(seen, indexed)
        return Labelled.open(settings, seen.manifest, indexed, betas)

    def index(self, settings: LandcoverWindowStage, *, cube: Path) -> Work:
        """No samples."""
        from groundshift.tasks.landcover.index import Referenced, Unlabelled

        return Unlabelled(Referenced(settings, Cube.open(cube)))

    def indexed(self, manifest: Manifest) -> Account:
        """Numbers of the samples."""
        from groundshift.tasks.landcover.index import account_of

        return account_of(manifest.summary)

    def coefficients(self, settings: LandcoverWindowStage, *, cube: Path) -> Work:
        """Pixels of every class in one cell."""
        from groundshift.tasks.landcover.index import CellCounts, Referenced

        return CellCounts(Referenced(settings, Cube.open(cube)))

    def betas(self, settings: LandcoverWindowStage, *, coefficients: Path) -> Work:
        """Pixels of every class in the area."""
        from groundshift.tasks.landcover.index import RegionalCounts

        return RegionalCounts.open(coefficients)

    def model(self, settings: LandcoverTrainStage, *, cube: Path, samples: Path) -> Work:
        """Gradient boosted trees."""
        from groundshift.tasks.landcover.train import Learning

        return Learning.open(settings, cube, samples)

    def evaluation(
        self,
        settings: LandcoverEvaluateStage,
        *,
        cube: Path,
        samples: Path,
        model: Path,
        champion: Path | None,
    ) -> Work:
        """The confusion matrix, and what follows from it."""
        from groundshift.tasks.landcover.evaluate import Judging

        return Judging.open(settings, cube, samples, model, champion)

    def drift(self, settings: LandcoverEvaluateStage, *, cube: Path, model: Path) -> Work:
        """Refused: a season must be over before it can be compared with another one."""
        raise SettingsError(
            "task landcover has no drift report: expected the task change. Train anew when "
            "there is a new reference, with groundshift run training"
        )

    def past(
        self,
        settings: LandcoverInferStage,
        *,
        chain: Chain,
        earlier: Path | None,
        store: ArtifactStore | None,
    ) -> None:
        """Nothing: a map of land cover follows from its own period alone."""

    def maps(self, settings: LandcoverInferStage, *, chain: Chain, past: None) -> Work:
        """Maps, areas, catalogue, report."""
        from groundshift.tasks.landcover.infer import AreaMap, Sources

        return AreaMap(Sources.open(settings, chain))

    def scores(
        self, settings: LandcoverInferStage, *, chain: Chain, cell: str, previous: Path | None
    ) -> Work:
        """One cell's maps; they cost so little that an earlier run's are not taken over."""
        from groundshift.tasks.landcover.infer import CellMap

        return CellMap.open(settings, chain, cell)

    def report(
        self, settings: LandcoverInferStage, *, chain: Chain, scores: Path, past: None
    ) -> Work:
        """Maps of all cells, areas, catalogue, report."""
        from groundshift.tasks.landcover.infer import JoinedMap

        return JoinedMap.open(settings, chain, scores)


TASK: Task = LandcoverTask()
