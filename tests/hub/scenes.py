"""Made-up products around one place: two Sentinel-2 tiles side by side, Sentinel-1 both ways."""

from datetime import UTC, datetime

import numpy as np
from odc.geo.geobox import GeoBox

from tests.hub.archive import BANDS_S2, Scene

LEFT, TOP, PIXEL, CRS = 600_000, 5_600_000, 10, "EPSG:32631"
EDGE = 100
"""Pixels of a scene's side."""
BORDER = 40
"""Column at which the western Sentinel-2 tile ends."""
START = int(datetime(2020, 3, 1, 10, 30, 21, tzinfo=UTC).timestamp())
DAY = 86400
AREA = (LEFT + 100, TOP - 740, LEFT + 740, TOP - 100)
"""Left, bottom, right, top of 64 x 64 pixels on both tiles, from row 10 and column 10 on."""
INSIDE = np.s_[10:74, 10:74]


def grid(columns=(0, EDGE), rows=(0, EDGE)) -> GeoBox:
    """Pixels of the place, by columns and rows."""
    box = (
        LEFT + columns[0] * PIXEL,
        TOP - rows[1] * PIXEL,
        LEFT + columns[1] * PIXEL,
        TOP - rows[0] * PIXEL,
    )
    return GeoBox.from_bbox(box, crs=CRS, resolution=PIXEL, tight=True)


def optical(days=(0, 5, 10, 15), level="L1C", edge=EDGE) -> list[Scene]:
    """Two tiles per day, of one overpass, some seconds apart; clouds in every second one."""
    scenes = []
    for day in days:
        generator = np.random.default_rng(day)
        bands = [name for name in BANDS_S2 if level == "L1C" or name != "B10"]
        images = {name: generator.integers(1, 12_000, (edge, edge), np.uint16) for name in bands}
        cloud = generator.integers(0, 2, (edge, edge)).astype(np.uint8) * np.uint8(day % 2)
        images |= {"CLM": cloud, "SCL": np.where(cloud, 9, 4).astype(np.uint8)}
        images["dataMask"] = (generator.random((edge, edge)) > 0.1).astype(np.uint8)
        images["CLP"] = generator.integers(0, 103, (edge, edge), np.uint8) + 153 * cloud
        for tile, columns, seconds in (
            ("T31UFR", (0, BORDER), 0.46),
            ("T31UGR", (BORDER, edge), 14.2),
        ):
            time = START + day * DAY + seconds
            stamp = f"{datetime.fromtimestamp(time, UTC):%Y%m%dT%H%M%S}"
            part = {name: image[:, slice(*columns)] for name, image in images.items()}
            scenes.append(
                Scene(
                    name=f"S2A_MSI{level}_{stamp}_N0500_R051_{tile}_{stamp}.SAFE",
                    collection=f"sentinel-2-{level.lower()}",
                    time=time,
                    grid=grid(columns, (0, edge)),
                    bands=part,
                    cloud=float(cloud.mean()),
                )
            )
    return scenes


def radar(orbit, days, edge=EDGE) -> list[Scene]:
    """One scene per day, of linear power, without border."""
    scenes = []
    hours = {"ascending": 7, "descending": 19}[orbit]
    for day in days:
        generator = np.random.default_rng([day, hours])
        time = START + day * DAY + hours * 3600
        stamp = f"{datetime.fromtimestamp(time, UTC):%Y%m%dT%H%M%S}"
        number = 31_000 + 10 * day
        images = {
            name: generator.gamma(4, 0.02, (edge, edge)).astype(np.float32) for name in ("VV", "VH")
        }
        name = f"S1A_IW_GRDH_1SDV_{stamp}_{stamp}_{number:06d}_03A1B2_8C4B"
        place = grid((0, edge), (0, edge))
        scenes.append(Scene(name, "sentinel-1-grd", time, place, images, orbit=orbit))
    return scenes


def whole(scenes: list[Scene], band: str) -> np.ndarray:
    """A band of the tiles of one overpass, put together, [y, x]."""
    ordered = sorted(scenes, key=lambda scene: scene.grid.boundingbox.left)
    return np.concatenate([scene.bands[band] for scene in ordered], axis=1)
