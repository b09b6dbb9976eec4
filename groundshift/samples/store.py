"""The samples artifact: windows, patches and labels as indices into a cube.

    manifest.json
    samples.parquet       windows: id, cell, kind, ranges of steps, start, end, complete, problem
    splits.parquet        patches: patch, cell, block, y0, x0, y1, x1, split
    labels/<cell>.zarr    window ids, and `truth` and `synthetic` [window, y, x] where they exist
    betas.parquet         per cell and window: sums and regional beta of the index
    truth.parquet         dated polygons, if they are known (GeoParquet)
    label_card.{json,md,png}

A window's `id` numbers the windows of its cell; cells with the same time line have the same ids.
Only complete windows have labels. Samples that were made cell by cell are read as one: their
tables end to end in the order of cell ids, as one run over all cells writes them.
"""

import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import geopandas as gpd
import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

from groundshift.artifacts import Manifest, is_collection, read_manifest, read_parts
from groundshift.artifacts.manifest import check_files
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.samples.splits import SPLITS, USES, Split

CONTRACT = "samples"
WINDOWS, PATCHES, BETAS, TRUTH, CARD = (
    "samples.parquet",
    "splits.parquet",
    "betas.parquet",
    "truth.parquet",
    "label_card",
)

LabelKind = Literal["truth", "synthetic"]
LABEL_KINDS: tuple[LabelKind, ...] = get_args(LabelKind)

SHARD = 128
"""Edge of a shard of labels in pixels: the block in which they are written."""
_CHUNK = (16, 32, 32)
_WINDOW_IDS = "window"


