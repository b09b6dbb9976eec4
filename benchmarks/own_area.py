"""An area of one's own from GeoJSON to report: the commands of docs/fetch.md, as they stand there.

    python -m benchmarks.own_area [--edge 128] [--no-shorter]    # --edge 500: its 25 km2

The page's example is put into `params.yaml` of a copy of the project, its GeoJSON is drawn over the
synthetic city, and its commands are run one by one. Only the provider's address is another one: a
service on this machine that has the city's images as the Planetary Computer has real ones.
"""

import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import geopandas as gpd
import typer
import yaml
from shapely.geometry import box

from groundshift.observations.sources.stac.offers import PLANETARY_COMPUTER
from groundshift.settings import PeriodSettings, merge
from tests.stac import city
from tests.stac.service import Api, serving

ROOT = Path(__file__).parents[1]
PAGE, HEADING = ROOT / "docs" / "fetch.md", "### 25 km2 of one's own in three commands"
_COPIED = ("components", "groundshift", "pipelines", "demo", "dvc.yaml", "params.yaml")
_SHORTER: dict[str, Any] = {
    "train": {"epochs": 2},
    "evaluate": {"baselines": False, "bootstrap": 20, "stride": 10},
    "infer": {"stride": 20},
}
_SMALL: dict[str, Any] = {"window": {"split": {"block": 16, "buffer": 0}, "patch": 16}}
_FEW = 320
"""Pixels of a side below which no three splits fit into blocks of the usual size."""


def main(
    edge: Annotated[int, typer.Option(help="Pixels of a side, from 128; 500 are 25 km2.")] = 128,
    shorter: Annotated[bool, typer.Option(help="Less training, fewer maps.")] = True,
) -> None:
    """Run the page's commands and print what each takes and says."""
    example, commands = documented()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        period = PeriodSettings.model_validate(example["period"])
        own = city.source("s12", "L2A", period, 10, edge)
        middle = edge // 4 * 2
        tiles = {"31UFR": (0, middle + 10), "31UGR": (middle - 10, edge)}
        everything = len(own.acquisitions)
        products = city.sentinel2(PLANETARY_COMPUTER, own, everything, edge, tiles)
        api = Api(products + city.sentinel1(own, everything, edge), Path(folder) / "archive")
        api.signed = True
        with serving(api):
            changes = merge(_SMALL if edge < _FEW else {}, _SHORTER if shorter else {})
            prepare(project, example, api, edge, changes)
            for command in commands:
                print(f"\n$ {command}\n{ran(command, project)}", flush=True)
        reports = sorted(path.relative_to(project) for path in project.rglob("report.html"))
        print(f"\nreports: {', '.join(str(path) for path in reports)}")
        print(f"requests for images: {len(api.asked)}, {api.bytes / 1e6:.1f} MB")


def documented() -> tuple[dict[str, Any], list[str]]:
    """The page's example of an area, and its commands."""
    text = PAGE.read_text()
    section = text[text.index(HEADING) :]
    blocks = re.findall(r"^```(yaml|sh)\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    example = yaml.safe_load(next(body for kind, body in blocks if kind == "yaml"))
    commands = next(body for kind, body in blocks if kind == "sh").strip().splitlines()
    return example["areas"]["myarea"], commands


def prepare(
    project: Path, example: dict[str, Any], api: Api, edge: int, changes: dict[str, Any]
) -> None:
    """Copy the project, add the area to its settings, and draw it."""
    for name in _COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, project / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, project)
    inner = city.LEFT, city.TOP - edge * 10, city.LEFT + edge * 10, city.TOP
    ground = gpd.GeoSeries([box(*inner).buffer(-5)], crs=city.CRS).to_crs("EPSG:4326")
    outline = project / example["area"]["geometry"]
    outline.parent.mkdir()
    outline.write_text(ground.to_json())
    here = {"fetch": {"stac": {"url": api.url, "token_url": f"{api.url}/token"}}}
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["areas"]["myarea"] = merge(merge(example, here), changes)
    (project / "params.yaml").write_text(yaml.safe_dump(params))


def ran(command: str, project: Path) -> str:
    """Run a command of the page in the project; its processor time and its last words."""
    words = shlex.split(command)
    module = ["-m", "pipelines", *words[1:]] if words[0] == "groundshift" else words[1:]
    variables = {k: v for k, v in os.environ.items() if not k.startswith("GROUNDSHIFT")}
    variables |= {"PYTHONPATH": str(project), "NO_PROXY": "127.0.0.1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, *module], cwd=project, env=variables, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    last = done.stdout.strip().splitlines()[-1]
    if last.startswith("{"):
        last = "\n".join(json.loads(last)["notes"])
    else:
        last = "\n".join(done.stdout.strip().splitlines()[-8:])
    return f"({spent:.0f} s of one core)\n{last}"


if __name__ == "__main__":
    typer.run(main)
