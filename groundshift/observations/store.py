"""The observations artifact: one EOPatch folder per acquisition and cell, and two tables.

    manifest.json             cells, sensors and counts in its summary
    observations.parquet      what is stored, one row per observation
    quarantine.parquet        what was left out, with the reason
    measures.parquet          what the checks measured on each observation, with its limit
    truth.parquet             planted changes, if any (GeoParquet)
    cells/<cell>/<sensor>/<YYYYmmddTHHMMSS>/
        data/BANDS.npy        [1, y, x, band] in the sensor's stored type, 0 where invalid
        mask/VALID.npy        [1, y, x, 1] bool
        data/CLP.npy          [1, y, x, 1] uint8, per cent cloud, 255 unknown; where it was found
        bbox.geojson, timestamps.json, meta_info/observation.json
    quarantine/<cell>/...     likewise, images that failed a check

Files are plain arrays because they can be mapped into memory and repeat byte for byte;
`eolearn.core.EOPatch.load` reads the folders.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from groundshift.artifacts import Manifest, parts_of, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.artifacts.ranged import need
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.domain.time import stamp
from groundshift.errors import ContractError
from groundshift.observations.npy import map_array

CONTRACT = "observations"
NO_VALID_PIXEL = "no valid pixel"

DATA, MASK = "data/BANDS.npy", "mask/VALID.npy"
PROBABILITY = "data/CLP.npy"
_HEADER = 256
"""Bytes that hold the header of any of our `.npy` files."""
_META = "meta_info/observation.json"
_TABLE, _QUARANTINE, _TRUTH = "observations.parquet", "quarantine.parquet", "truth.parquet"
MEASURES = "measures.parquet"
_STORED, _PUT_AWAY = "cells", "quarantine"


@dataclass(frozen=True)
class Record:
    """A row of the tables: one acquisition over one cell."""

    cell: str
    sensor: str
    time: int
    """Seconds since 1970-01-01 UTC."""
    source: str
    """Where it came from, for `files` the first file's path below the root."""
    product_id: str = ""
    baseline: str = ""
    """Version of the processor that made the product."""
    orbit: str = ""
    platform: str = ""
    valid_share: float = 0.0
    """Valid pixels of all pixels of the cell, halo included."""
    checks: str = ""
    """What looked odd, empty if nothing did."""
    digest: str = ""
    """Hash of the stored values and mask; empty where no pixels are kept."""
    reason: str = ""
    """Why it is in quarantine, empty if it is stored."""

    @property
    def order(self) -> tuple[str, str, int, str]:
        """The tables' canonical order."""
        return self.cell, self.sensor, self.time, self.source


