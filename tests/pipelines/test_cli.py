import json
from pathlib import Path

from typer.testing import CliRunner

from pipelines import outcome
from pipelines.cli import app

ROOT = Path(__file__).parents[2]


def artifact(folder: Path, name: str, started: float) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "manifest.json").write_text(json.dumps({"record": {"started": started}}))


def test_an_unknown_area_is_refused_before_anything_starts(monkeypatch):
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(app, ["run", "--area", "atlantis"])
    assert result.exit_code == 2
    assert "area 'atlantis' is not in params.yaml: expected one of demo" in result.stderr


def test_outside_a_project_the_error_says_where_to_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == 2
    assert "Run from the project's folder" in result.stderr


def test_a_run_names_what_it_made_and_what_was_left(tmp_path):
    for name in outcome.ARTIFACTS:
        artifact(tmp_path, name, started=100.0)
    text = outcome.describe(tmp_path, since=200.0)
    assert "Nothing to do" in text
    artifact(tmp_path / "again", "maps", started=300.0)
    metrics = tmp_path / "again" / "evaluation" / "metrics.json"
    metrics.parent.mkdir()
    metrics.write_text(json.dumps({"headline": {"pr_auc": 0.5, "why": "text"}}))
    text = outcome.describe(tmp_path / "again", since=200.0)
    assert "Made anew: maps." in text
    assert "pr_auc 0.500 (held-out blocks" in text


def test_the_settings_page_is_the_one_in_docs():
    made = CliRunner().invoke(app, ["settings"])
    assert made.exit_code == 0
    expected = (ROOT / "docs" / "settings.md").read_text()
    assert made.stdout == expected, "run: groundshift settings > docs/settings.md"
