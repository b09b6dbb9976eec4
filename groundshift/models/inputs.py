"""From physical values to what a network sees: scales stored in the model, features by name.

Radar comes as linear power and is taken in decibels, every band is centred and scaled by its mean
and deviation over the training pixels, and what was never seen becomes 0, the centre. The published
networks take raw values: a linear scale with mean 0 and deviation 1.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.cube.store import CellCube, Frames
from groundshift.domain.signature import Kind, Signature
from groundshift.errors import ContractError, SettingsError

Scale = Literal["linear", "decibel"]
Scope = Literal["frame", "step", "window"]
Streams = Mapping[str, tuple[NDArray[np.float32], NDArray[np.int16]]]
"""By role the physical values [b, t, y, x, band] and ages in days [b, t, y, x], -1 never seen."""

KINDS: tuple[Kind, ...] = ("radar", "optical")
"""The branches of the network in the order of its channels."""

FLOOR = 1e-5
"""Linear power below which radar is noise: -50 dB."""
LIMIT = 4.0
"""Standardised values are cut off here, so that a glint or a corner reflector is one value."""
TAILS = (0.5, 99.5)
"""Percentiles at which looks are cut off before their mean and deviation are taken."""

_PATCHES, _LOOKS = 64, 50_000


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
class Series:
    """One stream of some windows, standardised.

    Attributes:
        levels: [b, t, y, x, band] float32, 0 where never seen.
        known: [b, t, y, x] bool, whether there was a look yet.
        age_days: [b, t, y, x] int16, days since the last look; -1 where there was none.
        steps: [b, t] bool, real steps.
    """

    levels: NDArray[np.float32]
    known: NDArray[np.bool_]
    age_days: NDArray[np.int16]
    steps: NDArray[np.bool_]


@dataclass(frozen=True)
class Feature:
    """A way to make channels of a stream.

    Attributes:
        scope: what a step's channels depend on: its frame alone, its frame's age too, or the
            whole window. Frames that several windows share are worked through once if they can.
        channels: number of channels made of a stream of so many bands.
        compute: the channels, float32 [b, t, y, x, channel].
    """

    scope: Scope
    channels: Callable[[int], int]
    compute: Callable[[Series], NDArray[np.float32]]


def _level(series: Series) -> NDArray[np.float32]:
    return series.levels


def _anomaly(series: Series) -> NDArray[np.float32]:
    """Levels less their mean over the window's known real steps, per pixel."""
    return _less(series, series.steps)


def _rise(series: Series) -> NDArray[np.float32]:
    """Levels less their mean over the first third of the window's real steps, per pixel."""
    number = np.cumsum(series.steps, axis=1)
    first_third = series.steps & (3 * number <= np.maximum(number[:, -1:], 3))
    return _less(series, first_third)


def _less(series: Series, counted: NDArray[np.bool_]) -> NDArray[np.float32]:
    weight = (series.known & counted[:, :, None, None])[..., None].astype(np.float32)
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1)
    mean = (series.levels * weight).sum(axis=1, keepdims=True) / total
    return np.where(series.known[..., None], series.levels - mean, np.float32(0))


def _recency(series: Series) -> NDArray[np.float32]:
    """1 for a look of today, falling to 1/e in 30 days, 0 where there was none."""
    recency = np.exp(-series.age_days.astype(np.float32) / 30)
    return np.where(series.known, recency, np.float32(0))[..., None]


FEATURES: dict[str, Feature] = {
    "level": Feature("frame", lambda bands: bands, _level),
    "anomaly": Feature("window", lambda bands: bands, _anomaly),
    "rise": Feature("window", lambda bands: bands, _rise),
    "recency": Feature("step", lambda bands: 1, _recency),
}
"""Every feature by the name that settings and models use."""


@dataclass(frozen=True)
class Inputs:
    """What a network takes of a cube, and how.

    Attributes:
        streams: scales in the order of the channels: radar first, then optical.
        features: names of `FEATURES`, made of every stream in this order.
        limit: standardised values are cut off at plus and minus this.
    """

    streams: tuple[StreamScale, ...]
    features: tuple[str, ...] = ("level",)
    limit: float | None = LIMIT

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

    def roles_of(self, kind: Kind) -> tuple[str, ...]:
        """Roles of one branch of the network."""
        return tuple(role for role in self.roles if is_radar(role) == (kind == "radar"))

    @property
    def scope(self) -> Scope:
        """The widest scope of its features."""
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

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return dataclasses.asdict(self)

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
            return cls(streams, tuple(values["features"]), values["limit"])
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
) -> Inputs:
    """Scales from the looks at the training patches, each look counted once.

    Args:
        signature: streams to look at.
        cells: the cube's cells.
        patches: training patches (columns cell, y0, x0, y1, x1); evenly spread ones are read.
        features: names of `FEATURES`.

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
    return Inputs(tuple(scales), tuple(features))


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


def is_radar(role: str) -> bool:
    """Whether a role is one of the radar inputs."""
    return role.startswith("radar")


def _frames(cell: CellCube, role: str, patch: Any) -> Frames:
    rows, columns = slice(patch.y0, patch.y1), slice(patch.x0, patch.x1)
    return cell.frames(cell.roles[role], 0, len(cell.times), rows, columns)[0]


def _rounded(values: NDArray[np.floating[Any]]) -> tuple[float, ...]:
    """Six digits: what a band's scale is good for, and short in the model's JSON."""
    return tuple(float(f"{value:.6g}") for value in values)
