"""A stratified random sample of pixels for an honest area of change, drawn and read back.

Strata come from the published events and scores: a stratum per year of change, the pixels next to
an event, those that score highest of all others, and the rest (`groundshift.assessment.strata`).
Whoever judges the sample sees neither stratum nor event: the strata lie in a table of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely import box

from groundshift.assessment.area import AreaEstimate, allocate, estimate_areas
from groundshift.assessment.strata import (
    BESIDE,
    DOUBTFUL,
    ELSEWHERE,
    beside,
    doubtful_above,
    expected_change,
)
from groundshift.domain.cells import Cell, pixel_area
from groundshift.errors import ContractError
from groundshift.events.reviews import UNSURE
from groundshift.events.table import WITHDRAWN
from groundshift.products.maps import MAXIMUM, aggregate_path, read_map
from groundshift.products.review_package import (
    read_about,
    read_layer,
    write_about,
    write_layer,
)

SAMPLE = "sample"

NO_CHANGE = "none"
"""What is filled in for a pixel that did not change; else the year in which it did."""

AREAS = "areas"
"""Member of the document of reviews that keeps what a judged sample tells."""

COLUMNS = {"unit": "str", "year": "str", "by": "str"}
"""Of a sample's layer, beside the geometry, with their types."""

_STRATUM = "stratum:"
_UNIT = "unit:"


@dataclass(frozen=True)
class JudgedSample:
    """The true area of change by year, as a sample tells it.

    Attributes:
        maps: content hash of the maps that the sample was drawn from.
        units: how many pixels were judged.
        areas: square metres by year.
    """

    maps: str
    units: int
    areas: Mapping[str, AreaEstimate]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return asdict(self)

    @classmethod
    def of(cls, reviews: Mapping[str, Any] | None) -> "JudgedSample | None":
        """What a document of reviews keeps; None where no sample was judged yet.

        Raises:
            ContractError: something else.
        """
        kept = (reviews or {}).get(AREAS)
        if kept is None:
            return None
        try:
            areas = {year: AreaEstimate(**area) for year, area in kept["areas"].items()}
            return cls(kept["maps"], kept["units"], areas)
        except (TypeError, KeyError, AttributeError) as error:
            raise ContractError(
                f"reviews: expected areas of a judged sample, found something else ({error}). "
                "Import the sample again: groundshift review import"
            ) from error


@dataclass(frozen=True)
class Strata:
    """Which stratum every pixel of an area belongs to.

    Attributes:
        names: of the strata.
        numbers: [y, x] index into `names` on each cell's core, -1 where there is no score.
    """

    names: Sequence[str]
    numbers: Mapping[Cell, NDArray[np.int16]]

    def pixels(self) -> dict[str, int]:
        """Pixels of each stratum, without those that have none."""
        counts = np.zeros(len(self.names), np.int64)
        for numbers in self.numbers.values():
            counts += np.bincount(numbers[numbers >= 0], minlength=len(self.names))
        return {name: int(count) for name, count in zip(self.names, counts, strict=True) if count}


def strata_of(folder: Path, cells: Sequence[Cell], events: gpd.GeoDataFrame) -> Strata:
    """The strata of published maps.

    Args:
        folder: of the maps.
        cells: those that were mapped.
        events: as they were published.
    """
    standing = events[events["state"] != WITHDRAWN]
    years = sorted({str(date.year) for date in standing["date"]})
    names = [ELSEWHERE, DOUBTFUL, BESIDE, *years]
    numbers = {}
    for cell in cells:
        known = np.isfinite(_scores(folder, cell))
        burnt = np.zeros(cell.core.shape, np.int16)
        shapes = [
            (geometry, names.index(str(date.year)))
            for geometry, date in zip(standing.geometry, standing["date"], strict=True)
        ]
        if shapes:
            rasterize(shapes, out=burnt, transform=cell.core.transform)
        burnt[beside(burnt > 0)] = names.index(BESIDE)
        numbers[cell] = np.where(known, burnt, -1).astype(np.int16)
    left = {cell: of_cell == names.index(ELSEWHERE) for cell, of_cell in numbers.items()}
    limit = doubtful_above(_scores(folder, cell)[rest] for cell, rest in left.items())
    for cell, rest in left.items():
        numbers[cell][rest & (_scores(folder, cell) > limit)] = names.index(DOUBTFUL)
    return Strata(names, numbers)


