"""The series of single pixels as a table: what a classifier of land cover takes of a cube."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.cube.indices import indices, require_bands
from groundshift.cube.roles import OPTICAL_ROLE
from groundshift.cube.store import CellCube
from groundshift.cube.views import regular
from groundshift.domain.signature import Signature, Stream
from groundshift.errors import ContractError

Table = NDArray[np.float32]

_FLOAT, _DAYS = 4, 8  # bytes

_QUIETEST = 1e-6
"""Linear power below which radar is noise: -60 dB."""


@dataclass(frozen=True)
class PixelSeries:
    """Which numbers a pixel has, and in what order.

    At every instant of the regular view: all bands of every stream (radar in dB), then the
    indices of the optical one.

    Attributes:
        signature: of the cube.
        indices: names, see `cube.indices`.
        interval: seconds from one instant to the next.
        instants: how many there are.
    """

    signature: Signature
    indices: tuple[str, ...]
    interval: int
    instants: int

    @classmethod
    def of(
        cls, signature: Signature, indices: tuple[str, ...], interval: int, period: tuple[int, int]
    ) -> "PixelSeries":
        """The series of a period: instants from its start, every interval, before its end.

        Raises:
            SettingsError: indices that can't be made of the optical bands.
        """
        for stream in signature.streams:
            if stream.role == OPTICAL_ROLE:
                require_bands(indices, stream)
        start, end = period
        return cls(signature, indices, interval, -(-(end - start) // interval))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns: `optical_B04_3` is the red band at the fourth instant."""
        channels = [name for stream in self.signature.streams for name in self._channels(stream)]
        return tuple(f"{name}_{i}" for i in range(self.instants) for name in channels)

    def read(self, cube: CellCube, start: int, rows: slice, columns: slice) -> Table:
        """The series of a part of a cell: [y, x, feature], NaN where not known.

        Args:
            cube: the cell.
            start: first instant, seconds since 1970.
            rows: of the cell's grid.
            columns: likewise.
        """
        times = start + self.interval * np.arange(self.instants, dtype=np.int64)
        parts = []
        for stream in self.signature.streams:
            sensor = cube.roles[stream.role]
            view = regular(cube, sensor, times, rows, columns, reach=self.interval // 2)
            if stream.role == OPTICAL_ROLE:
                parts += [view, indices(self.indices, stream, view)]
            else:
                parts.append(10 * np.log10(np.maximum(view, np.float32(_QUIETEST))))
        joined = np.concatenate(parts, axis=-1)
        t, height, width, channels = joined.shape
        return np.moveaxis(joined, 0, 2).reshape(height, width, t * channels)

    def pixel_bytes(self, cube: CellCube) -> int:
        """What reading a pixel's series takes of memory at its peak, and judging it thereafter.

        Args:
            cube: the cell that is read.
        """
        most = held = 0
        for stream in self.signature.streams:
            image, looks = _FLOAT * len(stream.bands), len(cube.look_times(cube.roles[stream.role]))
            # The looks before and after every instant with their days, what lies between, and what
            # finding that takes for one instant.
            nearest = self.instants * (2 * (image + _DAYS) + image) + 3 * image + 6 * _DAYS
            most = max(most, held + looks * (image + 1) + max(looks * image, nearest))
            held += self.instants * _FLOAT * len(self._channels(stream))
        # Every stream's numbers, joined, put in order; then those that are known, to be judged.
        return max(most, 3 * held)

    def require(self, found: Signature, period: tuple[int, int], *, owner: str) -> None:
        """Refuse a cube whose numbers are others, or a period that is too short.

        Raises:
            ContractError: with what was expected and found.
        """
        roles = {stream.role for stream in self.signature.streams}
        mine = tuple(stream for stream in found.streams if stream.role in roles)
        # Looks are interpolated to instants of their own: the cube's steps don't matter.
        fitted = Signature(mine, found.resolution, self.signature.step_seconds)
        self.signature.require(fitted, owner=owner)
        seconds = (self.instants - 1) * self.interval
        if period[1] - period[0] <= seconds:
            raise ContractError(
                f"{owner} takes {self.instants} instants, one every {self.interval / 86400:g} "
                f"days: expected a period of more than {seconds / 86400:g} days, found "
                f"{(period[1] - period[0]) / 86400:g}. Lengthen the period, or train for it"
            )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return {
            "signature": self.signature.to_dict(),
            "indices": list(self.indices),
            "interval": self.interval,
            "instants": self.instants,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PixelSeries":
        """The series that `to_dict` described."""
        signature = Signature.from_dict(values["signature"])
        return cls(signature, tuple(values["indices"]), values["interval"], values["instants"])

    def _channels(self, stream: Stream) -> list[str]:
        names = [f"{stream.role}_{band}" for band in stream.bands]
        return [*names, *self.indices] if stream.role == OPTICAL_ROLE else names
