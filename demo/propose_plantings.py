"""Draws the demo's three planting plans anew.

    python demo/propose_plantings.py demo/data/s1s2l8_flanders_2017_2018 demo/plantings

The plans were made once, before any network was trained, and are kept beside this script. What is
built up and what is field is read from the images themselves: fields turn green at least once in
the 16 months and stay dark to radar, buildings do neither.
"""

import sys
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from groundshift.observations.planting_proposal import Site, propose

BLOCK = 16  # pixels
SPLITS = {  # blocks numbered by rows from the top left; each split has fields and buildings
    "train": (0, 3, 5, 6, 8, 9, 12, 15),
    "validation": (2, 4, 11, 14),
    "test": (1, 7, 10, 13),
}
PERIOD = (date(2017, 10, 1), date(2018, 10, 1))  # of 2017-08 to 2018-11: time before and after
SEEDS = (4, 5, 6)  # 1 to 3 served to find the settings of the training; none is chosen

CLEAR = (4, 5, 6, 7)  # Sen2Cor scene classes
GREEN_NDVI = 0.65  # of the 85th percentile in time: fields exceed it, built-up ground does not
FIELD_DB, BUILT_DB = -7.5, -10.0  # mean VV: fields stay below the one, buildings above the other


def read_all(folder: Path) -> NDArray[np.float32]:
    """All images of a folder in the order of time, [t, band, y, x]."""
    images = []
    for path in sorted(folder.glob("*.tif")):
        with rasterio.open(path) as image:
            images.append(image.read().astype(np.float32))
    return np.stack(images)


def finer(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels of 20 m as pixels of 10 m, [..., y, x]."""
    return values.repeat(2, axis=-2).repeat(2, axis=-1)


def survey(data: Path) -> Site:
    """What is built up and what is field in the demo's area."""
    blue, _, red, nir = np.moveaxis(read_all(data / "s2_10m"), 1, 0)
    clear = np.isin(finer(read_all(data / "s2_scl_20m"))[:, 0], CLEAR) & (blue > 0)
    ndvi = np.where(clear, (nir - red) / np.maximum(nir + red, 1), np.nan)
    low, high = np.nanpercentile(ndvi, (10, 85), axis=0)
    radar = np.concatenate([read_all(folder) for folder in sorted(data.glob("s1_*"))])
    vv = finer(np.nanmean(radar[:, 0], axis=0))
    with rasterio.open(next(iter(sorted((data / "s2_10m").glob("*.tif"))))) as image:
        grid = GeoBox(image.shape, image.transform, image.crs)
    rows, columns = np.indices(grid.shape) // BLOCK
    return Site(
        grid=grid,
        built=(high < GREEN_NDVI) & (vv > BUILT_DB),
        field=(high > GREEN_NDVI) & (vv < FIELD_DB),
        character=(high - low).astype(np.float32),
        blocks=rows * (grid.shape[1] // BLOCK) + columns,
        groups=SPLITS,
        period=PERIOD,
    )


def main(data: Path, output: Path) -> None:
    """Write one plan per seed."""
    site = survey(data)
    for seed in SEEDS:
        path = output / f"flanders_{seed}.geojson"
        propose(site, seed=seed).write(path)
        print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
