"""Images read by some rows at a time against images read whole."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from groundshift.observations.radiometry import Scaling
from groundshift.observations.sources.scene import Mask, RasterScene
from groundshift.settings import MaskSettings

ROWS = 7


@dataclass
class MemoryRaster:
    """A raster of the numbers it is given, which notes the rows that are read."""

    numbers: np.ndarray
    grid: GeoBox
    bands: tuple[str, ...]
    name: str = "memory"
    integer: bool = False
    most_rows: int = 0

    def read(self, bands, window):
        part = self.numbers[[self.bands.index(band) for band in bands]][:, *window]
        self.most_rows = max(self.most_rows, part.shape[1])
        return part

    def nodata(self, band):
        return (0.0,)

    def conversion(self, band):
        return Scaling(scale=0.1, offset=-1)


def grid(shape, *, size=10.0, x=500000.0, y=5600000.0, crs="EPSG:32631"):
    return GeoBox(shape, Affine(size, 0, x, 0, -size, y), crs)


@pytest.fixture
def numbers():
    generator = np.random.default_rng(3)
    values = generator.integers(0, 50, (2, 60, 55)).astype(np.float32)
    values[0, 10:20, 30] = np.nan
    return values


@pytest.fixture
def scene(numbers):
    """Two bands with holes; one of them, and the mask, end before the other does."""
    wide = MemoryRaster(numbers[:1], grid((60, 55)), ("B04",))
    short = MemoryRaster(numbers[1:, :33, :40], grid((33, 40)), ("B08",))
    clear = np.array(numbers[1:, :20, :25] > 5, np.uint8)
    raster = MemoryRaster(clear, grid((20, 25), size=20), ("m",))
    mask = Mask(raster, "m", MaskSettings(rule="nonzero"))
    return RasterScene((wide, short), mask, ("B04", "B08"), "bilinear")


TARGETS = {
    "on its pixels": grid((40, 30), x=500050, y=5599950),
    "between its pixels": grid((45, 38), size=9.5, x=500051.5, y=5599950.5),
    "of another zone": grid((30, 30), x=75140, y=5617150, crs="EPSG:32632"),
    "beyond its lower edge": grid((60, 30), y=5599700),
}


@pytest.mark.parametrize("resampling", ["bilinear", "nearest"])
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_rows_at_a_time_give_the_whole_image_to_the_last_bit(scene, target, resampling):
    whole = replace(scene, resampling=resampling, rows=None).read(target)
    parts = replace(scene, resampling=resampling, rows=ROWS).read(target)
    assert 0 < whole.valid.sum() < whole.valid.size
    np.testing.assert_array_equal(parts.values, whole.values)
    np.testing.assert_array_equal(parts.valid, whole.valid)
    np.testing.assert_array_equal(parts.measured, whole.measured)
    assert (whole.values[~whole.valid] == 0).all()


def test_no_more_rows_are_read_than_asked_for(scene):
    replace(scene, rows=ROWS).read(TARGETS["on its pixels"])
    around = 2  # pixels that interpolation may need
    assert 0 < scene.parts[0].most_rows <= ROWS + around


def test_an_image_that_lies_elsewhere_is_none(scene):
    assert replace(scene, rows=ROWS).read(grid((20, 20), y=5700000)) is None
