"""Changes planted into real pixels, so that a place without a known change can be scored.

A planting plan is a GeoJSON file of polygons with dates. From its start on, the pixels of a
polygon (the target) become pixels of another place of the same image (the donor), in every
sensor alike: real built-up pixels copied onto a field look, in all bands and on all dates, like a
field that was built over. Two fields that exchange their pixels are a change that is not urban.

A plan is data: made once (`planting_proposal.propose`, or drawn in a GIS), kept with the project
and fixed before any training.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal, get_args

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.features import geometry_mask
from shapely.errors import GEOSException
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from groundshift.errors import SettingsError

Kind = Literal["urban", "swap"]

_GEOJSON_CRS = "EPSG:4326"  # RFC 7946: what a file without a crs member is in
_DECIMALS = 9  # of a written coordinate: below a millimetre even in degrees


@dataclass(frozen=True)
class PlantedChange:
    """One dated change of one polygon.

    Attributes:
        id: Unique name within the plan.
        kind: `urban` (built-up pixels onto open ground) or `swap` (one half of two fields that
            exchange their pixels: a change, but not an urban one).
        geometry: Target polygon in the plan's CRS.
        donor_dx: Eastward distance from a target pixel to its donor, metres of the image's CRS.
        donor_dy: Northward distance, likewise.
        start: First day that is changed, or the day a gradual change begins.
        end: Day from which the change is complete; equal to `start` for an abrupt one.
        strength: Share of the donor in the pixel once the change is complete, 0 < strength <= 1.
        plot: Number of the block that the target lies in.
    """

    id: str
    kind: Kind
    geometry: BaseGeometry
    donor_dx: float
    donor_dy: float
    start: date
    end: date
    strength: float
    plot: int

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if self.kind not in get_args(Kind):
            kinds = " or ".join(get_args(Kind))
            raise _error(self.id, "unknown kind", kinds, repr(self.kind), "correct the property")
        if self.end < self.start:
            raise _error(
                self.id,
                "the change ends before it starts",
                f"an end on or after {self.start}",
                str(self.end),
                "swap the dates, or set both to the same day for an abrupt change",
            )
        if not 0 < self.strength <= 1:
            wanted = "a number above 0 and up to 1"
            raise _error(self.id, "bad strength", wanted, str(self.strength), "correct it")
        if self.geometry.is_empty or self.geometry.area == 0:
            found = self.geometry.geom_type
            raise _error(self.id, "no area", "a polygon", found, "draw it again")

    def donor_share(self, instant: int) -> float:
        """Share of the donor in a target pixel at an instant (seconds since 1970), 0 to `strength`.

        A linear ramp from midnight of `start` to midnight of `end`; a step where both are equal.
        """
        start, end = (
            datetime.combine(day, time(), UTC).timestamp() for day in (self.start, self.end)
        )
        if start == end:
            return self.strength if instant >= start else 0.0
        return self.strength * min(max((instant - start) / (end - start), 0.0), 1.0)


@dataclass(frozen=True)
class PlacedChange:
    """A planted change on one pixel grid.

    Attributes:
        change: What is planted.
        target: Row and column numbers of the target's pixels, two arrays [pixel].
        donor: Row and column numbers of each one's donor, two arrays [pixel].
    """

    change: PlantedChange
    target: tuple[NDArray[np.intp], NDArray[np.intp]]
    donor: tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Plan:
    """All changes that are planted into an area.

    Attributes:
        changes: In the order of the file.
        crs: Of the geometries, as a text that pyproj understands.
    """

    changes: tuple[PlantedChange, ...]
    crs: str

    def __post_init__(self) -> None:
        """Refuse changes that can't be told apart."""
        seen: dict[str, PlantedChange] = {}
        for change in self.changes:
            if change.id in seen:
                raise _error(change.id, "id used twice", "unique ids", change.id, "rename one")
            for other in seen.values():
                # Neighbours may share an edge; a pixel can hold one change only.
                shared = change.geometry.intersection(other.geometry).area
                if shared > 1e-6 * min(change.geometry.area, other.geometry.area):
                    raise _error(
                        change.id,
                        "targets overlap",
                        "targets without a common pixel",
                        f"an overlap with change {other.id!r}",
                        "move or shrink one of the two",
                    )
            seen[change.id] = change

    def truth(self) -> gpd.GeoDataFrame:
        """What really changed where and when: geometry, id, kind, start, end, strength, plot."""
        names = ("id", "kind", "start", "end", "strength", "plot")
        columns = {name: [getattr(change, name) for change in self.changes] for name in names}
        geometry = [change.geometry for change in self.changes]
        return gpd.GeoDataFrame(columns, geometry=geometry, crs=self.crs)

    def write(self, path: Path) -> None:
        """Write the plan as GeoJSON, one feature a line so that a version shows what changed."""
        head = {"type": "name", "properties": {"name": self.crs}}
        lines = ",\n".join(json.dumps(_feature(change)) for change in self.changes)
        opening = f'{{"type": "FeatureCollection", "crs": {json.dumps(head)}, "features": ['
        path.write_text(f"{opening}\n{lines}\n]}}\n", encoding="utf-8")

    def on(self, grid: GeoBox) -> tuple[PlacedChange, ...]:
        """Find the target's and the donor's pixels on a grid.

        A pixel belongs to a target if its centre does. Its donor is the pixel that holds the
        centre moved by the offset, so that a plan made for one grid serves every sensor's own.
        Targets outside the grid are left out.

        Args:
            grid: Pixel grid in a projected CRS, north up, not necessarily that of the plan.
        """
        if grid.crs is None or not grid.crs.projected:
            raise SettingsError(
                f"The planting plan can't be placed on a grid in {grid.crs}: donor offsets are "
                "metres, so a projected CRS was expected. Use a UTM grid."
            )
        targets = self.truth().to_crs(grid.crs.to_wkt()).geometry
        placed = (_place(*pair, grid) for pair in zip(self.changes, targets, strict=True))
        return tuple(change for change in placed if change.target[0].size)


