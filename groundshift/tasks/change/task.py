"""The task `change`; its parts are loaded when a stage asks for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from groundshift.artifacts import ArtifactStore, Manifest
from groundshift.cube.store import Cube
from groundshift.settings import EvaluateStage, InferStage, TrainStage, WindowStage
from groundshift.tasks.protocol import Account, Chain, Task, Work

if TYPE_CHECKING:
    from groundshift.tasks.change.past import PastFiles


class ChangeTask:
    """Windows of time, a network that scores them, maps of scores and dated events."""

    opener = "groundshift.products.serving.scorer:open_scorer"

    def example(self, model: Path) -> Mapping[str, NDArray[Any]]:
        """The sample of the model's probe."""
        from groundshift.products.serving.scorer import example

        return example(model)

    def samples(
        self, settings: WindowStage, *, observations: Path, cube: Path, betas: Path | None
    ) -> Work:
        """Windows, patches and labels."""
        from groundshift.tasks.change.index import Labelled

        return Labelled.open(settings, observations, cube, betas)

    def index(self, settings: WindowStage, *, cube: Path) -> Work:
        """Windows and patches."""
        from groundshift.tasks.change.index import Unlabelled

        return Unlabelled(settings, Cube.open(cube))

    def indexed(self, manifest: Manifest) -> Account:
        """Numbers of windows and patches."""
        from groundshift.tasks.change.index import account_of

        return account_of(manifest.summary)

    def coefficients(self, settings: WindowStage, *, cube: Path) -> Work:
        """Sums of the index and its parts over one cell."""
        from groundshift.tasks.change.regional import CellSums

        return CellSums(settings, Cube.open(cube))

    def betas(self, settings: WindowStage, *, coefficients: Path) -> Work:
        """The area's regression."""
        from groundshift.tasks.change.regional import RegionalBetas

        return RegionalBetas.open(settings, coefficients)

    def model(self, settings: TrainStage, *, cube: Path, samples: Path) -> Work:
        """An ensemble of networks."""
        from groundshift.tasks.change.train import Learning

        return Learning.open(settings, cube, samples)

    def evaluation(
        self,
        settings: EvaluateStage,
        *,
        cube: Path,
        samples: Path,
        model: Path,
        champion: Path | None,
    ) -> Work:
        """Scores of the network and of every baseline."""
        from groundshift.tasks.change.evaluate import Judging

        return Judging.open(settings, cube, samples, model, champion)

    def drift(self, settings: EvaluateStage, *, cube: Path, model: Path) -> Work:
        """The newest window's looks beside those of the training."""
        from groundshift.tasks.change.drifting import Comparing

        return Comparing.open(settings, cube, model)

    def past(
        self,
        settings: InferStage,
        *,
        chain: Chain,
        earlier: Path | None,
        store: ArtifactStore | None,
    ) -> "PastFiles":
        """Events that were published before, and what analysts said of them."""
        from groundshift.tasks.change.past import PastFiles

        reviews = settings.infer.reviews
        return PastFiles.of(earlier, reviews, store, settings.name, **chain.folders())

    def maps(self, settings: InferStage, *, chain: Chain, past: "PastFiles | None") -> Work:
        """Maps, events, catalogue, report."""
        from groundshift.tasks.change.infer import AreaMaps
        from groundshift.tasks.change.past import NO_PAST

        return AreaMaps.open(settings, chain, past or NO_PAST)

    def scores(
        self, settings: InferStage, *, chain: Chain, cell: str, previous: Path | None
    ) -> Work:
        """One cell's maps and events."""
        from groundshift.tasks.change.infer import CellScores

        return CellScores.open(settings, chain, cell, previous)

    def report(
        self, settings: InferStage, *, chain: Chain, scores: Path, past: "PastFiles | None"
    ) -> Work:
        """Maps and events of all cells, catalogue, report."""
        from groundshift.tasks.change.infer import JoinedMaps
        from groundshift.tasks.change.past import NO_PAST

        return JoinedMaps.open(settings, chain, scores, past or NO_PAST)


TASK: Task = ChangeTask()
