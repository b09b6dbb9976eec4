import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from groundshift.errors import SettingsError, SourceError
from groundshift.observations.areas import cells_of
from groundshift.observations.sources.files import FilesSource
from groundshift.settings import AreaSettings, FilesSettings
from tests.observations.conftest import REAL

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from eolearn.core import EOPatch

FORMAT = Path(__file__).parents[2] / "golden" / "format"
PATCH = REAL / "eolearn_testeopatch" / "bands_5_dates"
S2_BANDS = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11"]
S2_BANDS.append("B12")
PUBLISHED = {
    "mission": "sentinel2",
    "layout": "eopatch",
    "folder": "S2",
    "feature": "L1C_data",
    "mask_feature": "dataMask",
    "bands": S2_BANDS,
    "units": "reflectance",
}
SLOVENIA = {
    "mission": "sentinel2",
    "layout": "eopatch",
    "folder": "bands_5_dates",
    "feature": "BANDS-S2-L1C",
    "mask_feature": "CLM",
    "bands": ["B04", "B08"],
    "units": "reflectance",
    "scale": 0.0001,
    "mask": {"rule": "zero"},
}


def source(root, sensor):
    return FilesSource(FilesSettings(root=root, sensors={"s": sensor}), end=2_000_000_000)


def load(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # eo-learn warns about its older formats
        return EOPatch.load(path)


def own_grid(path):
    return cells_of(AreaSettings(like=path))[0].grid


@pytest.fixture
def slovenia(tmp_path):
    shutil.copytree(PATCH, tmp_path / PATCH.name)
    return tmp_path


def test_folders_of_the_published_pipeline_read_as_eo_learn_reads_them():
    files = source(FORMAT, PUBLISHED)
    folders = sorted((FORMAT / "S2").iterdir())
    assert len(files.acquisitions) == len(folders)
    for acquisition, folder in zip(files.acquisitions, folders, strict=True):
        patch = load(folder)
        assert acquisition.source == f"S2/{folder.name}"
        assert acquisition.time == int(patch.timestamps[0].timestamp())
        with files.open(acquisition) as scene:
            image = scene.read(own_grid(folder))
        valid = patch.mask["dataMask"][0, ..., 0].astype(bool)
        expected = np.where(valid[..., None], patch.data["L1C_data"][0], 0)
        np.testing.assert_array_equal(image.valid, valid)
        np.testing.assert_array_equal(image.values, expected)


def test_every_slice_of_another_eopatch_is_an_acquisition():
    files = source(PATCH.parent, SLOVENIA)
    patch = load(PATCH)
    times = [int(stamp.timestamp()) for stamp in patch.timestamps]
    assert [item.time for item in files.acquisitions] == times
    assert files.acquisitions[3].source == "bands_5_dates[0003]"
    assert files.sensors["s"].dtype == "uint16"
    for index, acquisition in enumerate(files.acquisitions):
        with files.open(acquisition) as scene:
            image = scene.read(own_grid(PATCH))
        clear = patch.mask["CLM"][index, ..., 0] == 0
        np.testing.assert_array_equal(image.valid, clear)
        numbers = patch.data["BANDS-S2-L1C"][index][..., [3, 7]]  # of the mission's 13 bands
        np.testing.assert_array_equal(np.rint(image.values[clear] * 10000), numbers[clear])


def test_a_folder_named_for_its_time_holds_its_first_slice_only(slovenia):
    (slovenia / PATCH.name).rename(slovenia / "20150712T010203")
    (acquisition,) = source(slovenia, SLOVENIA | {"folder": "."}).acquisitions
    assert acquisition.time == 1436662923
    assert acquisition.source == "20150712T010203"


def test_it_comes_onto_any_grid(slovenia):
    grid = own_grid(PATCH)
    finer = GeoBox.from_bbox(grid.boundingbox, resolution=5, tight=True)
    files = source(slovenia, SLOVENIA)
    with files.open(files.acquisitions[0]) as scene:
        own, fine = scene.read(grid), scene.read(finer)
    assert fine.values.shape == (*finer.shape, 2)
    assert abs(own.values[own.valid].mean() - fine.values[fine.valid].mean()) < 1e-3


def test_bands_are_named_by_parts_where_the_mission_does_not_say(slovenia):
    names = [f"x{number}" for number in range(13)]
    parts = [{"folder": "", "bands": names}]
    sensor = SLOVENIA | {"bands": ["x3", "x12"], "parts": parts}
    files = source(slovenia, sensor)
    with files.open(files.acquisitions[0]) as scene:
        image = scene.read(own_grid(PATCH))
    numbers = load(PATCH).data["BANDS-S2-L1C"][0][..., [3, 12]]
    np.testing.assert_array_equal(np.rint(image.values * 10000)[image.valid], numbers[image.valid])
    files = source(slovenia, sensor | {"parts": [], "store": "float32"})
    with pytest.raises(SettingsError, match=r"holds 13 bands, expected 2 \(x3, x12\) or 13"):
        files.open(files.acquisitions[0]).__enter__()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature": "L1C"}, r"\.feature: expected L1C\.npy in .*BANDS-S2-L1C\.npy\.gz"),
        ({"mask_feature": "dataMask"}, r"\.mask_feature: expected dataMask\.npy .*CLM\.npy\.gz"),
        ({"folder": "bands"}, "expected a folder"),
        ({"mask": {"rule": "bits"}}, "'bits' with reject"),
    ],
)
def test_wrong_names_are_answered_with_the_right_ones(change, message):
    with pytest.raises(SettingsError, match=message):
        source(PATCH.parent, SLOVENIA | change)


def test_damaged_parts_are_named(slovenia):
    patch = slovenia / PATCH.name
    array = patch / "data" / "BANDS-S2-L1C.npy.gz"
    array.write_bytes(array.read_bytes()[:5000])
    with pytest.raises(SourceError, match=r"BANDS-S2-L1C\.npy\.gz can't be read"):
        source(slovenia, SLOVENIA)
    (patch / "timestamps.json").unlink()
    with pytest.raises(SourceError, match=r"expected timestamps\.json or timestamp\.json"):
        source(slovenia, SLOVENIA)


def test_a_box_without_a_reference_system_is_named(slovenia):
    box = slovenia / PATCH.name / "bbox.geojson"
    content = json.loads(box.read_text())
    del content["crs"]
    box.write_text(json.dumps(content))
    with pytest.raises(SourceError, match="expected a rectangle with a crs member"):
        source(slovenia, SLOVENIA)
