"""A clean series of each kind, made by the synthetic city, and defects to plant into it."""

from dataclasses import replace

import pytest
from odc.geo.geobox import GeoBox

from groundshift.domain.cells import Cell
from groundshift.domain.time import isoformat
from groundshift.observations.checks.judge import judge
from groundshift.observations.checks.series import Series
from groundshift.observations.sources.synthetic import SyntheticSource
from groundshift.observations.store import Record
from groundshift.settings import ChecksSettings, CitySettings, PeriodSettings

PIXELS = 96


class Made:
    """Images of one sensor in memory, which tests may change."""

    def __init__(self, sensor, images):
        self.sensor = sensor
        self.images = dict(images)
        """Record -> values [y, x, band], valid [y, x]."""

    def copy(self):
        return Made(self.sensor, self.images)

    @property
    def records(self):
        return sorted(self.images, key=lambda record: record.time)

    def change(self, number, how=lambda v, m: (v, m), **fields):
        """Replace an image and fields of its record."""
        record = self.records[number]
        values, valid = how(*(array.copy() for array in self.images.pop(record)))
        changed = replace(record, valid_share=float(valid.mean()), **fields)
        self.images[changed] = values, valid
        return changed.time

    def judge(self, **limits):
        series = Series(self.sensor, 10.0, self.records, self.images.__getitem__)
        return judge(series, ChecksSettings(**limits))


def made(source, name, cell, count):
    """The first images of a sensor of the city that have a valid pixel."""
    images = {}
    for acquisition in source.acquisitions:
        if acquisition.sensor != name or len(images) == count:
            continue
        with source.open(acquisition) as scene:
            image = scene.read(cell.grid)
        share = float(image.valid.mean())
        if share:
            known = {key: getattr(acquisition, key) for key in ("time", "source", "orbit")}
            known |= {"platform": acquisition.platform, "baseline": acquisition.baseline}
            record = Record(cell.id, name, valid_share=share, **known)
            images[record] = image.values, image.valid
    return Made(source.sensors[name], images)


@pytest.fixture(scope="session")
def city():
    """Three hundred images of a changing city with winters and floods, by sensor."""
    left, top = 501_000, 5_603_000
    box = left, top - PIXELS * 10, left + PIXELS * 10, top
    cell = Cell("one", GeoBox.from_bbox(box, crs="EPSG:32631", resolution=10), 0)
    period = PeriodSettings(start="2017-01-01", end="2020-01-01")
    changes = PeriodSettings(start="2017-01-01", end="2019-01-01")
    source = SyntheticSource(CitySettings(seed=1, changes=changes), cells=(cell,), period=period)
    return {name: made(source, name, cell, 100) for name in sorted(source.sensors)}


@pytest.fixture
def optical(city):
    return city["s2"].copy()


@pytest.fixture
def radar(city):
    return city["s1_088"].copy()


@pytest.fixture
def clear(optical):
    """Numbers of images of a summer's day on which nearly every pixel is valid."""
    return [
        number
        for number, record in enumerate(optical.records)
        if record.valid_share > 0.95 and "04" <= isoformat(record.time)[5:7] <= "09"
    ]
