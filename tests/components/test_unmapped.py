"""Without data a run ends with a report and a page that say so plainly, by the real commands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from components.unmapped import UNMAPPED
from groundshift.products.page.chunks import read_chunk
from tests.faults.world import PIXELS, app, arguments, make_world, optical, radar, write_image

pytestmark = pytest.mark.usefixtures("own_work")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return make_world(tmp_path, every=16)


def ended(world: Path, stage: str, *options: str) -> int:
    """Exit code of a stage's command."""
    done = CliRunner().invoke(app(stage), [*arguments(stage, world), *options])
    assert not (world / FOLDER_OF[stage]).exists() or done.exit_code == 0
    return done.exit_code


FOLDER_OF = {"fetch": "observations", "stack": "cube", "window": "samples"}


def report_of(world: Path) -> str:
    """What the report says, without its markup."""
    text = (world / UNMAPPED / "report.html").read_text()
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", text)
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL))


def test_no_image_lies_in_the_period(world: Path) -> None:
    period = ("--set", "period.start=2016-01-01", "--set", "period.end=2016-06-01")
    assert ended(world, "fetch", *period) == 2
    said = report_of(world)
    assert "There is no map of this area No image came." in said
    assert "2016-01-01 to 2016-05-31" in said
    assert "What to do: Move the period" in said
    assert "The source lists no image of the area in the period." in said


def test_every_image_is_cloudy(world: Path) -> None:
    for path in (world / "images/clear").iterdir():
        path.unlink()
    for day in range(1, 160, 16):
        write_image(world / "images/clear", day, np.zeros((1, PIXELS, PIXELS), np.uint8))
    assert ended(world, "fetch") == 2
    said = report_of(world)
    assert "Of s2 no image can be used." in said
    assert "fetch.files.sensors.s2: none of 10 acquisitions has a valid pixel" in said
    assert "s1 10 10 2017-01-01" in said
    assert "s2 10 0 10 x no valid pixel" in said


def test_images_of_one_date_only(world: Path) -> None:
    generator = np.random.default_rng(1)
    for kind in ("s1", "s2", "clear"):
        for path in (world / "images" / kind).iterdir():
            path.unlink()
    write_image(world / "images/s1", 60, radar(generator, 60))
    write_image(world / "images/s2", 60, optical(generator, 60))
    write_image(world / "images/clear", 60, np.ones((1, PIXELS, PIXELS), np.uint8))
    assert [ended(world, stage) for stage in ("fetch", "stack", "window")] == [0, 0, 2]
    said = report_of(world)
    assert "Images of one date only can be used, 2017-03-02: a change shows between dates." in said
    assert "observations fetch" in said, "what was made is named, with its hash"
    assert "made up, no rights reserved" in said


def test_too_few_images_for_one_window(world: Path) -> None:
    short = ("--set", "window.length=300d")
    assert [ended(world, stage) for stage in ("fetch", "stack")] == [0, 0]
    assert ended(world, "window", *short) == 2
    said = report_of(world)
    assert "Images of 20 dates can be used, and that is not enough." in said
    assert "What to do: Set window.length=" in said
    page = world / UNMAPPED / "page"
    assert (page / "index.html").is_file()
    assert b'"windows":[]' in read_chunk(page / "data", "about")


def test_maps_do_away_with_what_an_earlier_run_said(world: Path) -> None:
    from components import unmapped
    from components.task import Task
    from groundshift.settings import load

    assert ended(world, "fetch", "--set", "period.end=2016-06-01", "--set",
                 "period.start=2016-01-01") == 2  # fmt: skip
    task = Task(load("infer", world / "params.yaml", area="tiny"))
    unmapped.forget(task, world / "maps")
    assert not (world / UNMAPPED).exists()
    unmapped.forget(task, world / "maps")


def test_a_pipeline_names_the_report_in_the_store(world: Path) -> None:
    params = yaml.safe_load((world / "params.yaml").read_text())
    params["areas"]["tiny"] = {"inputs": str(world / "images")}
    params["period"] = {"start": "2016-01-01", "end": "2016-06-01"}
    (world / "params.yaml").write_text(yaml.safe_dump(params))
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "run", "training", "--area", "tiny", "--engine",
         "process", "--profile", str(ROOT / "pipelines/profiles/local.yaml"), "--store", "store"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=world, capture_output=True, text=True,
    )  # fmt: skip
    page = world / "store" / UNMAPPED / "tiny" / "report.html"
    assert done.returncode == 1
    assert page.is_file()
    assert f"report  {page} (there is no map: it says why)" in done.stdout
