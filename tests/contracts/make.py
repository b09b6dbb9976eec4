"""Makes the fixtures of today's contract versions: `python -m tests.contracts.make`.

Run it once for every new version of a contract, into a folder of its own; the older ones stay as
they were written, since that is what later versions must read. A tiny made-up area goes through
the six stages of each task; pictures and pages, which no reader opens, are left out.
"""

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import yaml
from rasterio.transform import from_origin
from typer.testing import CliRunner

from groundshift.artifacts import read_manifest
from groundshift.artifacts.manifest import VERSIONS
from groundshift.cube.store import Cube
from tests.contracts.readers import contracts_of, told_by
from tests.faults.world import (
    BLOCK,
    CRS,
    FOLDERS,
    LEFT,
    PIXELS,
    TOP,
    app,
    arguments,
    make_world,
    params,
)

FIXTURES = Path(__file__).parents[1] / "data" / "contracts"
PLACES = {"change": FIXTURES, "landcover": FIXTURES / "landcover"}
"""Where each task's fixtures lie."""
EXPECTED = "expected.json"
_LEFT_OUT = {".png", ".html", ".md", ".js", ".css", ".webp"}
_EVERY = 16
"""Days from one image to the next, so that the fixtures stay small."""
_CHOSEN = {
    # Windows short enough to have neighbours, and so synthetic labels and betas; both streams.
    "change": ("window.length=48d", "window.min_steps=3", "train.variant=both"),
    "landcover": (),
}


def make() -> None:
    """Write the fixtures of every contract's present version that are not there yet."""
    for task, place in PLACES.items():
        missing = {
            contract: folder
            for contract in contracts_of(task)
            if not (folder := place / f"v{VERSIONS[contract]}" / contract).exists()
        }
        with tempfile.TemporaryDirectory() as name:
            made = make_world(Path(name), every=_EVERY)
            os.environ |= {"GROUNDSHIFT_WORK": str(made / "work"), "GROUNDSHIFT_TRACKING": "off"}
            if task == "landcover":
                _map_land_cover(made)
            if missing:
                _make_all(task, made)
            for contract, folder in missing.items():
                _keep(made / contract, folder)


def _map_land_cover(made: Path) -> None:
    """Let the area's settings be of land cover, with a reference of two classes."""
    reference = np.ones((PIXELS, PIXELS), np.uint8)
    reference[PIXELS // 2 :] = 2
    known = {"count": 1, "height": PIXELS, "width": PIXELS, "dtype": "uint8", "crs": CRS}
    known |= {"transform": from_origin(LEFT, TOP, 10, 10)}
    with rasterio.open(made / "reference.tif", "w", driver="GTiff", **known) as raster:
        raster.write(reference, 1)
    whole = params(made)
    assigned = {"training": [0, 2, 6, 8], "validation": [1, 7], "test": [3, 4, 5]}
    whole |= {
        "task": "landcover",
        "window": {
            "reference": str(made / "reference.tif"),
            "classes": [
                {"name": "north", "codes": [1], "colour": "#1f6b3a"},
                {"name": "south", "codes": [2], "colour": "#b7d968"},
            ],
            "interval": "32d",
            "erode": 0,
            "per_class": 12,
            "patch": BLOCK // 2,
            "split": {"block": BLOCK, "buffer": 0, "assign": assigned},
        },
        "train": {"rounds": 3, "min_leaf": 2},
        "evaluate": {"bootstrap": 5},
        "infer": {},
    }
    (made / "params.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))


def _make_all(task: str, made: Path) -> None:
    """Every artifact there is, under the name of its contract."""
    run = partial(_run, _CHOSEN[task])
    for stage in FOLDERS:
        run(stage, arguments(stage, made))
    (cell,) = Cube.open(made / "cube").cells
    known = arguments("fetch", made)[:4]
    folders = {name: ["--" + name, str(made / name)] for name in VERSIONS}
    run("fetch", [*known, *folders["plan"]])
    run("window", [*known, *folders["cube"], *folders["coefficients"]])
    run("window", [*known, *folders["coefficients"], *folders["betas"]])
    if "drift" in contracts_of(task):
        run("evaluate", [*known, *folders["cube"], *folders["model"], *folders["drift"]])
    read = [part for name in FOLDERS["infer"][:-1] for part in folders[name]]
    run("infer", [*known, *read, *folders["scores"], "--cell", cell])


def _run(settings: Sequence[str], stage: str, options: list[str]) -> None:
    chosen = [part for setting in settings for part in ("--set", setting)]
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
    told = told_by(folder)
    expected = folder.parent / EXPECTED
    document = json.loads(expected.read_text()) if expected.is_file() else {}
    expected.write_text(json.dumps(document | {folder.name: told}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    make()
