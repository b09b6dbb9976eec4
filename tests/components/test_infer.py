"""The infer stage on a small made-up area: real artifacts, an untrained network."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from components.stack import stage as stack
from components.window import stage as window
from groundshift.artifacts import Summary, digest, read_manifest, writing
from groundshift.artifacts.manifest import check_files
from groundshift.artifacts.writing import list_files
from groundshift.assessment.calibrating import Calibration
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.models.inference import map_cell
from groundshift.models.store import Detector, write_probe
from groundshift.products.maps import read_map
from groundshift.samples.loader import Loader
from groundshift.samples.store import Samples
from groundshift.settings import InferStage
from tests.components import made_up as area

pytestmark = pytest.mark.usefixtures("own_places")

Folders = dict[str, Path]
UNTIL = 150
"""Day from which on looks had not come yet when the cell was mapped first."""


def settings_of(**chosen: object) -> InferStage:
    """Settings of the stage for the made-up area."""
    settings = area.settings_of("infer", **chosen)
    assert isinstance(settings, InferStage)
    return settings


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


@pytest.fixture(scope="module")
def earlier(inputs: Folders, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Cube, samples and scores of the time before the last looks came."""
    folder = tmp_path_factory.mktemp("earlier")
    observations = area.make_observations(
        folder / "observations", area.truth_table(), area.DAYS, UNTIL
    )
    folders = {"cube": folder / "cube", "samples": folder / "samples"}
    chosen = area.settings_of("stack", step="4d", radar=["s1"], optical="s2")
    stack.run(chosen, observations=observations, cube=folders["cube"])
    window.run(area.settings_of("window", **area.WINDOW), observations=observations, **folders)
    return folders | {"scores": map_cell_of(inputs | folders, folder / "scores")}


def map_cell_of(
    inputs: Folders, folder: Path, previous: Path | None = None, **chosen: object
) -> Path:
    """Map the area's only cell."""
    cell = area.cell().id
    stage.run_cell(settings_of(**chosen), cell=cell, **inputs, scores=folder, previous=previous)
    return folder


def computed(folder: Path) -> int:
    """How many windows the model scored."""
    number: int = read_manifest(folder, "scores").record["computed"]
    return number


def test_one_cell_and_the_report_are_the_whole(
    done: tuple[Summary, Path], inputs: Folders, tmp_path: Path
) -> None:
    scores = map_cell_of(inputs, tmp_path / "scores")
    report = stage.run_report(settings_of(), **inputs, scores=scores, maps=tmp_path / "maps")
    assert report.value_hash == done[0].value_hash
    assert report.content_hash == done[0].content_hash
    assert report.pages["report"].samefile(tmp_path / "maps" / "report.html")
    for path in scores.rglob("*.tif"):
        assert path.samefile(tmp_path / "maps" / path.relative_to(scores)), "shared, not copied"


def test_page_and_time_lapse_are_made_as_the_settings_say(
    done: tuple[Summary, Path], inputs: Folders, tmp_path: Path
) -> None:
    assert (done[1] / "page" / "index.html").is_file()
    assert list(done[1].glob("page/data/series/*/about.js"))
    assert not (done[1] / "timelapse.mp4").exists()
    scores = map_cell_of(inputs, tmp_path / "scores", page=False)
    chosen = settings_of(page=False, timelapse=True)
    stage.run_report(chosen, **inputs, scores=scores, maps=tmp_path / "maps")
    assert not (tmp_path / "maps" / "page").exists()
    assert (tmp_path / "maps" / "timelapse.mp4").stat().st_size > 1000
    assert (tmp_path / "maps" / "timelapse.gif").stat().st_size > 1000
    assert 'href="page/' not in (tmp_path / "maps" / "report.html").read_text()


def test_after_a_revision_only_windows_that_show_it_are_computed(
    inputs: Folders, earlier: Folders, tmp_path: Path
) -> None:
    revised = {"cube": tmp_path / "cube", "samples": tmp_path / "samples"}
    observations = area.make_observations(tmp_path / "new", area.truth_table(), area.DAYS)
    chosen = area.settings_of("stack", step="4d", radar=["s1"], optical="s2")
    stack.run(
        chosen, observations=observations, cube=revised["cube"], revise=True, base=earlier["cube"]
    )
    window.run(area.settings_of("window", **area.WINDOW), observations=observations, **revised)
    full = map_cell_of(inputs | revised, tmp_path / "full")
    quick = map_cell_of(inputs | revised, tmp_path / "quick", earlier["scores"])
    manifests = [read_manifest(folder, "scores") for folder in (full, quick)]
    assert manifests[0].value_hash == manifests[1].value_hash
    assert manifests[0].files == manifests[1].files
    windows = Samples.open(revised["samples"]).windows.query("complete")
    (before,) = Cube.open(earlier["cube"]).cells.values()
    touched = int((windows["stop"] > len(before.times)).sum())
    assert 0 < touched < len(windows)
    assert (computed(full), computed(quick)) == (len(windows), touched)
    shared = [p for p in quick.rglob("scores/*/*.tif") if p.stat().st_nlink > 1]
    assert len(shared) == len(windows) - touched


