import logging
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from components.unmapped import UNMAPPED
from tests.faults import processes
from tests.faults.world import FOLDERS, app, arguments, content_hash, make_world, output_of


class Undisturbed(NamedTuple):
    """What a stage does where nothing happens to it."""

    operations: int
    """On files."""
    seconds: float
    """Of the processor."""
    content_hash: str


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A tiny area whose six stages ran undisturbed, and what each of them did."""
    folder = make_world(tmp_path_factory.mktemp("world"))
    counts = tmp_path_factory.mktemp("counts")
    runs = {}
    for stage in FOLDERS:
        log = counts / f"{stage}.log"
        counted = processes.Counted(str(folder), into=str(counts / stage))
        code = processes.run(stage, arguments(stage, folder), folder / "work", log, counted)
        assert code == 0, log.read_text()
        runs[stage] = Undisturbed(*counted.read(), content_hash(folder / output_of(stage)))
    return folder, runs


@pytest.fixture(scope="session")
def world(made):
    """The area's folder."""
    return made[0]


@pytest.fixture(scope="session")
def undisturbed(made):
    """What each stage did, by name."""
    return made[1]


@pytest.fixture
def refused(tmp_path, monkeypatch, caplog):
    """Runs a stage's command that is to refuse its input: gives the message.

    It ends with exit code 2, says one sentence, and leaves no file; or, where there is no data to
    work on, nothing but the report and page that say so (`unmapped`).
    """
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")

    def run(stage: str, options: list[str], *, unmapped: bool = False) -> str:
        before = files_of(tmp_path)
        caplog.clear()
        outcome = CliRunner().invoke(app(stage), options)
        errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert outcome.exit_code == 2, caplog.text
        assert len(errors) == 1
        assert "Traceback" not in caplog.text
        told = files_of(tmp_path / UNMAPPED)
        assert files_of(tmp_path) - told == before
        assert ((tmp_path / UNMAPPED / "report.html") in told) == unmapped
        assert outcome.stdout == ""
        return errors[0].getMessage()

    return run


def files_of(folder: Path) -> set[Path]:
    """All files below a folder."""
    return {path for path in folder.rglob("*") if path.is_file()}