class Observations:
    """An observations artifact, opened for reading."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Use `open`, which checks the folder first."""
        self.folder = folder
        self.manifest = manifest
        cells = [values["id"] for values in manifest.summary["cells"]]
        self._parts = parts_of(folder, CONTRACT, cells)
        self.cells = tuple(Cell.from_dict(values) for values in manifest.summary["cells"])
        sensors = manifest.summary["sensors"].items()
        self.sensors = {name: Sensor.from_dict(values) for name, values in sensors}

    @classmethod
    def open(cls, folder: Path) -> "Observations":
        """Open an artifact, or a collection with one per cell, and check that it is whole.

        Raises:
            ContractError: not a whole observations artifact, or a broken invariant.
        """
        manifest = read_manifest(folder, CONTRACT)
        check_files(folder, manifest)
        observations = cls(folder, manifest)
        table = observations.table
        if table.duplicated(["cell", "sensor", "time"]).any():
            raise _broken(folder, "times that are unique per sensor", "repeated ones")
        if not (table["valid_share"] > 0).all():
            raise _broken(folder, "valid shares above 0", str(table["valid_share"].min()))
        return observations

    @cached_property
    def table(self) -> pd.DataFrame:
        """What is stored: the fields of `Record` but the reason, in canonical order."""
        return self._joined(_TABLE)

    @cached_property
    def quarantine(self) -> pd.DataFrame:
        """What was left out: the fields of `Record`, in canonical order."""
        return self._joined(_QUARANTINE)

    @cached_property
    def truth(self) -> gpd.GeoDataFrame | None:
        """Planted changes: geometry, id, kind, start, end (UTC), strength, plot; None if none."""
        # Every part of a collection has the truth of the whole area.
        path = next(iter(self._parts.values())) / _TRUTH
        return gpd.read_parquet(path) if path.is_file() else None

    def times(self, cell_id: str, sensor: str) -> NDArray[np.int64]:
        """Times of the stored observations of a sensor over a cell, int64 [n], sorted."""
        return _times(self.table, cell_id, sensor)

    def acquisitions(self, cell_id: str, sensor: str) -> NDArray[np.int64]:
        """Times of all acquisitions, int64 [n], sorted: stored ones and those in quarantine.

        An acquisition without a valid pixel still is a point of the time line: whether it has one
        depends on how an area is cut, the time line must not.
        """
        both = (_times(table, cell_id, sensor) for table in (self.table, self.quarantine))
        return np.unique(np.concatenate(tuple(both)))

    @cached_property
    def measures(self) -> pd.DataFrame:
        """What the checks measured: cell, sensor, time, check, value, limit, failed."""
        return self._joined(MEASURES)

    def read(
        self, cell_id: str, sensor: str, time: int, *, quarantined: bool = False
    ) -> tuple[NDArray[np.uint16 | np.float32], NDArray[np.bool_]]:
        """One observation, mapped from its files.

        Args:
            cell_id: Of the cell.
            sensor: By name.
            time: Seconds since 1970.
            quarantined: Whether it is one that failed a check.

        Returns:
            Stored values [y, x, band] of the sensor's type (0 where invalid) and validity [y, x],
            both on the cell's grid, halo included.

        Raises:
            ContractError: there is no such observation, or its arrays don't fit the cell.
        """
        part = self._parts[cell_id]
        try:
            values, valid = read_arrays(part, cell_id, sensor, time, quarantined=quarantined)
        except (OSError, ValueError, IndexError) as error:
            folder = self.path(cell_id, sensor, time, quarantined=quarantined)
            raise _broken(folder, "an observation", str(error)) from error
        expected = (*self._shapes[cell_id], len(self.sensors[sensor].bands))
        if values.shape != expected or valid.shape != expected[:2]:
            folder = self.path(cell_id, sensor, time, quarantined=quarantined)
            raise _broken(folder, f"shape {expected}", f"{values.shape}, mask {valid.shape}")
        return values, valid

    def probability(
        self, cell_id: str, sensor: str, time: int, *, quarantined: bool = False
    ) -> NDArray[np.uint8] | None:
        """Per cent that pixels of an observation are cloud, [y, x], 255 unknown; None if not kept.

        Takes the arguments of `read`.
        """
        path = self.path(cell_id, sensor, time, quarantined=quarantined) / PROBABILITY
        return np.asarray(map_array(path)[0, :, :, 0]) if path.is_file() else None

    def path(self, cell_id: str, sensor: str, time: int, *, quarantined: bool = False) -> Path:
        """Folder of an observation, whether it is there or not."""
        inside = observation_path(cell_id, sensor, time, quarantined=quarantined)
        return self._parts[cell_id] / inside

    def valid_at(self, cell_id: str, sensor: str, time: int, row: int, column: int) -> bool:
        """Whether one pixel of an observation is valid; of its files no more than that is read.

        Args:
            cell_id: of the cell.
            sensor: by name.
            time: of the observation.
            row: on the cell's grid, halo included.
            column: likewise.
        """
        path = self._parts[cell_id] / observation_path(cell_id, sensor, time) / MASK
        need(path, [(0, _HEADER)])
        mask = map_array(path)
        place = int(np.ravel_multi_index((0, row, column, 0), mask.shape))
        need(path, [(path.stat().st_size - mask.nbytes + place, 1)])
        return bool(mask[0, row, column, 0])

    def _joined(self, table: str) -> pd.DataFrame:
        """A table of all parts, which lie in the order of their cells, as the table's rows do."""
        folders = dict.fromkeys(self._parts.values())
        tables = [pd.read_parquet(folder / table) for folder in folders]
        return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, int]]:
        """Rows and columns of each cell's grid."""
        return {cell.id: (cell.grid.shape[0], cell.grid.shape[1]) for cell in self.cells}


def is_image(path: str) -> bool:
    """Whether a file of the artifact holds pixels, by its path inside it."""
    return path.endswith((DATA, MASK))


def observation_path(cell_id: str, sensor: str, time: int, *, quarantined: bool = False) -> Path:
    """Folder of an observation inside the artifact."""
    return Path(_place(cell_id, sensor, time, quarantined=quarantined))


def _place(cell_id: str, sensor: str, time: int, *, quarantined: bool) -> str:
    return f"{_PUT_AWAY if quarantined else _STORED}/{cell_id}/{sensor}/{stamp(time)}"


def read_arrays(
    folder: Path, cell_id: str, sensor: str, time: int, *, quarantined: bool = False
) -> tuple[NDArray[np.uint16 | np.float32], NDArray[np.bool_]]:
    """Stored values [y, x, band] and validity [y, x], mapped from an artifact's folder.

    Raises:
        OSError: no such observation.
        ValueError: its files are damaged.
    """
    # Every tile of a cube comes by here for every image; joining `Path`s takes as long as opening.
    place = f"{folder}/{_place(cell_id, sensor, time, quarantined=quarantined)}"
    return map_array(f"{place}/{DATA}")[0], map_array(f"{place}/{MASK}")[0, :, :, 0]


