"""The model artifact: everything that turns a cube's numbers into scores, as plain arrays.

    manifest.json
    network.json          networks' settings, inputs, signature, influence radius, windows
    weights.safetensors   `member_<n>/<layer>/<weight>`
    history.csv           losses per member and epoch
    probe.npz             a sample from the validation patches and its score

Loading runs no code from the artifact.
"""

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from groundshift.artifacts import Manifest, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.domain.signature import Signature
from groundshift.errors import ContractError
from groundshift.models.checkpoint import Weights
from groundshift.models.compiled import CompiledStepper, stepper
from groundshift.models.inputs import Inputs, Streams
from groundshift.models.networks import NetworkSpec, assign_weights, build
from groundshift.models.stepping import Stepper
from groundshift.samples.loader import Batch

CONTRACT = "model"
NETWORK, WEIGHTS, HISTORY, PROBE = (
    "network.json",
    "weights.safetensors",
    "history.csv",
    "probe.npz",
)
PROBE_TOLERANCE = 1e-3
"""Largest difference of scores between processors and library versions."""


@dataclass(frozen=True)
class Probe:
    """A sample and the score a model gave it.

    Attributes:
        streams: by role values [1, t, y, x, band] and ages [1, t, y, x].
        steps: bool [1, t].
        score: [1, y, x].
    """

    streams: Streams
    steps: NDArray[np.bool_]
    score: NDArray[np.float32]

    def arrays(self) -> dict[str, Any]:
        """The sample as named arrays, as `serve` takes them."""
        named: dict[str, Any] = {"steps": self.steps}
        for role, (values, age_days) in self.streams.items():
            named |= {f"values_{role}": values, f"age_days_{role}": age_days}
        return named


