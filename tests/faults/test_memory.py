"""The setting `memory`: what can't be had with so little is refused, what can is the same."""

import re

import pytest
from typer.testing import CliRunner

from groundshift import memory
from tests.faults.world import FOLDERS, app, arguments, content_hash, output_of


@pytest.fixture
def empty(monkeypatch):
    """A process that holds nothing yet, so that only a stage's own work counts."""
    monkeypatch.setattr(memory, "resident", lambda: 0)
    monkeypatch.setattr(memory, "SPARE", 0)


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_stage_that_is_refused_says_how_little_gives_the_same_artifact(
    stage, empty, refused, world, undisturbed, tmp_path
):
    made = tmp_path / output_of(stage)
    options = arguments(stage, world, **{output_of(stage): made})
    message = refused(stage, [*options, "--set", "memory=1kB"])
    told = re.fullmatch(
        rf"{stage}: memory: expected at least .* for {stage} \(.* for .*, 0 B for the program "
        r"itself\), found 1 kB\. Set memory=([0-9.]+[kMG]B)(, or .+)?",
        message,
    )
    assert told, message
    outcome = CliRunner().invoke(app(stage), [*options, "--set", f"memory={told[1]}"])
    assert outcome.exit_code == 0, outcome.output
    assert content_hash(made) == undisturbed[stage].content_hash