def move_observation(folder: Path, record: Record) -> None:
    """Put a stored observation into quarantine, with its reason."""
    place = record.cell, record.sensor, record.time
    target = folder / observation_path(*place, quarantined=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    (folder / observation_path(*place)).rename(target)
    _write_json(target / _META, asdict(record))


def restore_quarantined(folder: Path) -> None:
    """Bring back what `move_observation` put away in an artifact in the making."""
    for path in sorted((folder / _PUT_AWAY).glob("*/*/*")):
        path.rename(folder / _STORED / path.relative_to(folder / _PUT_AWAY))
    shutil.rmtree(folder / _PUT_AWAY, ignore_errors=True)


def write_observation(
    folder: Path,
    scratch: Path,
    grid: GeoBox,
    record: Record,
    values: NDArray[np.uint16 | np.float32],
    valid: NDArray[np.bool_],
    probability: NDArray[np.uint8] | None = None,
) -> None:
    """Write one observation: whole under its name, or not at all.

    Args:
        folder: the artifact's folder.
        scratch: a folder on the same file system for the half-written observation.
        grid: pixels of the cell, halo included.
        record: its row of the table.
        values: stored values [y, x, band], 0 where invalid.
        valid: [y, x].
        probability: of cloud, [y, x] in per cent, if known.
    """
    target = folder / observation_path(record.cell, record.sensor, record.time)
    draft = scratch / "-".join((record.cell, record.sensor, stamp(record.time)))
    shutil.rmtree(draft, ignore_errors=True)
    for name in ("data", "mask", "meta_info"):
        (draft / name).mkdir(parents=True)
    np.save(draft / DATA, values[None])
    np.save(draft / MASK, valid[None, ..., None])
    if probability is not None:
        np.save(draft / PROBABILITY, probability[None, ..., None])
    _write_json(draft / "bbox.geojson", _bounding_box(grid))
    _write_json(draft / "timestamps.json", [_naive_utc(record.time)])
    _write_json(draft / _META, asdict(record))
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.rename(target)


def write_tables(folder: Path, records: Iterable[Record], truth: gpd.GeoDataFrame | None) -> None:
    """Write the tables of an artifact, sorted and without clock or host.

    Args:
        folder: the artifact's folder.
        records: stored and quarantined ones (those with a reason) in any order.
        truth: planted changes.
    """
    ordered = sorted(records, key=lambda record: record.order)
    names = [field.name for field in fields(Record)]
    stored = [record for record in ordered if not record.reason]
    _write_table(folder / _TABLE, stored, names[:-1])
    _write_table(folder / _QUARANTINE, [r for r in ordered if r.reason], names)
    if truth is not None:
        truth = truth.assign(
            start=pd.to_datetime(truth["start"]).astype("datetime64[ms]"),
            end=pd.to_datetime(truth["end"]).astype("datetime64[ms]"),
        )
        truth.to_parquet(folder / _TRUTH, index=False)


def _write_table(path: Path, records: list[Record], names: list[str]) -> None:
    types = {"time": pa.int64(), "valid_share": pa.float64()}
    columns = {
        name: pa.array([getattr(record, name) for record in records], types.get(name, pa.string()))
        for name in names
    }
    pq.write_table(pa.table(columns), path)


def _times(table: pd.DataFrame, cell_id: str, sensor: str) -> NDArray[np.int64]:
    rows = table[(table["cell"] == cell_id) & (table["sensor"] == sensor)]
    return np.sort(rows["time"].to_numpy(np.int64))


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, sort_keys=True) + "\n")


def _naive_utc(time: int) -> str:
    """Time as EOPatches hold it, without a zone."""
    return str(np.datetime64(time, "s"))


def _bounding_box(grid: GeoBox) -> dict[str, object]:
    """The grid's outline as eo-learn writes it."""
    left, bottom, right, top = grid.boundingbox.bbox
    corners = [[left, bottom], [left, top], [right, top], [right, bottom], [left, bottom]]
    code = grid.crs.to_epsg() if grid.crs else None
    name = f"urn:ogc:def:crs:EPSG::{code}"
    crs = {"type": "name", "properties": {"name": name}}
    return {"type": "Polygon", "coordinates": [corners], "crs": crs}


def _broken(place: Path, expected: str, found: str) -> ContractError:
    return ContractError(
        f"{place}: expected {expected}, found {found}. "
        "Rerun the stage that writes it: python -m components.fetch"
    )
