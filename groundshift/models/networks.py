"""The deep-temporal change network (method section 8) for any bands, filters and image size."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from groundshift.domain.eras import ERAS
from groundshift.errors import ContractError, SettingsError
from groundshift.models.layers import ConvBlock, ConvLSTM, PackSteps

TINY_FILTERS = (4, 8)
"""Radar and optical filters of the network that two processor cores train in minutes."""
TINY_MOMENTUM = 0.9
"""Its moving averages have some hundred steps to follow batch statistics, not ten thousands."""


@dataclass(frozen=True)
class NetworkSpec:
    """What a network is made of; a branch without channels is left out."""

    radar_channels: int
    optical_channels: int
    radar_filters: int
    optical_filters: int
    head_filters: int = 8
    dropout: float = 0.0
    """Recurrent dropout in training."""
    momentum: float = 0.99
    """Share of the old moving averages of batch statistics that stays at each training step."""
    span: int | None = None
    """Steps that the slowest filter of a memory looks back over before training; None: all filters
    alike, with the published bias."""
    context_channels: int = 0
    """Channels that are seen once per window, beside the memories; see `Inputs.context`."""
    context_filters: int = 16

    def __post_init__(self) -> None:
        """Refuse a network without inputs."""
        if not (self.radar_channels or self.optical_channels):
            raise SettingsError(
                "a network needs radar or optical channels, found neither: name sensors under "
                "stack.radar or stack.optical, or choose another train.variant"
            )

    @property
    def channels(self) -> int:
        """Number of input channels: radar first, then optical."""
        return self.radar_channels + self.optical_channels

    @property
    def filters(self) -> int:
        """Filters of all memories together."""
        return sum(filters for _, _, filters, _ in self.planned)

    @property
    def planned(self) -> tuple[tuple[str, slice, int, int], ...]:
        """The branches it has: role, channels, filters, and blocks before the memory."""
        every = (
            ("radar", slice(0, self.radar_channels), self.radar_filters, 1),
            ("optical", slice(self.radar_channels, self.channels), self.optical_filters, 2),
        )
        return tuple(branch for branch in every if branch[1].stop > branch[1].start)

    def given(self, values: Any, steps: Any, context: Any) -> dict[str, Any]:
        """What the network is called with, by name; a context only where it has one."""
        named = {"values": values, "steps": steps}
        return named | {"context": context} if self.context_channels else named

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description, from which `NetworkSpec(**description)` comes back."""
        return dataclasses.asdict(self)

    @classmethod
    def of_preset(
        cls,
        preset: str,
        *,
        radar_channels: int,
        optical_channels: int,
        context_channels: int = 0,
        dropout: float = 0.0,
        span: int | None = None,
    ) -> "NetworkSpec":
        """A spec with a preset's filters (`tiny`, `s12`, `ers12ls5`) and these channels."""
        if preset == "tiny":
            filters, momentum = TINY_FILTERS, TINY_MOMENTUM
        else:
            filters, momentum = (ERAS[preset].radar_filters, ERAS[preset].optical_filters), 0.99
        channels = (radar_channels, optical_channels)
        return cls(
            *channels,
            *filters,
            dropout=dropout,
            momentum=momentum,
            span=span,
            context_channels=context_channels,
        )

    @classmethod
    def of_era(cls, era: str, *, dropout: float = 0.0) -> "NetworkSpec":
        """The published network of an era with its published bands."""
        bands = ERAS[era]
        return cls.of_preset(
            era,
            radar_channels=2 * len(bands.radar_bands),
            optical_channels=len(bands.optical_bands),
            dropout=dropout,
        )


@dataclass(frozen=True)
class Branch:
    """The layers of one branch: blocks for each frame, then the memory over time."""

    role: str
    channels: slice
    blocks: tuple[ConvBlock, ...]
    memory: ConvLSTM


def branches(
    spec: NetworkSpec, *, seed: int | None = None, momentum: float | None = None
) -> list[Branch]:
    """The branches of a network: one block for radar, two for optical (section 8, steps 3, 4).

    Args:
        spec: the network.
        seed: of initial weights and dropout.
        momentum: of the moving averages in the per-frame blocks, if not the network's own.
    """
    momentum = spec.momentum if momentum is None else momentum
    return [
        Branch(
            role,
            channels,
            tuple(
                ConvBlock(
                    filters,
                    momentum=momentum,
                    seed=_seed(seed, role, number),
                    name=f"{role}_block_{number + 1}",
                )
                for number in range(blocks)
            ),
            ConvLSTM(
                filters,
                dropout=spec.dropout,
                span=spec.span,
                seed=_seed(seed, role, blocks),
                name=f"{role}_memory",
            ),
        )
        for role, channels, filters, blocks in spec.planned
    ]