@dataclass(frozen=True)
class Detector:
    """One network or an ensemble of networks, ready to score windows.

    Attributes:
        spec: the network.
        inputs: what it takes of a cube, and how.
        signature: what the numbers must be; only the streams it takes.
        radius: pixels beyond which what lies there changes a score by at most 1e-5.
        members: weights of each network of the ensemble.
        windows: settings of the windows it was trained on (length, min_steps, max_steps, labels).
        origin: manifest of the artifact it comes from, if it does.
    """

    spec: NetworkSpec
    inputs: Inputs
    signature: Signature
    radius: int
    members: tuple[Weights, ...]
    windows: dict[str, Any] = dataclasses.field(default_factory=dict)
    origin: Manifest | None = None

    @classmethod
    def open(cls, folder: Path, *, verify: bool = True) -> "Detector":
        """Open an artifact, check that it is whole and that it gives the score it gave then.

        Args:
            folder: of the artifact.
            verify: whether to score the probe.

        Raises:
            ContractError: not a whole model artifact, or the probe scores differently.
        """
        manifest = read_manifest(folder, CONTRACT)
        check_files(folder, manifest)
        detector = dataclasses.replace(cls.read(folder), origin=manifest)
        if verify:
            detector.verify(read_probe(folder / PROBE))
        return detector

    @classmethod
    def read(cls, folder: Path) -> "Detector":
        """Read `network.json` and `weights.safetensors`, wherever they lie.

        Raises:
            ContractError: a file is missing or makes no sense.
        """
        try:
            described = json.loads((folder / NETWORK).read_text())
            arrays = load_file(folder / WEIGHTS)
            members: list[Weights] = [{} for _ in range(described["members"])]
            for name, array in arrays.items():
                member, _, weight = name.partition("/")
                members[int(member.removeprefix("member_"))][weight] = array
            return cls(
                NetworkSpec(**described["network"]),
                Inputs.from_dict(described["inputs"]),
                Signature.from_dict(described["signature"]),
                described["radius"],
                tuple(members),
                described["windows"],
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
            raise ContractError(
                f"{folder}: the model can't be read ({error}). Rerun: python -m components.train"
            ) from error

    def write(self, folder: Path) -> None:
        """Write `network.json` and `weights.safetensors`."""
        described = {
            "network": self.spec.to_dict(),
            "members": len(self.members),
            "inputs": self.inputs.to_dict(),
            "signature": self.signature.to_dict(),
            "radius": self.radius,
            "windows": self.windows,
        }
        (folder / NETWORK).write_text(json.dumps(described, indent=1, allow_nan=False) + "\n")
        save_file(self.arrays(), folder / WEIGHTS)

    @property
    def manifest(self) -> Manifest:
        """Manifest of the artifact it comes from.

        Raises:
            ContractError: it comes from none, as the published networks.
        """
        if self.origin is None:
            raise ContractError(
                "this model was not opened from a model artifact: expected a manifest, found none. "
                "Write it by the stage train, or open one with Detector.open"
            )
        return self.origin

    def arrays(self) -> Weights:
        """All members' weights, by `member_<n>/<layer>/<weight>`, in order."""
        return {
            f"member_{number}/{name}": np.ascontiguousarray(member[name])
            for number, member in enumerate(self.members)
            for name in sorted(member)
        }

    def require(self, found: Signature, *, owner: str = "the model") -> None:
        """Refuse data whose numbers are not the ones it was trained on; more streams are fine.

        Raises:
            ContractError: naming every difference.
        """
        mine = [s for s in found.streams if s.role in self.inputs.roles]
        self.signature.require(dataclasses.replace(found, streams=tuple(mine)), owner=owner)

    @cached_property
    def networks(self) -> tuple[keras.Model, ...]:
        """The members as networks for images of any shape."""
        networks = []
        for member in self.members:
            network = build(self.spec)
            assign_weights(network, member)
            networks.append(network)
        return tuple(networks)

    @cached_property
    def steppers(self) -> tuple[CompiledStepper | Stepper, ...]:
        """The members taken apart, for many windows of one place."""
        return tuple(stepper(network) for network in self.networks)

    def score(self, batch: Batch) -> NDArray[np.float32]:
        """The members' mean score of each sample of a batch, [b, y, x]."""
        mean: NDArray[np.float32] = self.score_members(batch).mean(axis=0)
        return mean

    def score_members(self, batch: Batch) -> NDArray[np.float32]:
        """Every member's score of each sample of a batch, [member, b, y, x]."""
        return self.score_streams(batch.streams, batch.steps)

    def score_streams(self, streams: Streams, steps: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Every member's score, [member, b, y, x].

        Args:
            streams: by role the physical values [b, t, y, x, band] and ages [b, t, y, x].
            steps: real steps, bool [b, t].
        """
        made = (self.inputs.values(streams, steps), steps, self.inputs.context(streams, steps))
        given = self.spec.given(*map(tf.constant, made))
        return np.stack([np.asarray(run(given)) for run in self._runs])

    def verify(self, probe: Probe) -> None:
        """Refuse to work where the probe scores differently.

        Raises:
            ContractError: with the largest difference.
        """
        found = self.score_streams(probe.streams, probe.steps).mean(axis=0)
        difference = float(np.abs(found - probe.score).max())
        if not difference <= PROBE_TOLERANCE:
            raise ContractError(
                f"{PROBE}: expected the stored score within {PROBE_TOLERANCE}, found a difference "
                f"of {difference:.2g}. The model was changed, or this machine computes "
                "differently; rerun: python -m components.train"
            )

    @cached_property
    def _runs(self) -> tuple[Any, ...]:
        return tuple(_compiled(network) for network in self.networks)


def read_probe(path: Path) -> Probe:
    """Read a probe.

    Raises:
        ContractError: the file is missing or makes no sense.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            roles = [name.removeprefix("values_") for name in archive if name.startswith("values_")]
            streams = {r: (archive[f"values_{r}"], archive[f"age_days_{r}"]) for r in roles}
            return Probe(streams, archive["steps"], archive["score"])
    except (OSError, ValueError, KeyError) as error:
        raise ContractError(
            f"{path}: the probe can't be read ({error}). Rerun: python -m components.train"
        ) from error


def write_probe(path: Path, detector: Detector, batch: Batch) -> Probe:
    """Write the first sample of a batch and its score."""
    streams = {
        role: (batch.streams[role].values[:1], batch.streams[role].age_days[:1])
        for role in detector.inputs.arrays
    }
    steps = batch.steps[:1]
    score = detector.score_streams(streams, steps).mean(axis=0)
    probe = Probe(streams, steps, score)
    np.savez(path, score=score, **probe.arrays())
    return probe


def _compiled(network: keras.Model) -> Any:
    """A network in inference mode for batches of any size and length."""

    @tf.function(reduce_retracing=True)
    def run(given: dict[str, tf.Tensor]) -> tf.Tensor:
        return network(given, training=False)

    return run
