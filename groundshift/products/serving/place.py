"""A place and a window of a cube that a request names: found, and refused where it leads elsewhere.

cube          address of a cube below an allowed prefix, see `cubes`
cell          which of its cells; may be left out if there is one
start, end    the window, from the first instant that counts to the first that doesn't, in UTC
date          instead: the newest window of the model's length that ends by this date, or whose
              next window does where the model sees neighbours
bbox, crs     left, bottom, right, top; of the cell's core, all of it if left out; EPSG:4326
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from odc.geo.geobox import GeoBox
from odc.geo.geom import box
from pyproj.exceptions import CRSError

from groundshift.cube.store import CellCube, Cube
from groundshift.domain.time import parse_duration
from groundshift.errors import ContractError
from groundshift.models.store import Detector
from groundshift.products.serving.cubes import Cubes
from groundshift.products.serving.limits import Limits

_DEGREES = "EPSG:4326"


@dataclass(frozen=True)
class Place:
    """What is to be scored.

    Attributes:
        cube: content hash of the cube.
        cell: the cell.
        steps: half-open range of the window's steps, and those of the windows before and after it
            where the model sees neighbours.
        start: first instant of the window in seconds since 1970.
        end: first instant after it.
        rows: of the cell's core.
        columns: likewise.
        licences: licence and attribution lines of the images.
    """

    cube: str
    cell: CellCube
    steps: tuple[int, ...]
    start: int
    end: int
    rows: slice
    columns: slice
    licences: tuple[str, ...]

    @property
    def grid(self) -> GeoBox:
        """The pixels that are asked for."""
        return self.cell.cell.core[self.rows, self.columns]


@dataclass(frozen=True)
class Places:
    """Finds places in cubes below the allowed prefixes."""

    detector: Detector
    limits: Limits
    cubes: Cubes

    def find(self, request: Mapping[str, str]) -> Place:
        """The place that a request names.

        Raises:
            ContractError: a cube that may not be read, is none or that the model doesn't take, or
                a window or a box that it doesn't hold.
        """
        cube = self.cubes.open(request["cube"])
        self.detector.require(cube.signature, owner="the model")
        cell = _cell(cube, request.get("cell", ""))
        start, end = self._window(cell, request)
        steps = self._steps(cell, start, end)
        rows, columns = _span(cell.cell.core, request.get("bbox", ""), request.get("crs", ""))
        pixels = (rows.stop - rows.start) * (columns.stop - columns.start)
        if pixels > self.limits.pixels:
            raise ContractError(
                f"bbox: expected at most {self.limits.pixels} pixels, found {pixels}: ask for parts"
            )
        licences = cube.manifest.licences
        content_hash = cube.manifest.content_hash
        return Place(content_hash, cell, steps, start, end, rows, columns, licences)

    def _window(self, cell: CellCube, request: Mapping[str, str]) -> tuple[int, int]:
        """Start and end."""
        windows, ahead = self.detector.windows, self.detector.inputs.neighbours
        if "date" in request and not {"start", "end"} & set(request):
            length = int(parse_duration(windows["length"]).total_seconds())
            by = instant("date", request["date"]) - ahead * length
            starts = cell.times[cell.times + length <= by]
            if not len(starts):
                raise ContractError(
                    f"date: expected one with {1 + ahead} x {windows['length']} of images before "
                    f"it, found {request['date'][:40]}: they begin {_shown(cell.times[0])}"
                )
            return int(starts[-1]), int(starts[-1]) + length
        if {"start", "end"} <= set(request) and "date" not in request:
            return instant("start", request["start"]), instant("end", request["end"])
        raise ContractError("expected start and end of the window, or date, found others")

    def _steps(self, cell: CellCube, start: int, end: int) -> tuple[int, ...]:
        """The steps of the window, and of those before and after it where the model sees them.

        Raises:
            ContractError: one of them has fewer or more steps than those of the training.
        """
        length, windows = end - start, self.detector.windows
        low, high = windows.get("min_steps") or 1, windows.get("max_steps") or len(cell.times)
        wanted = [("window", start, high)]
        if self.detector.inputs.neighbours:
            around = (("the window before", start - length), ("the window after", end))
            wanted += [(name, begin, len(cell.times)) for name, begin in around]
        steps: list[int] = []
        for name, begin, most in wanted:
            first, stop = map(int, np.searchsorted(cell.times, (begin, begin + length)))
            if not low <= stop - first <= most:
                raise ContractError(
                    f"{name}: expected {low} to {most} steps, as the model was trained with, found "
                    f"{max(stop - first, 0)} between {_shown(begin)} and {_shown(begin + length)}; "
                    f"the images are of {_shown(cell.times[0])} to {_shown(cell.times[-1])}"
                )
            steps += (first, stop)
        return tuple(steps)


def instant(name: str, text: str) -> int:
    """Seconds since 1970 of a date as a request has it, in UTC where it says nothing else.

    Raises:
        ContractError: no date.
    """
    try:
        time = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise ContractError(
            f"{name}: expected a date like 2018-05-31, found {text[:40]!r}"
        ) from None


def _cell(cube: Cube, name: str) -> CellCube:
    if not name and len(cube.cells) == 1:
        return next(iter(cube.cells.values()))
    if name not in cube.cells:
        listed = ", ".join(list(cube.cells)[:10])
        raise ContractError(f"cell: expected one of {listed}, found {name[:40]!r}")
    return cube.cells[name]


def _span(core: GeoBox, bbox: str, crs: str) -> tuple[slice, slice]:
    """Rows and columns of the pixels that a box touches."""
    rows, columns = core.shape
    if crs and not bbox:
        raise ContractError(f"crs: {crs[:40]!r} means nothing without a bbox")
    if not bbox:
        return slice(0, rows), slice(0, columns)
    try:
        edges = tuple(float(text) for text in bbox.split(","))
        if (
            len(edges) != 4
            or not np.isfinite(edges).all()
            or not (edges[0] < edges[2] and edges[1] < edges[3])
        ):
            raise ValueError("no box")
        wanted = box(*edges, crs or _DEGREES).to_crs(core.crs)
        left, bottom, right, top = wanted.boundingbox.bbox
        inverse = ~core.transform
        (x0, y0), (x1, y1) = inverse * (left, top), inverse * (right, bottom)
        if not np.isfinite((x0, y0, x1, y1)).all():
            raise ValueError("no box of this grid")
    except (ValueError, CRSError, OverflowError):
        raise ContractError(
            "bbox: expected left,bottom,right,top in crs (EPSG:4326), found "
            f"{bbox[:80]!r} in {(crs or _DEGREES)[:40]!r}"
        ) from None
    # A box along the pixels' edges must not touch their neighbours for a rounding of 1e-9 pixel.
    top_row, left_column = max(int(np.floor(y0 + 1e-6)), 0), max(int(np.floor(x0 + 1e-6)), 0)
    end_row, end_column = (
        min(int(np.ceil(min(value, 1e9) - 1e-6)), size)
        for value, size in ((y1, rows), (x1, columns))
    )
    if end_row <= top_row or end_column <= left_column:
        raise ContractError(f"bbox: {bbox[:80]} touches no pixel of the cell that it is asked of")
    return slice(top_row, end_row), slice(left_column, end_column)


def _shown(seconds: float) -> str:
    return str(np.datetime64(int(seconds), "s"))
