"""What a cube is made from: observations as fetched, or with changes held in memory."""

import dataclasses
import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.artifacts import Manifest, digest
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor

Place = tuple[str, str, int]
"""An observation: cell id, sensor, time."""


class Source(Protocol):
    """Observations, as `observations.store.Observations` offers them."""

    @property
    def manifest(self) -> Manifest:
        """Identity and licences."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells."""

    @property
    def sensors(self) -> dict[str, Sensor]:
        """The sensors by name."""

    @property
    def table(self) -> pd.DataFrame:
        """One row per observation: at least cell, sensor, time and digest."""

    def acquisitions(self, cell_id: str, sensor: str) -> NDArray[np.int64]:
        """All acquisition times, those without a valid pixel included."""

    def read(self, cell_id: str, sensor: str, time: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Stored values [y, x, band] and validity [y, x]."""


class Amended:
    """Observations with changes that lie in memory: scenes put in, replaced or taken out."""

    def __init__(
        self,
        base: Source,
        *,
        put: Mapping[Place, tuple[NDArray[Any], NDArray[np.bool_]]] | None = None,
        drop: Collection[Place] = (),
    ) -> None:
        """Lay changes over observations, which stay as they are.

        Args:
            base: what is changed.
            put: stored values [y, x, band] and validity [y, x] of new or replaced observations.
            drop: observations that shall never have been.
        """
        self._base = base
        self._put = {place: _contiguous(*content) for place, content in (put or {}).items()}
        self._drop = frozenset(drop)
        self.cells = base.cells
        self.sensors = base.sensors
        self.table = self._amended_table()
        rows = self.table[["cell", "sensor", "time", "digest"]].astype(str)
        identity = digest([base.manifest.content_hash, rows.to_numpy().tolist()])
        self.manifest = dataclasses.replace(base.manifest, value_hash=identity)

    def acquisitions(self, cell_id: str, sensor: str) -> NDArray[np.int64]:
        """All acquisition times, without those of dropped observations."""
        times = set(self._base.acquisitions(cell_id, sensor).tolist())
        times -= {time for cell, name, time in self._drop if (cell, name) == (cell_id, sensor)}
        times |= {time for cell, name, time in self._put if (cell, name) == (cell_id, sensor)}
        return np.array(sorted(times), np.int64)

    def read(self, cell_id: str, sensor: str, time: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Stored values [y, x, band] and validity [y, x]."""
        place = (cell_id, sensor, time)
        return self._put[place] if place in self._put else self._base.read(*place)

    def _amended_table(self) -> pd.DataFrame:
        table = self._base.table[["cell", "sensor", "time", "digest"]]
        places = zip(table["cell"], table["sensor"], table["time"], strict=True)
        gone = self._drop | set(self._put)
        kept = table[np.array([place not in gone for place in places], bool)]
        rows = [(*place, _digest(*content)) for place, content in self._put.items()]
        added = pd.DataFrame(rows, columns=list(table.columns)).astype({"time": np.int64})
        merged = pd.concat([kept, added]) if rows else kept
        return merged.sort_values(["cell", "sensor", "time"], ignore_index=True)


def _contiguous(
    values: NDArray[Any], valid: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    return np.ascontiguousarray(values), np.ascontiguousarray(valid, bool)


def _digest(values: NDArray[Any], valid: NDArray[np.bool_]) -> str:
    state = hashlib.sha256(f"{values.dtype.str}{values.shape}".encode())
    state.update(values.data)
    state.update(valid.data)
    return state.hexdigest()