def read_plan(path: Path) -> Plan:
    """Read a planting plan from GeoJSON; the crs member is honoured, WGS84 where it is missing."""
    try:
        collection = json.loads(path.read_text(encoding="utf-8"))
        features = collection["features"]
        named = collection.get("crs") or {"properties": {"name": _GEOJSON_CRS}}
        crs = _crs_text(named["properties"]["name"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, CRSError) as error:
        raise SettingsError(
            f"{path} is no planting plan: expected a GeoJSON FeatureCollection with a known CRS, "
            f"found {error!r}. See docs of `fetch.plant` for an example, or export it again."
        ) from error
    try:
        changes = tuple(_change(feature, number) for number, feature in enumerate(features))
        return Plan(changes, crs)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def plant(
    values: NDArray[np.float32],
    valid: NDArray[np.bool_],
    instant: int,
    placed: tuple[PlacedChange, ...],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Plant all changes that have begun into one image; the given arrays stay as they are.

    Each target pixel becomes (1 - share) * own + share * donor; it is valid where both are.

    Args:
        values: [y, x, band] in linear units (radar power, reflectance: decibels don't blend).
        valid: [y, x].
        instant: Time of acquisition, seconds since 1970-01-01 UTC.
        placed: The plan on this image's grid, from `Plan.on`.

    Returns:
        Values [y, x, band] and validity [y, x].
    """
    planted, planted_valid = values.copy(), valid.copy()
    for item in placed:
        share = np.float32(item.change.donor_share(instant))
        if share == 0:
            continue
        # Donors come from the image as it was: two swapped fields must not copy one another twice.
        both = valid[item.target] & valid[item.donor]
        planted_valid[item.target] = both
        rows, columns = item.target[0][both], item.target[1][both]
        donor = values[item.donor[0][both], item.donor[1][both]]
        planted[rows, columns] = (1 - share) * values[rows, columns] + share * donor
    return planted, planted_valid


def _place(change: PlantedChange, target: BaseGeometry, grid: GeoBox) -> PlacedChange:
    """Pixels of one target (in the grid's CRS) and of its donor."""
    outside = geometry_mask([target], out_shape=grid.shape, transform=grid.transform)
    rows, columns = np.nonzero(~outside)
    step_right, step_down = _pixel_steps(change, grid)
    donor_rows, donor_columns = rows + step_down, columns + step_right
    height, width = grid.shape
    for name, index, size in (("row", donor_rows, height), ("column", donor_columns, width)):
        if index.size and not (index.min() >= 0 and index.max() < size):
            raise _error(
                change.id,
                "the donor falls outside the image",
                f"{name}s 0 to {size - 1}",
                f"{name}s {index.min()} to {index.max()}",
                f"shorten its offset ({change.donor_dx:g} m east, {change.donor_dy:g} m north)",
            )
    return PlacedChange(change, (rows, columns), (donor_rows, donor_columns))


def _pixel_steps(change: PlantedChange, grid: GeoBox) -> tuple[int, int]:
    """The donor's offset in whole pixels to the right and down, the nearest to the metres."""
    transform = grid.transform
    # Half a pixel rounds away from zero, so that the two halves of a swap mirror one another.
    right, down = (
        int(math.copysign(math.floor(abs(steps) + 0.5), steps))
        for steps in (change.donor_dx / transform.a, change.donor_dy / transform.e)
    )
    return right, down


def _feature(change: PlantedChange) -> dict[str, Any]:
    """The GeoJSON feature of a change."""
    properties: dict[str, Any] = {
        "id": change.id,
        "kind": change.kind,
        "donor_dx": change.donor_dx,
        "donor_dy": change.donor_dy,
        "start": change.start.isoformat(),
        "end": change.end.isoformat(),
        "strength": round(change.strength, 6),
        "plot": change.plot,
    }
    geometry = mapping(change.geometry)
    coordinates = _rounded(geometry["coordinates"])
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": geometry["type"], "coordinates": coordinates},
    }


def _rounded(coordinates: Any) -> Any:
    """Nested coordinates with a fixed number of decimals."""
    if isinstance(coordinates, int | float):
        return round(float(coordinates), _DECIMALS)
    return [_rounded(item) for item in coordinates]


def _change(feature: Mapping[str, Any], number: int) -> PlantedChange:
    """The change of a GeoJSON feature."""
    properties = feature.get("properties") or {}
    name = str(properties.get("id", f"number {number} (no id)"))
    try:
        return PlantedChange(
            id=str(properties["id"]),
            kind=properties["kind"],
            geometry=shape(feature["geometry"]),
            donor_dx=float(properties["donor_dx"]),
            donor_dy=float(properties["donor_dy"]),
            start=date.fromisoformat(str(properties["start"])[:10]),
            end=date.fromisoformat(str(properties["end"])[:10]),
            strength=float(properties["strength"]),
            plot=int(properties["plot"]),
        )
    except KeyError as error:
        needed = ", ".join(_property_names())
        raise _error(name, f"no {error}", needed, ", ".join(properties), "add it") from error
    except (TypeError, ValueError, AttributeError, GEOSException) as error:
        wanted = "a polygon, ISO dates and numbers"
        raise _error(name, "unreadable", wanted, str(error), "correct the property") from error


def _property_names() -> Iterator[str]:
    """Names of the properties that a feature needs."""
    return (name for name in PlantedChange.__dataclass_fields__ if name != "geometry")


def _crs_text(name: str) -> str:
    """A short, stable text for a CRS, `EPSG:<code>` where it has one."""
    crs = CRS.from_user_input(name)
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_wkt()


def _error(name: str, what: str, expected: str, found: str, remedy: str) -> SettingsError:
    """A message about one change of a plan."""
    return SettingsError(
        f"Planted change {name!r}: {what}. Expected {expected}; found {found}. To go on: {remedy}."
    )
