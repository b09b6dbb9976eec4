"""A cell of a cube in memory, with looks that come and go."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest
from odc.geo.geobox import GeoBox

from groundshift.assessment.calibration import reliability
from groundshift.assessment.event_scores import COLUMNS
from groundshift.assessment.judging import judge
from groundshift.assessment.protocol import Block, Panel
from groundshift.assessment.results import LABEL, TREES, LevelResult, Rival
from groundshift.assessment.scores import Score
from groundshift.cube.store import Frames
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.domain.time import DAY

SENSORS = {
    "s1_asc": Sensor("s1_asc", "radar", "sentinel1", ("VV", "VH")),
    "s1_dsc": Sensor("s1_dsc", "radar", "sentinel1", ("VV", "VH")),
    "s2": Sensor("s2", "optical", "sentinel2", ("B02", "B03", "B04", "B08", "B11", "B12")),
}


@dataclass
class MemoryCell:
    """What baselines and events read of a `CellCube`."""

    cell: Cell
    times: np.ndarray
    images: dict[str, Frames]
    sensors: dict[str, Sensor] = field(default_factory=lambda: dict(SENSORS))
    roles: dict[str, str] = field(
        default_factory=lambda: {"radar_a": "s1_asc", "radar_b": "s1_dsc", "optical": "s2"}
    )

    @property
    def shape(self):
        return self.cell.grid.shape

    def frames(self, sensor, first, stop, rows, columns, bands=None):
        images = self.read(sensor, first, stop, rows, columns)
        values = images.values if bands is None else images.values[..., list(bands)]
        return Frames(values, images.fresh, images.age_days), np.arange(stop - first)

    def looks(self, sensor, rows, columns, bands=None):
        every = self.frames(sensor, 0, len(self.times), rows, columns, bands)[0]
        return every.values, every.fresh, np.arange(len(self.times))

    def read(self, sensor, first, stop, rows, columns, bands=None):
        images = self.images[sensor]
        return Frames(
            images.values[first:stop, rows, columns],
            images.fresh[first:stop, rows, columns],
            images.age_days[first:stop, rows, columns],
        )


def carried(values, fresh, times):
    """Frames of values carried forward from the looks."""
    shown, ages = np.zeros_like(values), np.full(fresh.shape, -1, np.int16)
    for t in range(len(values)):
        if t:
            shown[t] = shown[t - 1]
            passed = (times[t] - times[t - 1]) // DAY
            ages[t] = np.where(ages[t - 1] < 0, -1, ages[t - 1] + passed)
        shown[t][fresh[t]] = values[t][fresh[t]]
        ages[t][fresh[t]] = 0
    return Frames(shown, fresh, ages)


def cell_of(rows, columns):
    bounds = (600_000, 5_600_000 - 10 * rows, 600_000 + 10 * columns, 5_600_000)
    grid = GeoBox.from_bbox(bounds, crs="EPSG:32631", resolution=10, tight=True)
    return Cell("c", grid, 0)


def single_windows(times, length, cell="c"):
    """A table of single windows of so many steps, one from every step that leaves room for it."""
    first = np.arange(len(times) - length + 1)
    return pd.DataFrame(
        {
            "id": first,
            "cell": cell,
            "kind": "single",
            "previous_first": -1,
            "previous_stop": -1,
            "first": first,
            "stop": first + length,
            "next_first": -1,
            "next_stop": -1,
            "start": times[first].astype("datetime64[s]"),
            "end": (times[first] + 4 * DAY * length).astype("datetime64[s]"),
            "complete": True,
        }
    )


@pytest.fixture(scope="session")
def memory_panel(memory_cell):
    """The memory cell as one block with windows of 12 steps; columns 4 to 6 change in most."""
    windows = single_windows(memory_cell.times, 12)
    shape = memory_cell.shape
    inside = np.ones(shape, bool)
    labels = np.zeros((len(windows), *shape), np.float32)
    labels[1:, :, 4:] = 1
    labels[:, 0, 0] = np.nan
    block = Block(memory_cell.cell, 3, slice(0, shape[0]), slice(0, shape[1]), inside)
    return Panel(block, windows, labels, np.zeros_like(labels))


@pytest.fixture(scope="session")
def memory_cell():
    """24 steps 4 days apart over 6 x 7 pixels; columns 4 to 6 get built over at step 12."""
    generator = np.random.default_rng(5)
    steps, shape = 24, (6, 7)
    times = (17_500 + 4 * np.arange(steps, dtype=np.int64)) * DAY
    images = {}
    for name, sensor in SENSORS.items():
        bands = len(sensor.bands)
        values = generator.gamma(4, 0.05 / 4, (steps, *shape, bands)).astype(np.float32)
        if sensor.kind == "radar":
            values[12:, :, 4:] *= 4
        else:
            values += np.linspace(0.05, 0.3, bands, dtype=np.float32)
        fresh = generator.random((steps, *shape)) < 0.7
        fresh[:, 0, 0] = False
        images[name] = carried(values, fresh, times)
    return MemoryCell(cell_of(*shape), times, images)


def judged(panels, name, skill, seed=0):
    generator = np.random.default_rng(seed)
    scores = [
        (generator.random(p.labels.shape) + skill * np.nan_to_num(p.labels)).astype(np.float32)
        for p in panels
    ]
    return judge(name, panels, scores, Score(0.9), draws=20, seed=0)


@pytest.fixture
def result(memory_panel):
    """A network between a weak baseline and strong trees."""
    panels = [memory_panel, replace(memory_panel, block=replace(memory_panel.block, number=4))]
    network = judged(panels, "network", 0.6)
    rivals = {
        name: Rival(judged(panels, name, skill, seed=1), network)
        for name, skill in (("weak", 0.1), (TREES, 0.9), (LABEL, 1.0))
    }
    labels = np.random.default_rng(0).random(500) < 0.3
    event = dict.fromkeys(COLUMNS) | {
        "id": "a",
        "kind": "urban",
        "counts": True,
        "strength": 1.0,
        "speed": "abrupt",
        "date": pd.Timestamp("2018-01-01"),
        "found_date": pd.Timestamp("2018-01-05"),
        "error_days": 4.0,
    }
    return LevelResult(
        "controlled_truth",
        panels,
        network,
        rivals,
        {"absent": "no such sensor"},
        {"brier": Score(0.1), "event_recall": Score(None, "no event")},
        reliability(labels, labels.astype(np.float32) * 0.5),
        pd.DataFrame([event]),
        pd.DataFrame([{"strength": 1.0, "events": 1, "date_error_median": float("nan")}]),
    )
