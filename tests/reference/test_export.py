"""From the published EOPatches over our cube back to the published stack and window files."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from typer.testing import CliRunner

from groundshift.artifacts import Manifest, writing
from groundshift.cube.build import build
from groundshift.cube.store import Cube
from groundshift.domain.bands import SENTINEL1, SENTINEL2
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.errors import ContractError
from groundshift.reference.__main__ import app
from groundshift.reference.eopatch import list_patches, read_patch
from groundshift.reference.export import layout_of
from groundshift.reference.tiles import list_tiles, read_layout, read_tile, read_windows
from groundshift.settings import StackStage

RADAR = tuple(band.name for band in SENTINEL1)
OPTICAL = tuple(band.name for band in SENTINEL2)
SENSORS = {
    "S1_asc": Sensor("S1_asc", "radar", "sentinel1", RADAR),
    "S1_dsc": Sensor("S1_dsc", "radar", "sentinel1", RADAR),
    "S2": Sensor("S2", "optical", "sentinel2", OPTICAL),
}
CORE = GeoBox((16, 20), Affine(10, 0, 500000, 0, -10, 5400000), "EPSG:32631")


class Patches:
    """The golden EOPatches as observations of one cell, in the middle of an unseen halo."""

    def __init__(self, folder: Path, halo: int, sensors: dict[str, Sensor]) -> None:
        self.manifest = Manifest("observations", 1, {}, {}, (), "", {}, ())
        self.cells = (Cell("cell", CORE, halo),)
        self.sensors = sensors
        self.patches = {
            (name, time): read_patch(path)
            for name in sensors
            for time, path in list_patches(folder / name)
        }
        rows = [("cell", *key, f"{number}") for number, key in enumerate(self.patches)]
        self.table = pd.DataFrame(rows, columns=["cell", "sensor", "time", "digest"])

    def acquisitions(self, cell_id: str, sensor: str) -> NDArray[np.int64]:
        return np.array([time for name, time in self.patches if name == sensor], np.int64)

    def read(self, cell_id: str, sensor: str, time: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        patch, halo = self.patches[sensor, time], self.cells[0].halo
        (values,), (valid,) = patch.data.values(), patch.mask.values()
        around = ((halo, halo), (halo, halo))
        seen = np.pad(valid[0, ..., 0] != 0, around)
        return np.where(seen[..., None], np.pad(values[0], (*around, (0, 0))), 0), seen


def make_cube(folder: Path, golden: Path, *, halo: int = 0, without: str = "") -> Path:
    sensors = {name: sensor for name, sensor in SENSORS.items() if name != without}
    settings = StackStage.model_validate(
        {
            "area": {"geometry": "area.geojson"},
            "period": {"start": "2019-03-01", "end": "2019-04-01"},
            "stack": {"step": "2d"},
        }
    )
    with writing(folder, "cube", area="area", settings={}, inputs={}) as draft:
        build(Patches(golden / "format", halo, sensors), draft, settings)
    return folder


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output.strip()


@pytest.mark.parametrize("halo", [0, 3])
def test_a_cube_becomes_the_published_stack(golden: Path, tmp_path: Path, halo: int) -> None:
    cube, stack = make_cube(tmp_path / "cube", golden, halo=halo), tmp_path / "stack"
    said = invoke("export-tiles", "--cube", cube, "--tile", 8, "--out", stack)
    assert said == f"{stack}: 2 x 2 tiles of 4 steps"
    assert read_layout(stack) == read_layout(golden / "format/stack")
    expected = list_tiles(golden / "format/stack")
    found = list_tiles(stack)
    assert found.keys() == expected.keys()
    for index, path in found.items():
        tile, published = read_tile(path), read_tile(expected[index])
        for field in dataclasses.fields(published):
            np.testing.assert_array_equal(getattr(tile, field.name), getattr(published, field.name))


def test_a_stack_becomes_whole_windows(golden: Path, tmp_path: Path) -> None:
    """The golden window files hold the same windows with labels."""
    stack, output = golden / "format/stack", tmp_path / "windows"
    limits = ("--length", "8d", "--min-steps", 2, "--max-steps", 6)
    said = invoke("export-windows", "--stack", stack, *limits, "--out", output)
    for name in ("0_0", "1_1"):
        found = list(read_windows(output / f"{name}.tfrecords"))
        published = list(read_windows(golden / f"format/train/{name}.tfrecords"))
        for window, expected in zip(found, published, strict=True):
            assert window.label is None
            np.testing.assert_array_equal(window.values, expected.values)
    assert said == f"{output}: {len(published)} windows per tile"
    rows = (output / "windows.csv").read_text().splitlines()
    assert rows[0] == "0,2019-03-02 11:00:00,2019-03-06 11:00:00,2"
    assert len(rows) == len(published)


def test_cubes_that_do_not_fit_the_format_are_refused(golden: Path, tmp_path: Path) -> None:
    cells = Cube.open(make_cube(tmp_path / "cube", golden, without="S1_dsc")).cells
    with pytest.raises(ContractError, match="found no radar_b"):
        layout_of(cells["cell"], tile=8)
    arguments = ("--cube", tmp_path / "cube", "--out", tmp_path / "stack", "--cell", "other")
    result = CliRunner().invoke(app, ["export-tiles", *map(str, arguments)])
    assert result.exit_code == 2
    assert "--cell: expected one of cell, found other" in result.output
