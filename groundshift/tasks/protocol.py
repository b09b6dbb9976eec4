"""What a task must be able to do: the content of every artifact behind the cube.

Fetch and stack are the same for all tasks. From the window stage on a stage knows which artifact
it makes from which others, and the task knows what is in it: for every artifact it gives a `Work`,
with the inputs opened and found to fit one another, which then writes the files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from groundshift.artifacts import ArtifactStore, Draft, Manifest, Summary


@dataclass(frozen=True)
class Account:
    """What there is to tell of an artifact, beside its hashes; see `Summary` for the fields.

    Figures and pages are named by their path inside the artifact.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    figures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    parameters: Mapping[str, str | int | float | bool | list[Any]] = field(default_factory=dict)

    def summary(self, stage: str, folder: Path, manifest: Manifest) -> Summary:
        """The outcome of the stage that wrote the artifact."""
        return Summary(
            stage=stage,
            artifact=folder,
            content_hash=manifest.content_hash,
            value_hash=manifest.value_hash,
            metrics=dict(self.metrics),
            figures=tuple(folder / name for name in self.figures),
            notes=self.notes,
            pages={name: folder / path for name, path in self.pages.items()},
            curves=self.curves,
            parameters=self.parameters,
        )


class Work(Protocol):
    """One artifact to be made, from inputs that are open."""

    @property
    def contract(self) -> str:
        """What is made: a key of `manifest.VERSIONS`."""

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hash of all that it is made from, by name."""

    @property
    def resumes(self) -> bool:
        """Whether it goes on where a killed run of the same settings stopped."""

    def write(self, draft: Draft) -> Account:
        """Write the artifact's files, its values, summary and licences.

        Args:
            draft: of the artifact.
        """


@dataclass(frozen=True)
class Chain:
    """The artifacts that maps are made from.

    Attributes:
        cube: folder of what is mapped.
        samples: likewise of its index.
        model: likewise of the model.
        evaluation: likewise of how good the model is.
    """

    cube: Path
    samples: Path
    model: Path
    evaluation: Path

    def folders(self) -> dict[str, Path]:
        """Folder by contract."""
        return {
            "cube": self.cube,
            "samples": self.samples,
            "model": self.model,
            "evaluation": self.evaluation,
        }


class Task(Protocol):
    """What an area is mapped for.

    Settings are those of the stage and of this task; each task has its own sections. Every method
    that gives a `Work` raises a `ContractError` where the artifacts don't fit one another, and a
    `SettingsError` where what is asked for can't be had from them.
    """

    @property
    def opener(self) -> str:
        """What opens a model to answer requests, as `module:function`; see `log_model`."""

    def example(self, model: Path) -> Mapping[str, NDArray[Any]]:
        """Arrays of one request that a model artifact answers."""

    def samples(self, settings: Any, *, observations: Path, cube: Path, betas: Path | None) -> Work:
        """Which parts of a cube are learnt from and judged by, and what they are labelled with.

        Args:
            settings: of the window stage.
            observations: artifact that the cube was made from.
            cube: of an area, or of one cell of it.
            betas: artifact with what is summed over the region, where the cube holds one cell.
        """

    def index(self, settings: Any, *, cube: Path) -> Work:
        """As `samples`, without labels: what a model that is trained already needs to map."""

    def indexed(self, manifest: Manifest) -> Account:
        """What there is to tell of samples without their labels."""

    def coefficients(self, settings: Any, *, cube: Path) -> Work:
        """What is summed over one cell, for labels that depend on the region."""

    def betas(self, settings: Any, *, coefficients: Path) -> Work:
        """The sums of all cells, joined."""

    def model(self, settings: Any, *, cube: Path, samples: Path) -> Work:
        """What is learnt from the training samples."""

    def evaluation(
        self, settings: Any, *, cube: Path, samples: Path, model: Path, champion: Path | None
    ) -> Work:
        """How good a model is on samples it has never seen, beside what is simpler.

        The record holds the verdict: `gate`, with `verdict` and `reasons`.

        Args:
            settings: of the evaluate stage.
            cube: artifact with the images.
            samples: artifact with the test samples.
            model: artifact that is judged.
            champion: artifact of the model to be ahead of, if there is another one.
        """

    def drift(self, settings: Any, *, cube: Path, model: Path) -> Work:
        """How far the newest images are from those a model was trained on."""

    def past(
        self, settings: Any, *, chain: Chain, earlier: Path | None, store: ArtifactStore | None
    ) -> Any:
        """What is known from before, which `maps` and `report` take; None where nothing is.

        Args:
            settings: of the infer stage.
            chain: what the maps are to be made from.
            earlier: maps that were published before, if they were named.
            store: where the maps published last lie otherwise.
        """

    def maps(self, settings: Any, *, chain: Chain, past: Any) -> Work:
        """All products of an area."""

    def scores(self, settings: Any, *, chain: Chain, cell: str, previous: Path | None) -> Work:
        """The maps of one cell, with all that `report` needs of it.

        Args:
            settings: of the infer stage.
            chain: what the maps are made from.
            cell: id of the cell.
            previous: such an artifact of an earlier run, whose maps may be taken over.
        """

    def report(self, settings: Any, *, chain: Chain, scores: Path, past: Any) -> Work:
        """What `maps` gives, from the scores of all cells."""