CONTEXT = ("context_1", "context_2")
"""Names of the blocks that a context passes before it joins the memories."""


def described(context: keras.KerasTensor, spec: NetworkSpec, seed: int | None) -> Any:
    """What the head sees of a context `[b, y, x, channel]`: `[b, y, x, context filters]`."""
    for number, name in enumerate(CONTEXT):
        context = ConvBlock(
            spec.context_filters,
            momentum=spec.momentum,
            seed=_seed(seed, "context", number),
            name=name,
        )(context)
    return context


def head(memories: list[keras.KerasTensor], spec: NetworkSpec, seed: int | None) -> Any:
    """From the branches' last outputs to a score in 0..1, `[b, y, x]` (steps 5 to 7)."""
    merged = keras.layers.Concatenate(name="merged")(memories) if len(memories) > 1 else memories[0]
    for number in (1, 2):
        block_seed = _seed(seed, "head", number)
        merged = ConvBlock(
            spec.head_filters, momentum=spec.momentum, seed=block_seed, name=f"head_{number}"
        )(merged)
    score = keras.layers.Conv2D(
        1,
        1,
        activation="sigmoid",
        kernel_initializer=keras.initializers.GlorotUniform(_seed(seed, "output", 0)),
        name="output",
    )(merged)
    return keras.ops.squeeze(score, axis=-1)


def build(
    spec: NetworkSpec,
    shape: tuple[int | None, int | None] = (None, None),
    *,
    seed: int | None = None,
) -> keras.Model:
    """Build the network.

    Args:
        spec: the network.
        shape: rows and columns of the images; None is any.
        seed: of initial weights and dropout; None draws one.

    Returns:
        A model of `{"values": float32 [b, t, y, x, channel], "steps": bool [b, t]}`, and
        `"context": float32 [b, y, x, channel]` where the network has one, to scores
        `[b, y, x]`. Steps that are not real (padding) are never looked at, neither by the
        convolutions nor by batch statistics.
    """
    values = keras.Input((None, *shape, spec.channels), name="values")
    steps = keras.Input((None,), dtype="bool", name="steps")
    frames = PackSteps(name="frames")(values, steps)
    memories = []
    for branch in branches(spec, seed=seed):
        features = frames[..., branch.channels]
        for block in branch.blocks:
            features = block(features)
        memories.append(branch.memory(features, steps))
    given = {"values": values, "steps": steps}
    if spec.context_channels:
        given["context"] = keras.Input((*shape, spec.context_channels), name="context")
        memories.append(described(given["context"], spec, seed))
    return keras.Model(given, head(memories, spec, seed))


def weights(model: keras.Model) -> dict[str, NDArray[np.float32]]:
    """A network's weights as plain arrays by `layer/weight`, moving averages included."""
    return {
        f"{layer.name}/{variable.name}": np.asarray(variable.numpy(), np.float32)
        for layer in model.layers
        for variable in layer.weights
    }


def assign_weights(model: keras.Model, arrays: dict[str, NDArray[np.float32]]) -> None:
    """Give a network the weights that `weights` returned.

    Raises:
        ContractError: a weight is missing, left over or of another shape.
    """
    variables = {f"{la.name}/{v.name}": v for la in model.layers for v in la.weights}
    if odd := sorted(set(variables) ^ set(arrays)):
        raise ContractError(
            f"weights don't fit the network: expected {len(variables)} arrays, found "
            f"{len(arrays)}, differing in {', '.join(odd[:3])}. Rerun the stage train"
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise ContractError(
                f"weight {name}: expected shape {tuple(variable.shape)}, found "
                f"{arrays[name].shape}. Rerun the stage train"
            )
        variable.assign(arrays[name])


def _seed(seed: int | None, part: str, number: int) -> int | None:
    """A seed of its own for every layer, the same for the same network seed."""
    if seed is None:
        return None
    parts = ("radar", "optical", "head", "output", "context")
    return int(np.random.SeedSequence((seed, parts.index(part), number)).generate_state(1)[0])
