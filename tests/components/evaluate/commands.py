"""What tests of the stage's command line share."""

import json

from typer.testing import CliRunner

from components.evaluate.__main__ import app


def invoke(settings, *arguments):
    return CliRunner().invoke(app, ["--settings", settings.model_dump_json(), *map(str, arguments)])


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())
