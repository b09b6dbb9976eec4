"""The fake service answers a client that is not ours as the real one does."""

from datetime import timedelta

import numpy as np
from eolearn.core import FeatureType
from eolearn.io import SentinelHubInputTask
from sentinelhub import CRS, BBox, DataCollection, SHConfig

from tests.hub import scenes
from tests.hub.service import CLIENT, SECRET


def config_of(hub):
    return SHConfig(
        use_defaults=True,
        sh_client_id=CLIENT,
        sh_client_secret=SECRET,
        sh_base_url=hub.url,
        sh_token_url=f"{hub.url}/token",
    )


def test_eo_learns_task_gets_the_archives_pixels(hub):
    task = SentinelHubInputTask(
        data_collection=DataCollection.SENTINEL2_L1C.define_from(
            f"L1C for eo-learn at {hub.url}", service_url=hub.url, has_cloud_coverage=False
        ),
        size=(64, 64),
        bands_feature=(FeatureType.DATA, "L1C_data"),
        additional_data=[(FeatureType.MASK, "dataMask"), (FeatureType.MASK, "CLM")],
        time_difference=timedelta(minutes=10),
        config=config_of(hub),
        max_threads=2,
    )
    box = BBox(scenes.AREA, CRS(32631))
    patch = task.execute(bbox=box, time_interval=("2020-03-01", "2020-03-31"))
    assert len(patch.timestamps) == 4
    tiles = scenes.optical((0,))
    for band, name in enumerate(scenes.BANDS_S2):
        seen = scenes.whole(tiles, "dataMask") * scenes.whole(tiles, name)
        np.testing.assert_array_equal(
            np.rint(patch.data["L1C_data"][0, ..., band] * 10_000), seen[scenes.INSIDE]
        )
    measured = scenes.whole(tiles, "dataMask")[scenes.INSIDE]
    np.testing.assert_array_equal(patch.mask["dataMask"][0, ..., 0], measured)
