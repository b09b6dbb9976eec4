"""From physical values to what a network sees: scales stored in the model, features by name.

Radar comes as linear power and is taken in decibels, every band is centred and scaled by its mean
and deviation over the training pixels, and what was never seen becomes 0, the centre. The published
networks take raw values: a linear scale with mean 0 and deviation 1.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.cube.store import CellCube, Frames
from groundshift.domain.signature import Kind, Signature
from groundshift.errors import ContractError, SettingsError
from groundshift.models.features import FEATURES, Scope, Series, thirds
from groundshift.samples.loader import beside

Scale = Literal["linear", "decibel"]
Streams = Mapping[str, tuple[NDArray[np.float32], NDArray[np.int16]]]
"""By role the physical values [b, t, y, x, band] and ages in days [b, t, y, x], -1 never seen.

Where neighbours are seen also by `beside(role)` the mean looks before and after, as two steps."""

KINDS: tuple[Kind, ...] = ("radar", "optical")
"""The branches of the network in the order of its channels."""

FLOOR = 1e-5
"""Linear power below which radar is noise: -50 dB."""
LIMIT = 4.0
"""Standardised values are cut off here, so that a glint or a corner reflector is one value."""
TAILS = (0.5, 99.5)
"""Percentiles at which looks are cut off before their mean and deviation are taken."""

_PATCHES, _LOOKS = 64, 50_000
_SUCCESSION = ((0, 1), (1, 2), (2, 3))
"""Images of a context that are compared: before the window, its first and last third, after it."""
_ALWAYS = ("streams", "features", "limit")


@dataclass(frozen=True)
class StreamScale:
    """How the values of one stream are standardised, band by band."""

    role: str
    scale: Scale
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def levels(
        self, values: NDArray[np.float32], known: NDArray[np.bool_], limit: float | None
    ) -> NDArray[np.float32]:
        """Standardised values `[..., band]`, 0 where not `known` (bool, without the band axis)."""
        levels = to_scale(values, self.scale)
        levels -= np.asarray(self.mean, np.float32)
        levels /= np.asarray(self.deviation, np.float32)
        if limit is not None:
            np.clip(levels, -limit, limit, out=levels)
        levels[~known] = 0
        return levels


@dataclass(frozen=True)
class Inputs:
    """What a network takes of a cube, and how.

    Attributes:
        streams: scales in the order of the channels: radar first, then optical.
        features: names of `FEATURES`, made of every stream in this order.
        limit: standardised values are cut off at plus and minus this.
        neighbours: whether the windows before and after count too, see `context`.
    """

    streams: tuple[StreamScale, ...]
    features: tuple[str, ...] = ("level",)
    limit: float | None = LIMIT
    neighbours: bool = False

    def __post_init__(self) -> None:
        """Refuse features that don't exist.

        Raises:
            SettingsError: naming those that do.
        """
        if not self.features or (unknown := set(self.features) - set(FEATURES)):
            found = ", ".join(sorted(unknown)) if self.features else "none"
            raise SettingsError(
                f"train.features: expected some of {', '.join(FEATURES)}, found {found}"
            )

    @classmethod
    def raw(cls, signature: Signature) -> "Inputs":
        """Values as they are, for the published weights."""
        scales = tuple(
            StreamScale(s.role, "linear", (0.0,) * len(s.bands), (1.0,) * len(s.bands))
            for s in signature.streams
        )
        return cls(scales, limit=None)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles of the streams in the order of the channels."""
        return tuple(stream.role for stream in self.streams)

    @property
    def arrays(self) -> tuple[str, ...]:
        """What it takes of `Streams`: its roles, and what lies beside them if neighbours count."""
        return self.roles + (tuple(map(beside, self.roles)) if self.neighbours else ())

    def roles_of(self, kind: Kind) -> tuple[str, ...]:
        """Roles of one branch of the network."""
        return tuple(role for role in self.roles if is_radar(role) == (kind == "radar"))

    @property
    def scope(self) -> Scope:
        """The widest scope of its features; what is seen of neighbours belongs to the window."""
        if self.neighbours:
            return "window"
        scopes = [FEATURES[name].scope for name in self.features]
        return max(scopes, key=("frame", "step", "window").index)

    def channels(self, kind: Kind) -> int:
        """Number of channels of one branch of the network."""
        return sum(
            FEATURES[name].channels(len(stream.mean))
            for stream in self.streams
            for name in self.features
            if is_radar(stream.role) == (kind == "radar")
        )

    @property
    def context_channels(self) -> int:
        """Number of channels of `context`."""
        return len(_SUCCESSION) * sum(len(s.mean) for s in self.streams) if self.neighbours else 0

    @property
    def level_channels(self) -> NDArray[np.bool_]:
        """Which of the network's channels are levels, bool [channel]."""
        return np.array(
            [
                name == "level"
                for kind in KINDS
                for stream in self.streams
                for name in self.features
                for _ in range(FEATURES[name].channels(len(stream.mean)))
                if is_radar(stream.role) == (kind == "radar")
            ]
        )

    def values(self, streams: Streams, steps: NDArray[np.bool_]) -> NDArray[np.float32]:
        """The network's `values`, [b, t, y, x, channel], 0 at steps that are not real.

        Args:
            streams: by role the physical values [b, t, y, x, band] and ages in days [b, t, y, x].
            steps: real steps, bool [b, t].
        """
        branches = [self.branch(kind, streams, steps) for kind in KINDS if self.channels(kind)]
        values = np.concatenate(branches, axis=-1)
        values[~steps] = 0
        return values

    def branch(self, kind: Kind, streams: Streams, steps: NDArray[np.bool_]) -> NDArray[np.float32]:
        """The channels of one branch of the network, as in `values`."""
        parts = []
        for stream in self.streams:
            if is_radar(stream.role) != (kind == "radar"):
                continue
            physical, age_days = streams[stream.role]
            known = age_days >= 0
            levels = stream.levels(physical, known, self.limit)
            series = Series(levels, known, age_days, steps)
            parts += [FEATURES[name].compute(series) for name in self.features]
        return np.concatenate(parts, axis=-1, dtype=np.float32)

    def context(self, streams: Streams, steps: NDArray[np.bool_]) -> NDArray[np.float32]:
        """How the ground went on from before a window to after it, [b, y, x, channel].

        Of every band the differences between the mean looks before the window, the means over
        its first and over its last third, and the mean looks after it; 0 where one is not known.

        Args:
            streams: with the mean looks of the windows before and after.
            steps: real steps, bool [b, t].
        """
        if not self.neighbours:
            return np.empty((len(steps), *self._pixels(streams), 0), np.float32)
        parts = []
        for stream in self.streams:
            means, ages = streams[beside(stream.role)]
            physical, age_days = streams[stream.role]
            images = [
                (means[:, 0], ages[:, 0] >= 0),
                *(
                    _mean(physical, (age_days >= 0) & third[:, :, None, None])
                    for third in thirds(steps)
                ),
                (means[:, 1], ages[:, 1] >= 0),
            ]
            levels = [stream.levels(values, known, self.limit) for values, known in images]
            for before, after in _SUCCESSION:
                known = images[before][1] & images[after][1]
                parts.append(np.where(known[..., None], levels[after] - levels[before], 0))
        return np.concatenate(parts, axis=-1, dtype=np.float32)

    def _pixels(self, streams: Streams) -> tuple[int, ...]:
        return streams[self.roles[0]][1].shape[2:]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description; as it was before there were neighbours, where none count."""
        described = dataclasses.asdict(self)
        return described if self.neighbours else {k: described[k] for k in _ALWAYS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Inputs":
        """The inputs that `to_dict` described.

        Raises:
            ContractError: a field is missing or unknown.
        """
        try:
            streams = tuple(
                StreamScale(s["role"], s["scale"], tuple(s["mean"]), tuple(s["deviation"]))
                for s in values["streams"]
            )
            neighbours = bool(values.get("neighbours", False))
            return cls(streams, tuple(values["features"]), values["limit"], neighbours)
        except (KeyError, TypeError) as error:
            raise ContractError(
                f"model inputs can't be read ({error}). Rerun: python -m components.train"
            ) from error


def select_streams(signature: Signature, variant: Literal["both", "radar", "optical"]) -> Signature:
    """The streams that a variant of the network looks at.

    Raises:
        SettingsError: there are none.
    """
    chosen = tuple(
        stream
        for stream in signature.streams
        if variant == "both" or is_radar(stream.role) == (variant == "radar")
    )
    if not chosen:
        raise SettingsError(
            f"train.variant={variant}: expected a stream of that kind in the cube, found "
            f"{', '.join(s.role for s in signature.streams)}. Set train.variant=both"
        )
    return dataclasses.replace(signature, streams=chosen)


def fit_inputs(
    signature: Signature,
    cells: Mapping[str, CellCube],
    patches: pd.DataFrame,
    *,
    features: Sequence[str] = ("level",),
    neighbours: bool = False,
) -> Inputs:
    """Scales from the looks at the training patches, each look counted once.

    Args:
        signature: streams to look at.
        cells: the cube's cells.
        patches: training patches (columns cell, y0, x0, y1, x1); evenly spread ones are read.
        features: names of `FEATURES`.
        neighbours: whether the windows before and after count too.

    Raises:
        SettingsError: a stream has no look at all there.
    """
    chosen = patches.iloc[:: -(-len(patches) // _PATCHES) or 1]
    scales = []
    for stream in signature.streams:
        scale: Scale = "decibel" if is_radar(stream.role) else "linear"
        frames = (_frames(cells[patch.cell], stream.role, patch) for patch in chosen.itertuples())
        mean, deviation = spread(frames, scale, place=stream.role)
        scales.append(StreamScale(stream.role, scale, mean, deviation))
    return Inputs(tuple(scales), tuple(features), neighbours=neighbours)


def spread(
    frames: Iterable[Frames], scale: Scale, *, place: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the looks per band, with the tails cut off.

    Raises:
        SettingsError: there is no look.
    """
    looks = []
    for part in frames:
        found = part.values[part.fresh]
        looks.append(found[:: max(1, len(found) // _LOOKS)])
    seen = np.concatenate(looks) if looks else np.empty((0, 0), np.float32)
    if not len(seen):
        raise SettingsError(
            f"{place}: expected looks at the training patches, found none. Check the period and "
            "window.split, or leave the sensor out of stack.radar and stack.optical"
        )
    levels = to_scale(seen, scale).astype(np.float64)
    levels = np.clip(levels, *np.percentile(levels, TAILS, axis=0))
    return _rounded(levels.mean(axis=0)), _rounded(np.maximum(levels.std(axis=0), 1e-6))


def to_scale(values: NDArray[np.float32], scale: Scale) -> NDArray[np.float32]:
    """A copy of physical values on a scale, float32."""
    if scale == "linear":
        return values.astype(np.float32)
    return (10 * np.log10(np.maximum(values, FLOOR))).astype(np.float32)


def _mean(
    values: NDArray[np.float32], counted: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mean over time of what is counted, [b, y, x, band], and where there is anything."""
    weight = counted.astype(np.float32)
    count = weight.sum(axis=1)
    # As one sum of products: nothing as large as the values is made beside them.
    total = np.einsum("btyx,btyxc->byxc", weight, values)
    return total / np.maximum(count, 1)[..., None], count > 0


def is_radar(role: str) -> bool:
    """Whether a role is one of the radar inputs."""
    return role.startswith("radar")


def _frames(cell: CellCube, role: str, patch: Any) -> Frames:
    rows, columns = slice(patch.y0, patch.y1), slice(patch.x0, patch.x1)
    return cell.frames(cell.roles[role], 0, len(cell.times), rows, columns)[0]


def _rounded(values: NDArray[np.floating[Any]]) -> tuple[float, ...]:
    """Six digits: what a band's scale is good for, and short in the model's JSON."""
    return tuple(float(f"{value:.6g}") for value in values)
