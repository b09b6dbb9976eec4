"""The infer stage on a small made-up area: real artifacts, an untrained network."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pystac
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate
from typer.testing import CliRunner

from components.evaluate import stage as evaluate
from components.infer import stage
from components.infer.__main__ import app
from groundshift.artifacts import Summary, digest, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.models.inference import map_cell
from groundshift.models.store import Detector
from groundshift.products.maps import read_map
from groundshift.samples.store import Samples
from groundshift.settings import InferStage
from tests.components import test_evaluate as area

Folders = dict[str, Path]


def settings_of(**chosen: object) -> InferStage:
    """Settings of the stage for the made-up area."""
    settings = area.settings_of("infer", **chosen)
    assert isinstance(settings, InferStage)
    return settings


@pytest.fixture(scope="module", autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory) -> pytest.MonkeyPatch:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(tmp_path_factory.mktemp("work")))
        patch.setenv("GROUNDSHIFT_TRACKING", "off")
        yield patch


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Folders of all inputs of the stage."""
    folder = tmp_path_factory.mktemp("area")
    folders = area.artifacts(folder, area.truth_table())
    chosen = area.settings_of("evaluate", bootstrap=10, baselines=False)
    evaluate.run(chosen, **folders, evaluation=folder / "evaluation")
    return folders | {"evaluation": folder / "evaluation"}


@pytest.fixture(scope="module")
def done(inputs: Folders, tmp_path_factory: pytest.TempPathFactory) -> tuple[Summary, Path]:
    """The stage's summary and its folder."""
    folder = tmp_path_factory.mktemp("out") / "maps"
    return stage.run(settings_of(), **inputs, maps=folder), folder


def test_the_artifact_is_whole_and_leads_back_to_all_inputs(
    done: tuple[Summary, Path], inputs: Folders
) -> None:
    summary, folder = done
    manifest = read_manifest(folder, "maps")
    check_files(folder, manifest)
    for name, path in inputs.items():
        assert manifest.inputs[name] == read_manifest(path, name).content_hash
    assert manifest.licences == ("made up, no rights reserved",)
    names = {entry.path for entry in manifest.files}
    assert {"report.html", "preview.png", "events.parquet", "events.geojson"} < names
    assert "stac/collection.json" in names
    assert all(path.is_file() for path in summary.figures)
    assert summary.metrics["windows"] == len(list(folder.glob("scores/*/*.tif")))


def test_maps_are_the_models_scores_on_the_cubes_grid(
    done: tuple[Summary, Path], inputs: Folders
) -> None:
    samples, cube = Samples.open(inputs["samples"]), Cube.open(inputs["cube"])
    [cell_cube] = cube.cells.values()
    rows = samples.windows[samples.windows["complete"]]
    files = sorted((done[1] / "scores" / cell_cube.cell.id).iterdir())
    assert len(files) == len(rows)
    scores = map_cell(Detector.open(inputs["model"]), cell_cube, rows)
    start = pd.Timestamp("2017-01-01", tz="UTC")
    for path, (_, score), row in zip(files, scores, rows.itertuples(), strict=True):
        np.testing.assert_array_equal(read_map(path), score)
        with rasterio.open(path) as raster:
            assert raster.transform == cell_cube.cell.core.transform
            tags = raster.tags()
        assert tags["WINDOW_START"] == row.start.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert pd.Timestamp(tags["WINDOW_START"]) >= start
        assert pd.Timestamp(tags["WINDOW_END"]) <= start + pd.Timedelta(days=area.DAYS)
        assert tags["MODEL"] == read_manifest(inputs["model"], "model").content_hash
        assert tags["ATTRIBUTION"] == "made up, no rights reserved"
    for path in done[1].rglob("*.tif"):
        assert cog_validate(path, strict=True) == (True, [], [])


def test_others_can_open_what_it_publishes(done: tuple[Summary, Path]) -> None:
    events = gpd.read_parquet(done[1] / "events.parquet")
    assert (
        len(events) == done[0].metrics["events"] == len(gpd.read_file(done[1] / "events.geojson"))
    )
    collection = pystac.Collection.from_file(str(done[1] / "stac" / "collection.json"))
    assert len(list(collection.get_items())) == done[0].metrics["windows"] + 2
    page = (done[1] / "report.html").read_text()
    assert "made-up" in page
    assert "controlled truth" in page


def test_another_run_gives_the_same_content(
    done: tuple[Summary, Path], inputs: Folders, tmp_path: Path
) -> None:
    again = stage.run(settings_of(), **inputs, maps=tmp_path / "maps")
    assert again.content_hash == done[0].content_hash
    assert again.value_hash == done[0].value_hash


def test_every_nth_window_is_mapped(
    done: tuple[Summary, Path], inputs: Folders, tmp_path: Path
) -> None:
    stage.run(settings_of(stride=4), **inputs, maps=tmp_path / "maps")
    every, fourth = (
        sorted(path.name for path in folder.glob("scores/*/*.tif"))
        for folder in (done[1], tmp_path / "maps")
    )
    assert fourth == every[::4]


def test_windows_off_the_period_are_refused(inputs: Folders, tmp_path: Path) -> None:
    chosen = area.settings_of("infer", days=100)
    with pytest.raises(ContractError, match="lies outside the period"):
        stage.run(chosen, **inputs, maps=tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_an_evaluation_of_another_model_is_refused(inputs: Folders, tmp_path: Path) -> None:
    path = tmp_path / "evaluation"
    path.mkdir()
    for file in inputs["evaluation"].iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    document = json.loads((path / "manifest.json").read_text())
    document["content"]["inputs"]["model"] = "0" * 64
    document["content_hash"] = digest(document["content"])
    (path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ContractError, match="the evaluation was made from model 000000000000"):
        stage.run(settings_of(), **(inputs | {"evaluation": path}), maps=tmp_path / "maps")


def test_the_command_line_runs_it(
    inputs: Folders, tmp_path: Path, done: tuple[Summary, Path]
) -> None:
    folders = [part for name, path in inputs.items() for part in (f"--{name}", str(path))]
    arguments = [*folders, "--maps", str(tmp_path / "maps")]
    result = CliRunner().invoke(app, ["--settings", settings_of().model_dump_json(), *arguments])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["content_hash"] == done[0].content_hash
    assert any("report" in note for note in summary["notes"])


def test_help_shows_an_example() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for text in ("--cube", "--evaluation", "--maps", "Example: python -m components.infer"):
        assert text in result.output
