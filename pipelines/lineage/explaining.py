"""From a pixel of a map back to the products of its images, by the manifests alone.

Of cubes and observations in S3, only the parts that hold the pixel are read.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer

from groundshift.artifacts import ArtifactStore, Manifest, Reference
from groundshift.artifacts.lineage import WHOLE, inputs_of
from groundshift.artifacts.ranged import need
from groundshift.cube.layout import NO_SLOT, is_shard
from groundshift.cube.store import CellCube, Cube
from groundshift.domain.cells import Cell
from groundshift.domain.time import DAY, isoformat
from groundshift.errors import SettingsError
from groundshift.observations.store import Observations, is_image
from groundshift.products.maps import (
    DATE_OF_MAXIMUM,
    MAXIMUM,
    SCORES,
    aggregate_path,
    window_of,
)

NETWORK = "network.json"
"""File of a model that says what it takes."""

Seen = dict[str, Any]
"""A row of the observations' table: sensor, time, product, platform, baseline, source."""


@dataclass(frozen=True)
class Pixel:
    """A pixel of a cell.

    Attributes:
        cell: whose core it lies in.
        row: of the core.
        column: of the core.
    """

    cell: Cell
    row: int
    column: int

    @classmethod
    def at(cls, cells: list[Cell], longitude: float, latitude: float) -> "Pixel":
        """The pixel under a point.

        Raises:
            SettingsError: the point lies in no cell.
        """
        for cell in cells:
            project = Transformer.from_crs("EPSG:4326", str(cell.core.crs), always_xy=True)
            x, y = project.transform(longitude, latitude)
            column, row = (int(np.floor(value)) for value in ~cell.core.transform * (x, y))
            rows, columns = cell.core.shape
            if 0 <= row < rows and 0 <= column < columns:
                return cls(cell, row, column)
        raise SettingsError(
            f"--at {longitude},{latitude}: expected a point (longitude, latitude) inside the maps, "
            "found one outside of all cells"
        )

    @property
    def stored(self) -> tuple[int, int]:
        """Row and column in what is stored of the cell, halo included."""
        rows, columns = self.cell.inner
        return rows.start + self.row, columns.start + self.column


def explain(
    store: ArtifactStore, maps: Reference, longitude: float, latitude: float
) -> dict[str, Any]:
    """What a pixel of a map came from, JSON-ready.

    Args:
        store: where the map and all it was made from are.
        maps: the map.
        longitude: degrees.
        latitude: degrees.

    Raises:
        SettingsError: a point outside the map.
        ContractError: something that it was made from is gone.
    """
    manifest = store.manifest(maps)
    pixel = Pixel.at([*map(Cell.from_dict, manifest.summary["cells"])], longitude, latitude)
    with ExitStack() as stack:
        folder = stack.enter_context(store.lent(maps, lambda path: path.endswith(".tif")))
        found = _score(folder, pixel)
        chain = _chain(store, manifest, pixel.cell.id)
        seen = []
        if found["window"] is not None:
            cube = Cube.open(stack.enter_context(store.lent(chain["cube"][0], is_shard)))
            images = stack.enter_context(store.lent(chain["observations"][0], is_image))
            cell_cube = cube.cells[pixel.cell.id]
            sensors = [cell_cube.roles[role] for role in _roles(store, chain["model"][0])]
            seen = _carriers(Observations.open(images), cell_cube, sensors, pixel, found["window"])
    return {
        "at": [longitude, latitude],
        "cell": pixel.cell.id,
        "pixel": [pixel.row, pixel.column],
        "maps": maps.content_hash,
        "score": found["score"],
        "window": [isoformat(time) for time in found["window"] or ()],
        "chain": {name: _entry(*made) for name, made in chain.items()},
        "observations": seen,
        "licences": list(manifest.licences),
    }


def _score(folder: Path, pixel: Pixel) -> dict[str, Any]:
    """The pixel's greatest score and its window, start and end."""
    greatest, date = (
        _value(aggregate_path(folder, pixel.cell, name), pixel)
        for name in (MAXIMUM, DATE_OF_MAXIMUM)
    )
    if not np.isfinite(greatest):
        return {"score": None, "window": None}
    paths = sorted((folder / SCORES / pixel.cell.id).glob("*.tif"))
    windows = {path: window_of(path) for path in paths}
    for path, window in windows.items():
        if window.middle // DAY == int(date) and _value(path, pixel) == greatest:
            return {"score": float(greatest), "window": (window.start, window.end)}
    raise AssertionError(f"{folder}: no window has the greatest score")


