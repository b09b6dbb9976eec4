"""`groundshift view`, `page`, `timelapse`: what they show, write and refuse."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import geopandas as gpd
import pytest
from typer.testing import CliRunner

from groundshift.artifacts import writing
from groundshift.cube.store import Cube
from groundshift.products.events_io import write_events
from groundshift.products.page.site import write_site
from pipelines.cli import app
from tests.products.conftest import cells, cube, truth  # noqa: F401
from tests.products.report.test_compose import make_background
from tests.products.test_survey import make_survey


@pytest.fixture
def maps(cube: Cube, truth: gpd.GeoDataFrame, tmp_path: Path) -> Path:  # noqa: F811
    """Maps beside their cube, as a run leaves them."""
    folder = tmp_path / "maps"
    inputs = {"cube": cube.manifest.content_hash}
    with writing(folder, "maps", area="area", settings={}, inputs=inputs) as draft:
        survey = make_survey(cube, draft.folder, draft.scratch)
        write_events(draft.folder, survey.events)
        write_site(survey, make_background(cube, truth))
        draft.summary["cells"] = [cell.to_dict() for cell in survey.windows]
    return folder


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.output


def test_view_serves_until_it_is_interrupted(maps: Path) -> None:
    command = [sys.executable, "-m", "pipelines", "view", str(maps), "--no-browser"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as viewing:
        try:
            assert viewing.stdout is not None
            address = viewing.stdout.readline().split()[0]
            with urllib.request.urlopen(address) as page:
                assert b"<title>Ground change</title>" in page.read()
            viewing.send_signal(signal.SIGINT)
            assert viewing.wait(timeout=30) == 0
        finally:
            viewing.kill()


def test_a_page_is_copied_whole_and_only_to_an_empty_place(maps: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    assert run("page", maps, "--to", shared)[0] == 0
    names = {path.relative_to(shared) for path in shared.rglob("*.*")}
    assert names == {path.relative_to(maps / "page") for path in (maps / "page").rglob("*.*")}
    code, said = run("page", maps, "--to", shared)
    assert code == 2
    assert "expected a new or empty folder" in said
    code, said = run("page", tmp_path, "--to", tmp_path / "other")
    assert code == 2
    assert "found no page/index.html" in said


def test_a_film_is_made_of_maps_and_the_cube_beside(maps: Path, tmp_path: Path) -> None:
    assert run("timelapse", maps, "--to", tmp_path / "films" / "one.mp4")[0] == 0
    assert (tmp_path / "films" / "one.mp4").stat().st_size > 1000
    code, said = run("timelapse", maps, "--to", tmp_path / "one.avi")
    assert code == 2
    assert "ends in .mp4 or .gif" in said
    code, said = run("timelapse", maps, "--to", tmp_path / "one.gif", "--cube", tmp_path / "no")
    assert code == 2
    assert "cube" in said
