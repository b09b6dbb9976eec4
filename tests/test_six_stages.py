"""The main job as a newcomer runs it, with less training: images in, maps out, nothing twice.

And the same job by the other engines: as processes and as containers, with equal values.
"""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import pytest
import xarray as xr
import yaml
from rio_cogeo.cogeo import cog_validate

from groundshift.artifacts import ArtifactStore, Reference, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.settings import STAGES
from pipelines.outcome import ARTIFACTS
from tests.containers import Podman, images, podman_service

__all__ = ["images", "podman_service"]  # fixtures

ROOT = Path(__file__).parents[1]
COPIED = ("components", "demo", "groundshift", "pipelines", "dvc.yaml", "params.yaml", ".dvcignore")
SHORTER = {
    "train": {"epochs": 2, "members": 1},
    "evaluate": {"baselines": False, "bootstrap": 20, "stride": 5},
    "infer": {"stride": 20},
}


QUARTERS = {
    "area": {"bounds": [501440, 5629120, 502080, 5629760], "cell": 320, "halo": 16},
    "fetch": {"plant": None},  # a donor may lie in another cell
    "window": {
        "truth": "demo/plantings/flanders_4.geojson",
        "split": {"block": 16, "buffer": 0, "shares": [0.5, 0.25, 0.25]},
    },
    "train": {"epochs": 1},
    "infer": {"stride": 40},
    # Nothing changed there and no model would pass; without a verdict it is mapped all the same.
    "evaluate": {"gate": {"minimum_positives": 10**6}},
}
"""An area of four cells that holds nearly all of the demo's."""


