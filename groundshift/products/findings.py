"""What was found in one cell: its maps on disk, its events, and what a report needs of both.

Beside the cell's maps (see `maps`) lie

    events.parquet                  its events, as if nothing lay beyond the cell
    objects.parquet, objects.npz    what the events of an area are made of, see `objects_io`
    findings.npz                    windows, area over the threshold, what each window was computed
                                    from
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from groundshift.artifacts import ValueHash, canonical_json, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.cube.store import CellCube
from groundshift.domain.cells import Cell, pixel_area
from groundshift.errors import ContractError
from groundshift.events.merging import merge
from groundshift.events.objects import EventRule, Objects, ScoredWindows, find_objects
from groundshift.events.series import cube_sums
from groundshift.events.table import events_of, typed
from groundshift.products.events_io import GEOPARQUET, plain_rows, write_parquet
from groundshift.products.maps import CellMaps, MapWindow
from groundshift.products.objects_io import read_objects, write_objects

SCORES_CONTRACT = "scores"
FINDINGS = "findings.npz"

_SCORE = "score"

LISTED = 60
"""Most events that a page lists; the files hold all."""


@dataclass(frozen=True)
class ScoredMap:
    """One window's scores on their way to a map.

    Attributes:
        window: id of the window.
        score: [y, x] on the cell's core.
        written: a file that holds this very map already.
        layers: [y, x] of `maps.LAYERS`.
    """

    window: int
    score: NDArray[np.float32]
    written: Path | None = None
    layers: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class CellFindings:
    """What was found in one cell.

    Attributes:
        cell: the cell.
        windows: those mapped.
        hectares: [window] area at or above the threshold.
        events: dated events, as if nothing lay beyond the cell.
        objects: what the events of an area are made of; None in artifacts of version 1.
        value_hash: of maps and events.
    """

    cell: Cell
    windows: tuple[MapWindow, ...]
    hectares: NDArray[np.float64]
    events: gpd.GeoDataFrame
    objects: Objects | None
    value_hash: str

    def write(self, folder: Path, shown: Iterable[str]) -> None:
        """Write all that belongs to a cell but its maps.

        Args:
            folder: of the cell's artifact.
            shown: digests of what each window was computed from.
        """
        write_parquet(folder, self.events)
        if self.objects is not None:
            write_objects(folder, self.objects, str(self.cell.core.crs))
        np.savez(
            folder / FINDINGS,
            windows=np.array([(w.start, w.end) for w in self.windows], np.int64),
            hectares=self.hectares,
            shown=np.array(list(shown), np.str_),
        )

    @classmethod
    def read(cls, folder: Path) -> "CellFindings":
        """Read a cell's artifact, whose manifest tells of the cell.

        Raises:
            ContractError: not a whole artifact.
        """
        manifest = read_manifest(folder, SCORES_CONTRACT)
        check_files(folder, manifest)
        (cell,) = map(Cell.from_dict, manifest.summary["cells"])
        events = typed(gpd.read_parquet(folder / GEOPARQUET))
        objects = read_objects(folder) if manifest.version > 1 else None
        with np.load(folder / FINDINGS, allow_pickle=False) as archive:
            windows = tuple(MapWindow(*span) for span in archive["windows"].tolist())
            return cls(cell, windows, archive["hectares"], events, objects, manifest.value_hash)


def read_shown(folder: Path) -> dict[MapWindow, str]:
    """Digests of what the windows of a cell's artifact were computed from."""
    with np.load(folder / FINDINGS, allow_pickle=False) as archive:
        windows = (MapWindow(*span) for span in archive["windows"].tolist())
        return dict(zip(windows, archive["shown"].tolist(), strict=True))


def survey_cell(
    cell_cube: CellCube,
    scores: Iterable[ScoredMap],
    windows: Mapping[int, MapWindow],
    *,
    folder: Path,
    scratch: Path,
    tags: Mapping[str, str],
    values: ValueHash,
    rule: EventRule,
) -> CellFindings:
    """Write a cell's maps as its scores come, and find its events.

    All scores of a cell are needed to outline and date events; they lie in a file meanwhile.

    Args:
        cell_cube: for the dates, by its radar series.
        scores: in order of time.
        windows: by id, exactly those that `scores` gives.
        folder: of the artifact.
        scratch: folder for the file, which is removed again.
        tags: GeoTIFF tags that all maps share.
        values: fed with the cell's maps and events, and nothing else.
        rule: what counts as an event.

    Raises:
        ContractError: scores of other windows than expected.
    """
    cell = cell_cube.cell
    writer = CellMaps(folder, cell, tags=tags, values=values)
    kept = _Kept(scratch, (len(windows), *cell.core.shape))
    hectares = np.zeros(len(windows))
    for number, scored in enumerate(_as_expected(scores, list(windows), cell)):
        writer.add(windows[scored.window], scored.score, scored.written, scored.layers)
        kept.put(number, {_SCORE: scored.score, **scored.layers})
        hectares[number] = (scored.score >= rule.threshold).sum() * pixel_area(cell.core) / 1e4
    writer.finish()
    spans = tuple(writer.windows)
    objects = _objects(cell_cube, spans, kept.maps, rule)
    events = events_of(merge([objects]), rule, str(cell.core.crs))
    values.add_text("events", [canonical_json(row) for row in plain_rows(events)])
    kept.remove()
    return CellFindings(cell, spans, hectares, events, objects, values.hexdigest())


@dataclass
class _Kept:
    """Maps of all windows in files, one per layer, [window, y, x]."""

    folder: Path
    shape: tuple[int, ...]
    maps: dict[str, np.memmap[Any, Any]] = field(default_factory=dict)

    def put(self, number: int, layers: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep what one window says."""
        for name, values in layers.items():
            if name not in self.maps:
                path = self.folder / f"{name}.npy"
                self.maps[name] = np.lib.format.open_memmap(path, "w+", np.float32, self.shape)
            self.maps[name][number] = values

    def remove(self) -> None:
        """Remove the files."""
        names = list(self.maps)
        self.maps.clear()
        for name in names:
            (self.folder / f"{name}.npy").unlink()


def _as_expected(
    scores: Iterable[ScoredMap], expected: list[int], cell: Cell
) -> Iterator[ScoredMap]:
    """Pass scores through as long as they are those of the windows expected."""
    found: list[int] = []
    for scored in scores:
        found.append(scored.window)
        if found[-1:] != expected[len(found) - 1 : len(found)]:
            break
        yield scored
    if found != expected:
        raise ContractError(
            f"cell {cell.id}: expected scores of windows {expected[:3]}... ({len(expected)}), "
            f"found {found[-3:]} at the end of {len(found)}"
        )


def _objects(
    cell_cube: CellCube,
    windows: tuple[MapWindow, ...],
    maps: Mapping[str, NDArray[np.float32]],
    rule: EventRule,
) -> Objects:
    cell = cell_cube.cell
    scored = ScoredWindows(
        maps[_SCORE],
        np.array([window.start for window in windows]),
        np.array([window.end for window in windows]),
        cell.core,
        {name: values for name, values in maps.items() if name != _SCORE},
    )
    rows, columns = cell.inner
    read = cube_sums(cell_cube, (rows.start, columns.start))
    return find_objects(scored, rule, read=read, cell=cell.id, open_edges=True)


def strongest(events: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """At most `LISTED` events, by score times size."""
    weight = (events["score"] * events["pixels"]).to_numpy(np.float64)
    order = np.lexsort((events["id"].to_numpy(str), -weight))
    return events.iloc[order[:LISTED]].reset_index(drop=True)