def _scores(folder: Path, cell: Cell) -> NDArray[np.float32]:
    """The greatest score of every pixel of a cell, over all windows."""
    scores: NDArray[np.float32] = read_map(aggregate_path(folder, cell, MAXIMUM))
    return scores


def write_sample(
    path: Path, strata: Strata, *, total: int, least: int, seed: int, about: Mapping[str, str]
) -> dict[str, int]:
    """Draw pixels and write them as squares to judge, in random order.

    Args:
        path: the GeoPackage.
        strata: of every pixel.
        total: units in all.
        least: units of each stratum.
        seed: the same one draws the same pixels.
        about: what the package is made from.

    Returns:
        Units drawn by stratum.
    """
    generator = np.random.default_rng(seed)
    sizes = strata.pixels()
    expected = {name: expected_change(name) for name in sizes}
    counts = allocate(sizes, expected, total, least)
    drawn = [
        (name, *place)
        for name, count in counts.items()
        for place in _draw(strata, strata.names.index(name), count, generator)
    ]
    order = generator.permutation(len(drawn))
    units = [drawn[number] for number in order]
    first = next(iter(strata.numbers))
    rows = (
        {"unit": f"u{number:05d}", "year": "", "by": "", "geometry": _square(cell, row, column)}
        for number, (_, cell, row, column) in enumerate(units, start=1)
    )
    write_layer(path, SAMPLE, rows, COLUMNS, str(first.core.crs), geometry="Polygon")
    areas = {name: size * pixel_area(first.core) for name, size in sizes.items()}
    told = {f"{_STRATUM}{name}": repr(area) for name, area in areas.items()}
    told |= {f"{_UNIT}u{n:05d}": name for n, (name, *_) in enumerate(units, start=1)}
    write_about(path, {**about, **told})
    return counts


def read_sample(path: Path) -> JudgedSample:
    """The area of change by year, from a sample that was judged.

    Units that are `unsure` are left out; so are those not judged yet, as long as two of every
    stratum are.

    Raises:
        ContractError: no such package, rows that make no sense, or too few of them.
    """
    about = read_about(path)
    table = read_layer(path, SAMPLE, tuple(COLUMNS))
    table["year"] = table["year"].fillna("").astype(str).str.strip()
    stratum = {key.removeprefix(_UNIT): v for key, v in about.items() if key.startswith(_UNIT)}
    strata = {
        key.removeprefix(_STRATUM): float(value)
        for key, value in about.items()
        if key.startswith(_STRATUM)
    }
    wrong = [
        f"unit {row.unit}: expected a year, {NO_CHANGE} or {UNSURE}, found {row.year!r}"
        for row in table.itertuples()
        if row.year not in ("", NO_CHANGE, UNSURE) and not _is_year(row.year)
    ]
    wrong += [f"unit {unit}: was not drawn" for unit in table["unit"] if unit not in stratum]
    if wrong:
        raise ContractError(
            f"{path}: {'; '.join(wrong[:20])}. Correct the rows and import it again"
        )
    judged = table[~table["year"].isin(("", UNSURE))]
    drawn_from = [stratum[unit] for unit in judged["unit"]]
    try:
        areas = estimate_areas(strata, drawn_from, judged["year"].tolist())
    except ValueError as error:
        raise ContractError(f"{path}: {error}. Judge more units and import it again") from error
    by_year = {year: area for year, area in areas.items() if year != NO_CHANGE}
    return JudgedSample(about.get("maps", ""), len(judged), by_year)


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdigit()


def _draw(
    strata: Strata, number: int, count: int, generator: np.random.Generator
) -> list[tuple[Cell, int, int]]:
    """Pixels of a stratum over all cells, each at most once."""
    cells = list(strata.numbers)
    places = [np.argwhere(strata.numbers[cell] == number) for cell in cells]
    begins = np.cumsum([0, *map(len, places)])
    picked = np.sort(generator.choice(begins[-1], count, replace=False))
    owners = np.searchsorted(begins, picked, side="right") - 1
    return [
        (cells[owner], *map(int, places[owner][pick - begins[owner]]))
        for owner, pick in zip(owners, picked, strict=True)
    ]


def _square(cell: Cell, row: int, column: int) -> Any:
    transform = cell.core.transform
    (left, top), (right, bottom) = transform @ (column, row), transform @ (column + 1, row + 1)
    return box(min(left, right), min(top, bottom), max(left, right), max(top, bottom))