def run(folder: Path, *words: str, **variables: str) -> str:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("GROUNDSHIFT")
    }
    environment |= {"PYTHONPATH": str(folder), "DVC_SITE_CACHE_DIR": str(folder / ".site")}
    environment |= variables
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project in which the demo ran once."""
    folder = tmp_path_factory.mktemp("project")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, folder)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    areas = params["areas"]
    for section, values in SHORTER.items():
        areas["demo"][section] |= values
    areas["quarters"] = copy.deepcopy(areas["demo"])
    for section, values in QUARTERS.items():
        areas["quarters"][section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    run(folder, "dvc", "init", "--no-scm", "--quiet")
    (folder / "said.txt").write_text(run(folder, "pipelines", "run", "training"))
    return folder


def test_a_run_names_what_it_made(project):
    said = (project / "said.txt").read_text()
    assert "Made anew: observations, cube, samples, model, evaluation, maps." in said
    assert "data/demo/maps/report.html" in said
    assert "sqlite:///mlflow.db" in said


def test_every_artifact_is_whole_and_made_from_the_one_before(project):
    manifests = {}
    for kind in ARTIFACTS:
        manifests[kind] = read_manifest(project / "data/demo" / kind, kind)
        check_files(project / "data/demo" / kind, manifests[kind])
    for kind, inputs in {
        "cube": ["observations"],
        "samples": ["cube"],
        "model": ["cube", "samples"],
        "evaluation": ["cube", "samples", "model"],
        "maps": ["cube", "samples", "model", "evaluation"],
    }.items():
        for name in inputs:
            assert manifests[kind].inputs[name] == manifests[name].content_hash, (kind, name)
    licence = "contains modified Copernicus Sentinel data 2017-2018"
    assert all(any(licence in line for line in m.licences) for m in manifests.values())


def test_products_open_in_the_programs_people_use(project):
    (group,) = (project / "data/demo/cube/cells").glob("*/*.zarr")
    assert xr.open_zarr(group).sizes["time"] == 122
    maps = project / "data/demo/maps"
    images = sorted(maps.rglob("*.tif"))
    assert len(images) == 5 + 2, "every 20th of 92 windows, the maximum and its date"
    for image in images:
        valid, errors, warnings = cog_validate(image, strict=True, quiet=True)
        assert valid, (image, errors, warnings)
    table = gpd.read_parquet(maps / "events.parquet")
    assert len(gpd.read_file(maps / "events.geojson")) == len(table)


def test_scores_come_with_their_level_of_evidence(project):
    metrics = json.loads((project / "data/demo/evaluation/metrics.json").read_text())
    assert metrics["headline"]["level"] == "controlled_truth"
    assert "reference" not in metrics
    assert 0 < metrics["headline"]["prevalence"] < 0.1
    assert metrics["headline"]["prevalence"] < metrics["headline"]["pr_auc"] <= 1


def test_one_mlflow_run_holds_a_run_per_stage(project):
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments)
    parents = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    assert len(parents) == 1
    assert all(r.info.status == "FINISHED" for r in runs)
    stages = {r.info.run_name: r for r in runs if r.data.tags.get("mlflow.parentRunId") is not None}
    assert sorted(stages) == sorted(STAGES)
    assert len(client.get_metric_history(stages["train"].info.run_id, "loss")) == 2


def test_a_second_run_does_nothing_and_says_so(project):
    before = {p: p.stat().st_mtime_ns for p in (project / "data").rglob("*") if p.is_file()}
    assert "Nothing to do: all six artifacts are up to date." in run(
        project, "pipelines", "run", "training"
    )
    after = {p: p.stat().st_mtime_ns for p in (project / "data").rglob("*") if p.is_file()}
    assert after == before


def values_of(folders: dict[str, Path]) -> dict[str, str]:
    return {kind: read_manifest(folder, kind).value_hash for kind, folder in folders.items()}


def by_dvc(project: Path, area: str) -> dict[str, str]:
    return values_of({kind: project / "data" / area / kind for kind in ARTIFACTS})


def by_engine(store: ArtifactStore, area: str) -> dict[str, str]:
    """Value hashes of what an engine published: the maps, and all they were made from."""
    maps = store.published(area)
    made = {kind: store.input_of(maps, kind) for kind in ("cube", "samples", "model", "evaluation")}
    made["maps"] = store.folder(maps)
    made["observations"] = store.folder(observations_of(store, made["cube"]))
    return values_of(made)


def observations_of(store: ArtifactStore, cube: Path) -> Reference:
    content_hash = read_manifest(cube, "cube").inputs["observations"]
    return Reference("observations", content_hash, "", f"objects/observations/{content_hash}")


def test_processes_make_the_same(project):
    said = run(project, "pipelines", "run", "training", "--engine=process")
    assert " 0 failed" in said
    assert "data/store/objects/maps/" in said
    store = ArtifactStore.open(str(project / "data/store"))
    assert by_engine(store, "demo") == by_dvc(project, "demo")


def test_processes_have_nothing_to_do_the_second_time(project):
    said = run(project, "pipelines", "run", "training", "--engine=process")
    assert "2 tasks done" in said, "the plan and the notice"


def test_monitoring_has_nothing_to_do_where_nothing_is_new(project):
    said = run(project, "pipelines", "run", "monitoring", "--engine=process")
    assert "Nothing new" in said
    assert "2 tasks done" in said, "the plan and the notice"


def test_monitoring_maps_what_new_scenes_touched_and_nothing_else(project):
    words = ["--engine=process", "--store=data/watch"]
    run(project, "pipelines", "run", "training", *words, "--as-of=2018-10-15")
    store = ArtifactStore.open(str(project / "data/watch"))
    before, model = store.published("demo"), store.champion("demo").model
    said = run(project, "pipelines", "run", "monitoring", *words)
    assert store.folder(store.published("demo")).name in said
    assert store.published("demo") != before
    assert store.champion("demo").model == model
    (cell,) = (store.root / "current" / "demo").iterdir()
    scores = read_manifest(store.folder(store.current("demo", cell.name, "scores")), "scores")
    assert scores.inputs["model"] == model.content_hash
    assert 0 < scores.record["computed"] < scores.summary["windows"]


def test_containers_make_the_same(project, podman_service: Podman, images: dict[str, str]):
    listed = project / "images.json"
    listed.write_text(json.dumps({name: {"reference": at} for name, at in images.items()}))
    words = ["--engine=container", f"--images={listed}", "--store=data/boxes", "--network=host"]
    said = run(project, "pipelines", "run", "training", *words, **podman_service.environment)
    assert " 0 failed" in said
    store = ArtifactStore.open(str(project / "data/boxes"))
    assert by_engine(store, "demo") == by_dvc(project, "demo")


def test_four_cells_one_by_one_make_the_same_as_at_once(project):
    """Fan-out, regional sums and joins change nothing: not a weight, not a score."""
    run(project, "pipelines", "run", "training", "--area=quarters")
    run(project, "pipelines", "run", "training", "--area=quarters", "--engine=process")
    store = ArtifactStore.open(str(project / "data/store"))
    maps = store.published("quarters")
    found = {kind: store.input_of(maps, kind) for kind in ("model", "evaluation")}
    found["maps"] = store.folder(maps)
    expected = by_dvc(project, "quarters")
    assert values_of(found) == {kind: expected[kind] for kind in found}
    assert len(read_manifest(found["maps"], "maps").summary["cells"]) == 4
