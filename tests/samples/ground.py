"""Simulated ground: cells whose looks lie in memory, and real artifacts made of such looks."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox
from shapely import box as rectangle

from groundshift.artifacts import writing
from groundshift.cube.build import build as build_cube
from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor, Signature, Stream
from groundshift.domain.time import DAY
from groundshift.observations.areas import cells_of
from groundshift.observations.store import Observations, Record, write_observation, write_tables
from groundshift.settings import AreaSettings, parse

START = 1_483_228_800  # 2017-01-01
MISSIONS = {
    "s12": ("sentinel1", ("VV", "VH"), "sentinel2", ("B02", "B03", "B11", "B12")),
    "ers12ls5": ("ers", ("VV",), "landsat_tm", ("B1", "B2", "B5", "B7")),
}
OPTICAL = {  # top of atmosphere reflectance in blue, green, swir1, swir2
    "vegetation": (0.095, 0.085, 0.190, 0.090),
    "urban": (0.150, 0.145, 0.200, 0.175),
}
RADAR = {"vegetation": (0.09, 0.022), "urban": (0.42, 0.065)}  # linear power in VV, VH


def box(rows, columns, left=600_000, top=5_600_000):
    return GeoBox.from_bbox(
        (left, top - 10 * rows, left + 10 * columns, top),
        crs="EPSG:32631",
        resolution=10,
        tight=True,
    )


def own_cell(rows, columns, halo=0, **place):
    return Cell(f"32631_600000_5600000_{columns}x{rows}", box(rows, columns, **place), halo)


def sensors(era="s12", radar=2):
    radar_mission, polarisations, optical_mission, bands = MISSIONS[era]
    found = {
        f"r{i}": Sensor(f"r{i}", "radar", radar_mission, polarisations, units="linear power")
        for i in range(radar)
    }
    found["o"] = Sensor("o", "optical", optical_mission, bands, units="reflectance")
    return found


@dataclass
class MemoryCube:
    """A cell's cube that holds its frames in memory: values, fresh and steps by sensor."""

    cell: Cell
    times: np.ndarray
    sensors: dict
    images: dict

    @property
    def roles(self):
        radar = [name for name in self.sensors if name.startswith("r")]
        roles = dict(zip(("radar_a", "radar_b"), radar, strict=False))
        return roles | ({"optical": "o"} if "o" in self.sensors else {})

    @property
    def shape(self):
        return tuple(self.cell.grid.shape)

    @property
    def signature(self):
        streams = [(role, self.sensors[name]) for role, name in self.roles.items()]
        return Signature(tuple(Stream(r, s.mission, s.bands) for r, s in streams), 10, 2 * DAY)

    def looks(self, sensor, rows, columns, bands=None):
        values, fresh, steps = self.images[sensor]
        values = values[:, rows, columns]
        picked = values if bands is None else values[..., list(bands)]
        return picked, fresh[:, rows, columns], steps


