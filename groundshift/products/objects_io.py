"""The objects of a cell on disk, so that those of neighbouring cells can be joined.

objects.parquet   a row per object: outline, size, support
objects.npz       their scores window by window and sums look by look, and their pixels along the
                  edge of the cell
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np

from groundshift.events.objects import Edge, EventRule, Objects, Part
from groundshift.events.series import LookSums
from groundshift.events.windows import Course

TABLE, ARRAYS = "objects.parquet", "objects.npz"

_LAYER = "course_layer_"
_SCALARS = ("pixels", "area_m2", "peak", "support")


def write_objects(folder: Path, objects: Objects, crs: str) -> None:
    """Write a cell's objects, all of which have the same windows and looks."""
    parts = objects.parts
    rows = [
        {"x": part.corner[0], "y": part.corner[1], "cell": "".join(part.cells)}
        | {name: getattr(part, name) for name in _SCALARS}
        for part in parts
    ]
    columns = ["x", "y", "cell", *_SCALARS]
    outlines = [part.geometry for part in parts]
    table = gpd.GeoDataFrame(rows, columns=columns, geometry=outlines, crs=crs)
    table.to_parquet(folder / TABLE, index=False, compression="zstd")
    edge = objects.edge
    arrays: dict[str, Any] = {
        "places": edge.places,
        "dates": edge.dates,
        "numbers": edge.numbers,
        "apart": objects.apart,
        **{f"rule_{name}": value for name, value in asdict(objects.rule).items()},
    }
    if parts:
        course = parts[0].course
        arrays |= {"starts": course.starts, "ends": course.ends}
        arrays["course_total"] = np.stack([part.course.total for part in parts])
        arrays["course_count"] = np.stack([part.course.count for part in parts])
        for name in course.layers:
            arrays[f"{_LAYER}{name}"] = np.stack([part.course.layers[name] for part in parts])
        for number, first in enumerate(parts[0].sums):
            own = [part.sums[number] for part in parts]
            arrays |= {
                f"sensor_{number}": first.sensor,
                f"quantities_{number}": np.array(first.quantities),
                f"seasonal_{number}": first.seasonal,
                f"times_{number}": first.times,
                f"totals_{number}": np.stack([sums.totals for sums in own]),
                f"seen_{number}": np.stack([sums.seen for sums in own]),
            }
    np.savez_compressed(folder / ARRAYS, **arrays)


def read_objects(folder: Path) -> Objects:
    """Read what `write_objects` wrote."""
    table = gpd.read_parquet(folder / TABLE)
    with np.load(folder / ARRAYS, allow_pickle=False) as archive:
        arrays = dict(archive)
    rule = EventRule(
        **{name: arrays[f"rule_{name}"].item() for name in EventRule.__dataclass_fields__}
    )
    sensors = sum(name.startswith("sensor_") for name in arrays)
    parts = [
        Part(
            geometry=row.geometry,
            corner=(row.x, row.y),
            pixels=row.pixels,
            area_m2=row.area_m2,
            peak=row.peak,
            support=row.support,
            course=Course(
                arrays["starts"],
                arrays["ends"],
                arrays["course_total"][number],
                arrays["course_count"][number],
                {
                    name.removeprefix(_LAYER): sums[number]
                    for name, sums in arrays.items()
                    if name.startswith(_LAYER)
                },
            ),
            sums=tuple(_sums(arrays, sensor, number) for sensor in range(sensors)),
            cells=(row.cell,) if row.cell else (),
        )
        for number, row in enumerate(table.itertuples())
    ]
    edge = Edge(arrays["places"], arrays["dates"], arrays["numbers"])
    return Objects(tuple(parts), edge, arrays["apart"].item(), rule)


def _sums(arrays: dict[str, Any], sensor: int, part: int) -> LookSums:
    return LookSums(
        sensor=arrays[f"sensor_{sensor}"].item(),
        quantities=tuple(arrays[f"quantities_{sensor}"].tolist()),
        seasonal=arrays[f"seasonal_{sensor}"].item(),
        times=arrays[f"times_{sensor}"],
        totals=arrays[f"totals_{sensor}"][part],
        seen=arrays[f"seen_{sensor}"][part],
    )