def _value(path: Path, pixel: Pixel) -> float:
    need(path, [(0, path.stat().st_size)])
    with rasterio.open(path) as image:
        place = rasterio.windows.Window(pixel.column, pixel.row, 1, 1)
        return float(image.read(1, window=place)[0, 0])


def _chain(
    store: ArtifactStore, maps: Manifest, cell: str
) -> dict[str, tuple[Reference, Manifest]]:
    """What the cell's map was made from, by contract, latest stage first."""
    chain: dict[str, tuple[Reference, Manifest]] = {}
    left = [inputs_of(maps)]
    while left:
        for contract, parts in left.pop(0).items():
            reference = parts.get(cell) or parts.get(WHOLE)
            if reference is None or contract in chain:
                continue
            manifest = store.manifest(reference)
            chain[contract] = (reference, manifest)
            left.append(inputs_of(manifest))
    return chain


def _entry(reference: Reference, manifest: Manifest) -> dict[str, Any]:
    return {
        "content_hash": reference.content_hash,
        "value_hash": manifest.value_hash,
        "started": isoformat(int(manifest.record["started"])),
        "code": manifest.record["code"],
        "mlflow": manifest.record.get("mlflow", {}).get("run"),
        "revised_from": manifest.record.get("revised", {}).get("from"),
        "licences": list(manifest.licences),
    }


def _roles(store: ArtifactStore, model: Reference) -> list[str]:
    """What a model takes of a cube; its weights are not read."""
    with store.lent(model, lambda path: path != NETWORK) as folder:
        described = json.loads((folder / NETWORK).read_text())
    return [str(stream["role"]) for stream in described["inputs"]["streams"]]


def _carriers(
    observations: Observations,
    cube: CellCube,
    sensors: Iterable[str],
    pixel: Pixel,
    window: tuple[int, int],
) -> list[Seen]:
    """The observations whose values the model saw in a pixel, by sensor and time."""
    first, stop = np.searchsorted(cube.times, window).tolist()

    def valid(sensor: str, time: int) -> bool:
        return observations.valid_at(cube.cell.id, sensor, time, *pixel.stored)

    rows = {
        (row["sensor"], int(row["time"])): row
        for row in observations.table.to_dict("records")
        if row["cell"] == cube.cell.id
    }
    seen: list[Seen] = []
    for sensor in dict.fromkeys(sensors):
        times = observations.times(cube.cell.id, sensor)
        carried = _carried(cube, sensor, pixel, (first, stop), times, valid)
        seen += [_described(rows[sensor, time], window[0]) for time in carried]
    return seen


def _carried(
    cube: CellCube,
    sensor: str,
    pixel: Pixel,
    steps: tuple[int, int],
    times: NDArray[np.int64],
    valid: Callable[[str, int], bool],
) -> Iterator[int]:
    """Times of the observations that a pixel shows over some steps, ascending.

    Of several looks in one step the last valid one shows; what shows at the first step may have
    been carried there from long before.
    """
    row, column = pixel.stored
    frames, frame_of_step = cube.frames(
        sensor, *steps, slice(row, row + 1), slice(column, column + 1)
    )
    if not len(frame_of_step):
        return
    fresh, ages = frames.fresh[:, 0, 0], frames.age_days[:, 0, 0]
    begins = steps[0] + np.flatnonzero(np.diff(frame_of_step, prepend=NO_SLOT - 1))
    if not fresh[0] and ages[0] >= 0:
        day = int(cube.times[steps[0]]) // DAY - int(ages[0])
        before = times[(times // DAY == day) & (times <= cube.times[steps[0]])]
        yield from _last(before, lambda time: valid(sensor, time))
    for frame in np.flatnonzero(fresh).tolist():
        step = int(begins[frame])
        after = int(cube.times[step - 1]) if step else np.iinfo(np.int64).min
        own = times[(times > after) & (times <= cube.times[step])]
        yield from _last(own, lambda time: valid(sensor, time))


def _last(times: NDArray[np.int64], valid: Callable[[int], bool]) -> Iterator[int]:
    """The last of some times that is valid, if any is."""
    for time in reversed(times.tolist()):
        if valid(time):
            yield time
            return


def _described(row: Mapping[str, Any], start: int) -> Seen:
    names = ("sensor", "product_id", "platform", "baseline", "orbit", "source")
    time = int(row["time"])
    return {
        **{name: row[name] for name in names if row.get(name)},
        "time": isoformat(time),
        "carried_in": time < start,
    }
