import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from groundshift.errors import SettingsError, SourceError
from groundshift.reference import convert_geotiffs
from groundshift.reference.convert import read_box, read_window
from groundshift.reference.eopatch import Bounds, read_patch
from tests.reference.conftest import GOLDEN, load

CASES = json.loads((GOLDEN / "convert/meta.json").read_text())


def shell(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "groundshift.reference", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", CASES)
def test_command_line_converts_as_published(case: str, golden: Path, tmp_path: Path) -> None:
    source, parameters, expected = golden / "convert", CASES[case], load("convert/expected")
    ran = shell(
        "convert",
        *("--bands", source / f"{case}_bands.tif"),
        *("--mask", source / f"{case}_mask.tif"),
        *("--area", source / f"{case}_aoi.geojson"),
        *("--timestamp", parameters["folder"]),
        *("--normalize", parameters["normalize"]),
        *("--out", tmp_path),
    )
    assert ran.returncode == 0, ran.stderr
    folder = tmp_path / parameters["folder"]
    assert ran.stdout.strip() == str(folder)
    patch = read_patch(folder)
    bands, mask = patch.data["Bands"], patch.mask["Mask"]
    assert (bands.dtype, mask.dtype) == (np.float32, np.uint16)
    np.testing.assert_allclose(bands, expected[f"{case}/bands"], rtol=0, atol=1e-7)
    np.testing.assert_array_equal(mask, expected[f"{case}/mask"])
    assert json.loads((folder / "timestamp.json").read_text()) == parameters["timestamp"]
    assert patch.bounds == Bounds(*parameters["aoi_bounds"], parameters["aoi_epsg"])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Four pixels of 10 m whose top left corner is (500000, 100)."""
    path = tmp_path / "image.tif"
    profile = {"driver": "GTiff", "width": 2, "height": 2, "count": 1, "dtype": "uint8"}
    place = {"crs": "EPSG:32631", "transform": from_origin(500000, 100, 10, 10)}
    with rasterio.open(path, "w", **profile, **place) as file:
        file.write(np.array([[[1, 2], [3, 4]]], np.uint8))
    return path


def test_a_fractional_window_takes_the_nearest_pixels(image: Path) -> None:
    shifted = read_window(image, Bounds(500004, 84, 500024, 104, 32631))
    assert shifted[..., 0].tolist() == [[1, 2], [3, 4]]
    beyond = read_window(image, Bounds(500006, 84, 500026, 104, 32631))
    assert beyond[..., 0].tolist() == [[2, 0], [4, 0]]
    assert (read_window(image, Bounds(600000, 84, 600020, 104, 32631)) == 0).all()


def test_damaged_inputs_are_refused(image: Path, golden: Path, tmp_path: Path) -> None:
    area = golden / "convert/same_crs_aoi.geojson"
    text = tmp_path / "text.tif"
    text.write_text("no image")
    with pytest.raises(SourceError, match=r"text\.tif: expected a GeoTIFF"):
        read_window(text, read_box(area))
    with pytest.raises(SettingsError, match="can't be read"):
        read_box(text)
    for changed, message in (({"timestamp": "noon"}, "timestamp"), ({"normalize": 0}, "normalize")):
        arguments = {"timestamp": "20200101T000000", "normalize": 1.0} | changed
        with pytest.raises(SettingsError, match=message):
            convert_geotiffs(image, image, area=area, output=tmp_path, **arguments)


def test_command_line_says_what_is_wrong(image: Path, tmp_path: Path) -> None:
    paths = ("--bands", image, "--mask", image, "--area", image, "--out", tmp_path)
    ran = shell("convert", *paths, "--timestamp", "noon")
    assert ran.returncode == 2
    assert ran.stderr == "timestamp: expected YYYYmmddTHHMMSS, found 'noon'\n"
