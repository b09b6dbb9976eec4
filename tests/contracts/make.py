"""Makes the fixtures of today's contract versions: `python -m tests.contracts.make`.

Run it once for every new version of a contract, into a folder of its own; the older ones stay as
they were written, since that is what later versions must read. A tiny made-up area goes through
the six stages; pictures and pages, which no reader opens, are left out.
"""

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from groundshift.artifacts import read_manifest
from groundshift.artifacts.manifest import VERSIONS
from groundshift.cube.store import Cube
from tests.contracts.readers import READERS
from tests.faults.world import FOLDERS, app, arguments, make_world

FIXTURES = Path(__file__).parents[1] / "data" / "contracts"
EXPECTED = "expected.json"
_LEFT_OUT = {".png", ".html", ".md"}
_EVERY = 16
"""Days from one image to the next, so that the fixtures stay small."""
_CHOSEN = ("window.length=48d", "window.min_steps=3", "train.variant=both")
"""Windows short enough to have neighbours, and so synthetic labels and betas; both streams."""


def make() -> None:
    """Write the fixtures of every contract's present version that are not there yet."""
    with tempfile.TemporaryDirectory() as name:
        made = make_world(Path(name), every=_EVERY)
        os.environ |= {"GROUNDSHIFT_WORK": str(made / "work"), "GROUNDSHIFT_TRACKING": "off"}
        _make_all(made)
        for contract, version in VERSIONS.items():
            folder = FIXTURES / f"v{version}" / contract
            if not folder.exists():
                _keep(made / contract, folder)


def _make_all(made: Path) -> None:
    """Every artifact there is, under the name of its contract."""
    for stage in FOLDERS:
        _run(stage, arguments(stage, made))
    (cell,) = Cube.open(made / "cube").cells
    known = arguments("fetch", made)[:4]
    folders = {name: ["--" + name, str(made / name)] for name in VERSIONS}
    _run("fetch", [*known, *folders["plan"]])
    _run("window", [*known, *folders["cube"], *folders["coefficients"]])
    _run("window", [*known, *folders["coefficients"], *folders["betas"]])
    _run("evaluate", [*known, *folders["cube"], *folders["model"], *folders["drift"]])
    read = [part for name in FOLDERS["infer"][:-1] for part in folders[name]]
    _run("infer", [*known, *read, *folders["scores"], "--cell", cell])


def _run(stage: str, options: list[str]) -> None:
    chosen = [part for setting in _CHOSEN for part in ("--set", setting)]
    outcome = CliRunner().invoke(app(stage), [*options, *chosen])
    if outcome.exit_code:
        raise SystemExit(f"{stage} ended with {outcome.exit_code}: {options}")


def _keep(artifact: Path, folder: Path) -> None:
    """Copy an artifact without its pictures, and write down what its reader says."""
    manifest = read_manifest(artifact, artifact.name)
    files = tuple(f for f in manifest.files if Path(f.path).suffix not in _LEFT_OUT)
    for entry in files:
        (folder / entry.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact / entry.path, folder / entry.path)
    dataclasses.replace(manifest, files=files).write(folder)
    told = READERS[folder.name](folder)
    expected = folder.parent / EXPECTED
    document = json.loads(expected.read_text()) if expected.is_file() else {}
    expected.write_text(json.dumps(document | {folder.name: told}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    make()