def changing(shape):
    """Which pixels of simulated ground change: 1 in 16, so that the region stays what it is."""
    return np.outer(np.arange(shape[0]) < shape[0] // 8, np.arange(shape[1]) < shape[1] // 2)


def simulate(
    rng, *, era="s12", looks=4.0, steps=60, shape=(8, 8), change=None, radar=2, in_turn=True
):
    """A cell of fields and a town, with speckle and noise.

    Args:
        rng: random generator.
        era: whose sensors.
        looks: of a radar image.
        steps: number of steps, two days apart.
        shape: (y, x).
        change: step from which on the pixels of `changing` are built up; never if None.
        radar: number of radar streams.
        in_turn: every sensor sees every second step only; otherwise all see all.
    """
    times = START + 2 * DAY * np.arange(steps, dtype=np.int64)
    found = sensors(era, radar)
    town = np.arange(shape[0]) >= shape[0] - shape[0] // 4
    images = {}
    for number, (name, sensor) in enumerate(found.items()):
        seen = np.arange(number % 2, steps, 2) if in_turn else np.arange(steps)
        built = seen >= (steps if change is None else change)
        urban = town[None, :, None] | (built[:, None, None] & changing(shape))
        table = RADAR if sensor.kind == "radar" else OPTICAL
        states = np.array([table["vegetation"], table["urban"]])[:, : len(sensor.bands)]
        mean = states[np.broadcast_to(urban, (len(seen), *shape)).astype(int)]
        if sensor.kind == "radar":
            values = mean * rng.gamma(looks, 1 / looks, mean.shape)
        else:
            values = mean * (1 + 0.05 * rng.standard_normal(mean.shape))
        images[name] = (values.astype(np.float32), np.ones(mean.shape[:3], bool), seen)
    return MemoryCube(own_cell(*shape), times, found, images)


AREA = {"bounds": [3.0, 50.0, 3.1, 50.1]}


def stage_settings(days=182, area=AREA, **window):
    """Settings of the window stage that fit the small cube of `artifacts`."""
    end = np.datetime64(START + days * DAY, "s")
    defaults = {"length": "40d", "min_steps": 5, "max_steps": 60, "kind": "single", "patch": 8,
                "split": {"block": 16, "buffer": 0}, "labels": "truth"}  # fmt: skip
    period = {"start": "2017-01-01", "end": str(end)}
    return parse(
        "window", {"name": "test", "area": area, "period": period, "window": defaults | window}
    )


class Artifacts(NamedTuple):
    """Folders of observations and of the cube made of them."""

    observations: object
    cube: object

    @property
    def opened(self):
        return Cube.open(self.cube)


def planted(change):
    """The truth of simulated ground: the built-up corner, and a swap beside it."""
    when = pd.to_datetime([change, change], unit="s")
    corner = [rectangle(600_000, 5_599_960, 600_160, 5_600_000),
              rectangle(600_200, 5_599_900, 600_280, 5_599_960)]  # fmt: skip
    columns = {"id": ["a", "b"], "kind": ["urban", "swap"], "start": when, "end": when}
    return gpd.GeoDataFrame(columns, geometry=corner, crs="EPSG:32631")


def write_observations(folder, cubes, truth):
    """The looks of cells in memory as an observations artifact, clouds over the optical ones."""
    records = []
    with writing(folder, "observations", area="test", settings={}, inputs={}) as draft:
        for cube in cubes:
            records += _write_looks(draft, cube)
        write_tables(draft.folder, records, truth)
        draft.licences.add("made up")
        draft.summary.update(
            cells=[cube.cell.to_dict() for cube in cubes],
            sensors={name: sensor.to_dict() for name, sensor in cubes[0].sensors.items()},
        )


def _write_looks(draft, cube):
    rng = np.random.default_rng(5)
    rows, columns = (-(-size // 4) for size in cube.shape)
    for name, (values, _, steps) in cube.images.items():
        for image, step in zip(values, steps, strict=True):
            valid = np.ones(cube.shape, bool)
            if name == "o":
                valid &= np.kron(rng.random((rows, columns)) < 0.8, np.ones((4, 4), bool))
            record = Record(
                cube.cell.id,
                name,
                int(cube.times[step]),
                f"{name}/{step}",
                valid_share=float(valid.mean()),
                digest=f"{name}{step}",
            )
            kept = np.where(valid[..., None], image, 0).astype(np.float32)
            write_observation(draft.folder, draft.scratch, cube.cell.grid, record, kept, valid)
            yield record


def make_artifacts(folder):
    """Half a year over 32 x 32 pixels, of which 4 x 16 are built up after 91 days."""
    memory = simulate(np.random.default_rng(2), steps=91, shape=(32, 32), change=45)
    return stacked(folder, [memory], planted(int(memory.times[45])))


def stacked(folder, cubes, truth, area=AREA):
    """Cells in memory as observations and cube artifacts."""
    made = Artifacts(folder / "observations", folder / "cube")
    write_observations(made.observations, cubes, truth)
    source = Observations.open(made.observations)
    settings = parse(
        "stack",
        {
            "name": "test",
            "area": area,
            "period": {"start": "2017-01-01", "end": "2017-07-02"},
            "stack": {"step": "2d"},
        },
    )
    with writing(
        made.cube,
        "cube",
        area="test",
        settings=settings.affecting(),
        inputs={"observations": source.manifest.content_hash},
    ) as draft:
        build_cube(source, draft, settings)
    return made


FOUR_CELLS = {
    "bounds": [600_000, 5_599_360, 600_640, 5_600_000],
    "bounds_crs": "EPSG:32631",
    "cell": 320,
    "halo": 4,
}
"""Area of four cells of the fixed grid, 32 x 32 pixels each."""


def four_cells():
    """Four cells with a third of a year, the first of which ends a little earlier."""
    cells = cells_of(AreaSettings.model_validate(FOUR_CELLS))
    return [
        replace(
            simulate(
                np.random.default_rng(number),
                steps=60 if number else 56,
                shape=cell.grid.shape,
                change=30,
            ),
            cell=cell,
        )
        for number, cell in enumerate(cells)
    ]


def planted_across():
    """The truth of an area of four cells: a change where they meet, another in the last one."""
    when = pd.to_datetime([START + 60 * DAY, START + 40 * DAY], unit="s")
    places = [rectangle(600_200, 5_599_600, 600_440, 5_599_760),
              rectangle(600_400, 5_599_400, 600_600, 5_599_500)]  # fmt: skip
    columns = {"id": ["a", "b"], "kind": "urban", "start": when, "end": when}
    return gpd.GeoDataFrame(columns, geometry=places, crs="EPSG:32631")
