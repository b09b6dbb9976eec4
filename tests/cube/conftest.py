"""Observations in memory, and the plainest carry-forward there is to compare with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from odc.geo.geobox import GeoBox

from groundshift.artifacts import Manifest, writing
from groundshift.cube.build import build
from groundshift.cube.source import Amended
from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.domain.time import DAY
from groundshift.settings import parse

START = 1_483_228_800  # 2017-01-01
SENSORS = {
    "s1_asc": Sensor("s1_asc", "radar", "sentinel1", ("VV", "VH"), units="linear power"),
    "s2": Sensor(
        "s2",
        "optical",
        "sentinel2",
        ("B02", "B03", "B11"),
        level="L2A",
        units="reflectance",
        dtype="uint16",
        scale=1e-4,
    ),
}


def grid(rows, columns):
    return GeoBox.from_bbox(
        (600_000, 5_600_000 - 10 * rows, 600_000 + 10 * columns, 5_600_000),
        crs="EPSG:32631",
        resolution=10,
        tight=True,
    )


@dataclass
class Nothing:
    """Observations without any: what `Amended` is laid over."""

    cells: tuple
    sensors: dict
    blank: dict
    """Acquisitions without a valid pixel: times by (cell, sensor)."""

    def __post_init__(self):
        self.manifest = Manifest("observations", 1, {}, {}, (), "0", {}, ("made up",))
        self.table = pd.DataFrame({"cell": [], "sensor": [], "time": [], "digest": []}).astype(
            {"time": np.int64}
        )

    def acquisitions(self, cell_id, sensor):
        return np.array(self.blank.get((cell_id, sensor), []), np.int64)

    def read(self, *place):
        raise KeyError(place)


def source(scenes, *, shape=(20, 30), sensors=SENSORS, blank=None, cells=None):
    """Observations of `(cell, sensor, time) -> (values, valid)`."""
    cells = cells or (Cell("c", grid(*shape), 0),)
    return Amended(Nothing(tuple(cells), sensors, blank or {}), put=scenes)


def scene(rng, sensor, shape, share=0.6):
    """Stored values and validity of one look, in clumps as clouds are."""
    bands = len(SENSORS[sensor].bands)
    if SENSORS[sensor].dtype == "uint16":
        values = rng.integers(1, 9000, (*shape, bands)).astype(np.uint16)
    else:
        values = rng.gamma(4, 0.05, (*shape, bands)).astype(np.float32)
    coarse = rng.random((-(-shape[0] // 5), -(-shape[1] // 5))) < share
    valid = np.kron(coarse, np.ones((5, 5), bool))[: shape[0], : shape[1]]
    valid[tuple(rng.integers(0, shape))] = True
    return np.where(valid[..., None], values, 0).astype(values.dtype), valid


def scenes(rng, times, shape, cell="c"):
    """Looks of both sensors at the given times."""
    return {
        (cell, sensor, int(time)): scene(rng, sensor, shape)
        for sensor, moments in times.items()
        for time in moments
    }


def random_times(rng, days=60, every=3.0):
    """About one look in three days of each sensor, some before the start and some after the end."""
    return {
        name: np.unique(
            START + rng.integers(-10 * DAY, (days + 10) * DAY, int((days + 20) / every))
        )
        for name in SENSORS
    }


def settings(days=60, step="2d", **stack):
    end = np.datetime64(START + days * DAY, "s")
    return parse(
        "stack",
        {
            "name": "test",
            "area": {"bounds": [3.0, 50.0, 3.1, 50.1]},
            "period": {"start": "2017-01-01", "end": str(end)},
            "stack": {"step": step, "workers": 2, **stack},
        },
    )


def build_cube(folder: Path, observations, chosen) -> Cube:
    """A cube built at once."""
    inputs = {"observations": observations.manifest.content_hash}
    identity = {"area": "test", "settings": chosen.affecting(), "inputs": inputs}
    with writing(folder, "cube", **identity) as draft:
        build(observations, draft, chosen)
    return Cube.open(folder)


def carried(observations, chosen, cell="c"):
    """The published algorithm as plainly as it can be said, with the age of every pixel.

    Returns:
        Times, and by sensor (values, fresh, age in days) with one image per step.
    """
    start, end = chosen.period.start_seconds, chosen.period.end_seconds
    step = int(chosen.stack.step.total_seconds())
    oldest = chosen.stack.max_age_days
    names = list(observations.sensors)
    stamps = sorted({int(t) for n in names for t in observations.acquisitions(cell, n)})
    bins = {}
    for stamp in stamps:
        if start <= stamp < end:
            bins[(stamp - start) // step] = stamp
    emitted = sorted(bins.values())
    shape = next(c.grid.shape for c in observations.cells if c.id == cell)
    looks = {
        (row.sensor, row.time): observations.read(cell, row.sensor, row.time)
        for row in observations.table.itertuples()
        if row.cell == cell
    }
    images = {}
    for name, sensor in observations.sensors.items():
        frame = np.zeros((*shape, len(sensor.bands)), np.float32)
        seen = np.full(shape, np.iinfo(np.int64).min)
        images[name] = ([], [], [])
        for stamp in stamps:
            if (name, stamp) in looks:
                values, valid = looks[name, stamp]
                physical = sensor.decode(values)
                frame = np.where(valid[..., None], physical, frame)
                seen = np.where(valid, stamp, seen)
            if stamp in emitted:
                opens = max(start + (stamp - start) // step * step, start)
                age = np.where(seen > 0, stamp // DAY - seen // DAY, -1)
                shown, fresh = frame, seen >= opens
                if oldest is not None:
                    known = age <= oldest
                    age, fresh = np.where(known, age, -1), fresh & known
                    shown = np.where(known[..., None], frame, 0)
                for kept, image in zip(images[name], (shown, fresh, age), strict=True):
                    kept.append(image)
    stacked = {name: tuple(np.array(image) for image in kept) for name, kept in images.items()}
    return np.array(emitted), stacked


def assert_reads_as(cell_cube, expected):
    """The cube's steps are exactly the expected ones, pixel by pixel."""
    times, images = expected
    np.testing.assert_array_equal(cell_cube.times, times)
    everything = (0, len(times), slice(0, None), slice(0, None))
    for name, (values, fresh, age) in images.items():
        found = cell_cube.read(name, *everything)
        np.testing.assert_array_equal(found.values, values)
        np.testing.assert_array_equal(found.fresh, fresh)
        np.testing.assert_array_equal(found.age_days, age)


@pytest.fixture(autouse=True)
def _work(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))


@pytest.fixture
def rng():
    return np.random.default_rng(7)
