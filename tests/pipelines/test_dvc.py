"""dvc.yaml: each stage watches its own settings, and the lines it runs are the stages' own."""

import importlib
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml

from groundshift.settings import STAGES

ROOT = Path(__file__).parents[2]
AREAS = list(yaml.safe_load((ROOT / "params.yaml").read_text())["areas"])


def dvc(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The project's dvc.yaml and params.yaml, with stages that only make their folders."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / "params.yaml", folder)
    document = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    for name, stage in document["stages"].items():
        out = stage["do"]["outs"][0]
        stage["do"]["cmd"] = f"mkdir -p {out} && date +%N > {out}/{name}"
        stage["do"]["deps"] = [d for d in stage["do"]["deps"] if d.startswith("data/")]
    document.pop("metrics"), document.pop("plots")
    (folder / "dvc.yaml").write_text(yaml.safe_dump(document))
    dvc(folder, "init", "--no-scm", "--quiet")
    dvc(folder, "repro", "--quiet")
    return folder


def change(folder: Path, section: str, key: str, value: object) -> None:
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["areas"]["demo"][section][key] = value
    path.write_text(yaml.safe_dump(params))


def rerun(folder: Path) -> set[str]:
    lines = dvc(folder, "repro").splitlines()
    return {line.split("'")[1] for line in lines if line.startswith("Running stage")}


def test_a_second_run_does_nothing_and_says_so(project):
    assert "Data and pipelines are up to date." in dvc(project, "repro")


@pytest.mark.parametrize(
    ("section", "key", "value", "first"),
    [("train", "epochs", 99, "train"), ("infer", "stride", 99, "infer")],
)
def test_a_changed_setting_reruns_its_stage_and_nothing_upstream(
    project, section, key, value, first
):
    change(project, section, key, value)
    assert rerun(project) == {f"{stage}@demo" for stage in STAGES[STAGES.index(first) :]}


def test_every_area_has_a_section_per_stage_for_dvc_to_watch():
    areas = yaml.safe_load((ROOT / "params.yaml").read_text())["areas"]
    for name, area in areas.items():
        assert set(area) >= {"inputs", "area", "period", *STAGES}, name


@pytest.mark.parametrize("stage", STAGES)
def test_the_lines_of_dvc_parse_with_the_stages_own_parser(stage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").touch()
    document = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["do"]
    for dependency in document["deps"]:
        Path(dependency.replace("${key}", "demo")).mkdir(parents=True, exist_ok=True)
    words = shlex.split(document["cmd"].replace("${key}", "demo"))
    assert words[:3] == ["python", "-m", f"components.{stage}"]
    command = typer.main.get_command(importlib.import_module(f"components.{stage}.__main__").app)
    context = command.make_context(stage, words[3:])
    assert context.params["area"] == "demo"