def test_maps_made_in_another_way_are_not_taken_over(
    inputs: Folders, earlier: Folders, tmp_path: Path
) -> None:
    same = inputs | {name: earlier[name] for name in ("cube", "samples")}
    assert computed(map_cell_of(same, tmp_path / "same", earlier["scores"])) == 0
    other = map_cell_of(same, tmp_path / "other", earlier["scores"], min_event=5)
    assert computed(other) == len(list(other.glob("scores/*/*.tif")))


def test_a_model_for_other_numbers_is_refused_by_their_name(
    inputs: Folders, tmp_path: Path
) -> None:
    model, evaluation = tmp_path / "model", tmp_path / "evaluation"
    shutil.copytree(inputs["model"], model)
    network = json.loads((model / "network.json").read_text())
    network["signature"]["streams"][0]["units"] = "decibel"
    (model / "network.json").write_text(json.dumps(network))
    changed(model, lambda content: content.update(files=listed(model)))
    shutil.copytree(inputs["evaluation"], evaluation)
    made_from = read_manifest(model, "model").content_hash
    changed(evaluation, lambda content: content["inputs"].update(model=made_from))
    given = inputs | {"model": model, "evaluation": evaluation}
    with pytest.raises(ContractError, match="units: expected decibel, found linear power"):
        stage.run(settings_of(), **given, maps=tmp_path / "maps")


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite a manifest's content as if a stage had."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    change(document["content"])
    document["content_hash"] = digest(document["content"])
    path.write_text(json.dumps(document))


def listed(folder: Path) -> list[list[object]]:
    """The files of an artifact as its manifest lists them."""
    return [[entry.path, entry.size, entry.sha256] for entry in list_files(folder)]


def test_windows_off_the_period_are_refused(inputs: Folders, tmp_path: Path) -> None:
    chosen = area.settings_of("infer", days=100)
    with pytest.raises(ContractError, match="lies outside the period"):
        stage.run(chosen, **inputs, maps=tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_an_evaluation_of_another_model_is_refused(inputs: Folders, tmp_path: Path) -> None:
    path = tmp_path / "evaluation"
    shutil.copytree(inputs["evaluation"], path)
    changed(path, lambda content: content["inputs"].update(model="0" * 64))
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


def test_probability_and_spread_lie_behind_the_score_where_they_can_be_had(
    done: tuple[Summary, Path], inputs: Folders, tmp_path: Path
) -> None:
    """One network has no spread; two have one beside the probability of the evaluation's truth."""
    plain = sorted(done[1].glob("scores/*/*.tif"))
    calibration = Calibration("temperature", (0.0, 1.0), (0.25, 0.75), {})
    folders = _with_two_members(inputs, tmp_path, calibration)
    stage.run(settings_of(stride=20), **folders, maps=tmp_path / "maps")
    for path in sorted((tmp_path / "maps").glob("scores/*/*.tif")):
        with rasterio.open(path) as raster:
            assert raster.descriptions == ("score", "probability", "spread")
            score, probability, spread = raster.read()
        np.testing.assert_allclose(probability, 0.25 + score / 2, atol=1e-6)
        alone = read_map(next(one for one in plain if one.name == path.name))
        # Of two members, the spread is their distance from the mean.
        np.testing.assert_allclose(spread, np.abs(alone - score), atol=1e-5)
        assert spread.max() > 0
    collection = pystac.Collection.from_file(str(tmp_path / "maps" / "stac" / "collection.json"))
    items = [item for item in collection.get_items(recursive=True) if "score" in item.assets]
    names = [band["name"] for band in items[0].assets["score"].extra_fields["bands"]]
    assert names == ["score", "probability", "spread"]
    for path in plain:
        with rasterio.open(path) as raster:
            assert raster.descriptions == ("score", "probability")


def _with_two_members(inputs: Folders, folder: Path, calibration: Calibration) -> Folders:
    """The same inputs, with a second network beside the first, and its evaluation calibrated."""
    detector = Detector.open(inputs["model"])
    second = [weights + np.float32(0.02) for weights in detector.members[0].values()]
    other = dict(zip(detector.members[0], second, strict=True))
    model = folder / "model"
    twins = replace(detector, members=(detector.members[0], other))
    batch = next(
        Loader(
            Samples.open(inputs["samples"]), Cube.open(inputs["cube"]), "validation", batch=2
        ).epoch()
    )
    with writing(model, "model", area="t", settings=detector.manifest.settings, inputs={}) as draft:
        twins.write(draft.folder)
        write_probe(draft.folder / "probe.npz", twins, batch)
    evaluation = folder / "evaluation"
    settings = read_manifest(inputs["evaluation"], "evaluation").settings
    sources = {"model": read_manifest(model, "model").content_hash}
    with writing(evaluation, "evaluation", area="t", settings=settings, inputs=sources) as draft:
        for path in inputs["evaluation"].iterdir():
            if path.name != "manifest.json":
                shutil.copyfile(path, draft.folder / path.name)
        (draft.folder / "calibration.json").write_text(json.dumps(calibration.to_dict()))
    return inputs | {"model": model, "evaluation": evaluation}
