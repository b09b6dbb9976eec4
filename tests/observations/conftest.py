from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from tests.hub.fixtures import certificates, hub
from tests.stac.fixtures import api

__all__ = ["api", "certificates", "hub"]

DEMO = Path(__file__).parents[2] / "demo" / "data" / "s1s2l8_flanders_2017_2018"
REAL = Path(__file__).parents[1] / "data"

WriteImage = Callable[..., Path]


@pytest.fixture
def write_image() -> WriteImage:
    """Write a GeoTIFF from numbers [band, y, x] with its upper left corner at `corner`."""

    def write(
        path, numbers, *, corner=(600000, 5600000), size=10, crs="EPSG:32631", names=(), **profile
    ):
        numbers = np.asarray(numbers)
        bands, height, width = numbers.shape
        tags = profile.pop("tags", {})
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=bands,
            height=height,
            width=width,
            dtype=numbers.dtype,
            crs=crs,
            transform=Affine(size, 0, corner[0], 0, -size, corner[1]),
            **profile,
        ) as image:
            image.write(numbers)
            image.update_tags(**tags)
            for number, name in enumerate(names, 1):
                image.set_band_description(number, name)
        return path

    return write