class Samples:
    """A samples artifact, opened for reading."""

    def __init__(
        self, folder: Path, manifest: Manifest, parts: Mapping[str, Path] | None = None
    ) -> None:
        """Use `open`, which checks the folder first."""
        self.folder = folder
        self.manifest = manifest
        self._parts = parts or {}
        self.settings: dict[str, Any] = manifest.settings["window"]
        self.label_kinds: tuple[LabelKind, ...] = tuple(manifest.summary["labels"])

    @classmethod
    def open(cls, folder: Path) -> "Samples":
        """Open an artifact, or a collection of them, and check that it is whole.

        Raises:
            ContractError: not a whole samples artifact, or a broken invariant.
        """
        manifest = read_manifest(folder, CONTRACT)
        parts = read_parts(folder, CONTRACT) if is_collection(folder) else {}
        samples = cls(folder, manifest, parts)
        for part in samples._folders:
            own = read_manifest(part, CONTRACT)
            check_files(part, own)
            _require_equal_kinds(samples.label_kinds, own, part)
        for cell, patches in samples.splits.groupby("cell"):
            _require_disjoint(patches, f"{folder / PATCHES}, cell {cell}")
        return samples

    @cached_property
    def windows(self) -> pd.DataFrame:
        """All windows, complete or not, ordered by cell and start."""
        return self._table(WINDOWS)

    @cached_property
    def splits(self) -> pd.DataFrame:
        """All patches."""
        return self._table(PATCHES)

    @cached_property
    def truth(self) -> gpd.GeoDataFrame | None:
        """Dated polygons, each once; None if truth is not known, or known as masks."""
        paths = [folder / TRUTH for folder in self._folders]
        tables = [gpd.read_parquet(path) for path in paths if path.is_file()]
        if len(tables) < 2:
            return tables[0] if tables else None
        return pd.concat(tables).drop_duplicates(ignore_index=True)

    @cached_property
    def betas(self) -> pd.DataFrame:
        """Sums and regional betas per cell, window and part; without rows if not computed."""
        return self._table(BETAS)

    @property
    def target(self) -> LabelKind:
        """Which labels a model is trained on."""
        kind: LabelKind = self.settings["labels"]
        return kind

    def windows_of(self, split: Split, cell: str | None = None) -> pd.DataFrame:
        """Complete windows that a split may use, which depends on time-disjoint splits.

        Args:
            split: of the patches that the windows are combined with.
            cell: only this cell's.
        """
        windows = self.windows
        chosen = windows["complete"] & windows["side"].isin(USES[split])
        if cell is not None:
            chosen &= windows["cell"] == cell
        return windows[chosen]

    def labels(
        self, cell_id: str, which: LabelKind, window_id: int, rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        """Labels of one window, [y, x]; NaN where there is none.

        Raises:
            ContractError: no such labels, or the window has none because it is not complete.
        """
        series = self._series(cell_id, which)
        row = np.flatnonzero(self.labelled(cell_id) == window_id)
        if not len(row):
            raise ContractError(
                f"{self.folder}: window {window_id} of cell {cell_id} has no labels: expected a "
                "complete window. Choose from Samples.windows those that are complete"
            )
        return np.asarray(series[int(row[0]), rows, columns], np.float32)

    def label_series(
        self, cell_id: str, which: LabelKind, rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        """Labels of all complete windows of a cell, [window, y, x], in the order of `labelled`."""
        return np.asarray(self._series(cell_id, which)[:, rows, columns], np.float32)

    def labelled(self, cell_id: str) -> NDArray[np.int64]:
        """Ids of a cell's windows that have labels: the complete ones."""
        if cell_id not in self._ids:
            self._ids[cell_id] = np.asarray(self._array(cell_id, _WINDOW_IDS)[:], np.int64)
        return self._ids[cell_id]

    def require(self, cube: Cube) -> None:
        """Refuse a cube that the windows don't index.

        Raises:
            ContractError: another cube, or another revision of it.
        """
        found, expected = cube.manifest.content_hash, self.manifest.inputs["cube"]
        if found != expected:
            raise ContractError(
                f"{self.folder} indexes the cube {expected[:12]}, found {found[:12]} in "
                f"{cube.folder}. Rerun: python -m components.window"
            )

    @cached_property
    def _ids(self) -> dict[str, NDArray[np.int64]]:
        return {}

    @cached_property
    def _arrays(self) -> dict[tuple[str, str], zarr.Array[Any]]:
        return {}

    @property
    def _folders(self) -> Collection[Path]:
        """Folders of the parts, or the artifact's own."""
        return self._parts.values() or (self.folder,)

    def _table(self, name: str) -> pd.DataFrame:
        return joined([pd.read_parquet(folder / name) for folder in self._folders])

    def _array(self, cell_id: str, name: str) -> zarr.Array[Any]:
        if (cell_id, name) not in self._arrays:
            folder = self._parts.get(cell_id, self.folder)
            self._arrays[cell_id, name] = label_array(folder, cell_id, name)
        return self._arrays[cell_id, name]

    def _series(self, cell_id: str, which: LabelKind) -> zarr.Array[Any]:
        if which not in self.label_kinds:
            raise ContractError(
                f"{self.folder}: no {which} labels, found {', '.join(self.label_kinds)}. "
                f"The label card ({CARD}.md) says why"
            )
        return self._array(cell_id, which)


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables end to end; those without rows, whose columns have no certain type, don't count."""
    filled = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(filled, ignore_index=True)


class LabelWriter:
    """Writes the labels of one cell, block by block."""

    def __init__(
        self,
        folder: Path,
        cell_id: str,
        window_ids: NDArray[np.int64],
        shape: tuple[int, int],
        kinds: Sequence[LabelKind],
    ) -> None:
        """Declare the arrays.

        Args:
            folder: of the artifact.
            cell_id: whose labels.
            window_ids: of the windows, int64 [window], in the order of the first axis.
            shape: (y, x) of the cell's grid.
            kinds: which arrays.
        """
        group = zarr.create_group(_label_path(folder, cell_id))
        ids = group.create_array(
            _WINDOW_IDS,
            shape=window_ids.shape,
            dtype=np.int64,
            chunks=(max(len(window_ids), 1),),
            dimension_names=("window",),
        )
        ids[:] = window_ids
        count = len(window_ids)
        chunk = (min(_CHUNK[0], max(count, 1)), *_CHUNK[1:])
        depth = -(-max(count, 1) // chunk[0]) * chunk[0]
        self._arrays = {
            kind: group.create_array(
                kind,
                shape=(count, *shape),
                dtype=np.float32,
                chunks=chunk,
                shards=(depth, SHARD, SHARD),
                fill_value=np.nan,
                dimension_names=("window", "y", "x"),
            )
            for kind in kinds
        }
        with warnings.catch_warnings():
            # Zarr warns that consolidated metadata is not in the specification yet; xarray warns
            # where it is missing.
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(group.store)

    def write(self, kind: LabelKind, rows: slice, columns: slice, labels: NDArray[Any]) -> None:
        """Write the labels [window, y, x] of a block; whole shards are written at once."""
        self._arrays[kind][:, rows, columns] = labels.astype(np.float32)


def label_array(folder: Path, cell_id: str, name: str) -> zarr.Array[Any]:
    """An array of a cell's labels.

    Raises:
        ContractError: it is not there.
    """
    path = _label_path(folder, cell_id) / name
    if not path.is_dir():
        raise ContractError(f"expected {path}, found none. Rerun: python -m components.window")
    return zarr.open_array(path, mode="r")


def write_tables(
    folder: Path,
    windows: pd.DataFrame,
    patches: pd.DataFrame,
    betas: pd.DataFrame,
    truth: gpd.GeoDataFrame | None,
) -> None:
    """Write the tables of an artifact, without clock or host."""
    tables: Mapping[str, pd.DataFrame] = {WINDOWS: windows, PATCHES: patches, BETAS: betas}
    for name, table in tables.items():
        table.to_parquet(folder / name, index=False)
    if truth is not None:
        truth.to_parquet(folder / TRUTH, index=False)


def _label_path(folder: Path, cell_id: str) -> Path:
    return folder / "labels" / f"{cell_id}.zarr"


def _require_equal_kinds(expected: Sequence[str], own: Manifest, part: Path) -> None:
    """Refuse a part that has other labels than the others."""
    found = own.summary["labels"]
    if list(expected) != found:
        raise ContractError(
            f"{part}: expected the labels of all cells ({', '.join(dict.fromkeys(expected))}), "
            f"found {', '.join(found) or 'none'}. Rerun for every cell, with the same betas: "
            "python -m components.window"
        )


def _require_disjoint(patches: pd.DataFrame, place: str) -> None:
    """Refuse patches of different splits that share a pixel."""
    edges = patches[["y0", "x0", "y1", "x1"]].to_numpy()
    owner = np.zeros((edges[:, 2].max(), edges[:, 3].max()), np.uint8)
    for split, (y0, x0, y1, x1) in zip(patches["split"], edges, strict=True):
        number = SPLITS.index(split) + 1
        taken = owner[y0:y1, x0:x1]
        if ((taken != 0) & (taken != number)).any():
            raise ContractError(
                f"{place}: a pixel of rows {y0} to {y1}, columns {x0} to {x1} is in two splits. "
                "Rerun: python -m components.window"
            )
        taken[:] = number
