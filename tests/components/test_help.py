import subprocess
import sys

import pytest

from groundshift.settings import STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_explains_itself_with_an_example(stage):
    done = subprocess.run(
        [sys.executable, "-m", f"components.{stage}", "--help"],
        capture_output=True,
        text=True,
        env={"COLUMNS": "200", "PATH": ""},
    )
    assert done.returncode == 0
    for option in ("--params", "--area", "--settings", "--set"):
        assert option in done.stdout
    assert f"Example: python -m components.{stage} --params params.yaml" in done.stdout


@pytest.mark.parametrize(
    "command", ["pipelines.cli", *(f"components.{stage}.__main__" for stage in STAGES)]
)
def test_help_waits_for_no_large_library(command):
    code = f"import sys, {command}; print({{'kfp', 'mlflow', 'tensorflow'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
