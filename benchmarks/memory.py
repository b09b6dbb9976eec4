"""Peak memory of the stages as an area grows: `python -m benchmarks.memory`.

An area of made-up images (300 steps of 2 days, one orbit and one optical sensor) goes through the
six stages as one cell, or cut into cells (`--cell`), with the setting `memory`. Every stage is a
process of its own, imports included. Train and evaluate work on a few blocks, infer on one window:
their memory hangs on batches, blocks and windows, not on how many there are. Writes the table of
docs/robustness.md, size by size; what isn't measured now (`--until` a stage) stays as it was.
"""

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from rasterio.transform import from_origin

from pipelines.comparison.chain import READS, WRITES, measured

PAGE = Path(__file__).parents[1] / "docs" / "robustness.md"
BEGIN, END = "<!-- memory:begin -->", "<!-- memory:end -->"
STEP_DAYS, STEPS, WINDOW_DAYS = 2, 300, 90
START = date(2018, 1, 1)
PIXEL = 9.5
"""Metres, so that blocks of 1,024 pixels may be named: that is up to 10 km."""
CRS, ORIGIN = "EPSG:32631", (51 * 1024 * PIXEL, 576 * 1024 * PIXEL)
"""A corner of cells of 256, 512 and 1,024 pixels."""
RADAR, OPTICAL = ("VV",), ("B04", "B08")
DIFFERENT = 8
"""Images of a sensor that are not another one again."""
STAGES = READS | {"infer": ("cube", "samples", "model", "evaluation")}
MADE = WRITES | {"infer": "maps"}


@dataclass(frozen=True)
class Case:
    """One area: its edge and that of its cells in pixels, and the setting `memory`."""

    pixels: int
    cell: int
    memory: str

    @property
    def title(self) -> str:
        """As the table says it."""
        cells = "" if self.cell == self.pixels else f" in cells of {self.cell} x {self.cell}"
        return f"{self.pixels} x {self.pixels}{cells}"


def write_images(folder: Path, pixels: int, steps: int = STEPS) -> None:
    """Images of an area, radar and optical by turns, one per step.

    Their numbers are few and come again, so that the disk holds them; memory holds them all.
    """
    generator = np.random.default_rng(5)
    repeats = (1, -(-pixels // 128), -(-pixels // 128))
    radar = generator.integers(1, 9, (len(RADAR), 128, 128)).astype(np.float32) / 64
    optical = generator.integers(8, 16, (len(OPTICAL), 128, 128)).astype(np.uint16) * 100
    for step in range(steps):
        name, tile = ("s1", radar) if step % 2 else ("s2", optical)
        day = START + timedelta(days=STEP_DAYS * step)
        path = folder / name / f"{day:%Y%m%d}T000000.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        same = sorted(path.parent.iterdir())
        if len(same) < DIFFERENT:
            moved = np.roll(tile, step, axis=(1, 2))
            _write(path, np.tile(moved, repeats)[:, :pixels, :pixels])
        else:
            path.hardlink_to(same[step // 2 % DIFFERENT])


def _write(path: Path, values: Any) -> None:
    count, height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=values.dtype,
        crs=CRS,
        transform=from_origin(*ORIGIN, PIXEL, PIXEL),
    ) as image:
        image.write(values)


def params(images: Path, case: Case, steps: int = STEPS) -> dict[str, Any]:
    """The settings of a case: defaults, but for fewer windows and a subset to train on."""
    left, top = ORIGIN
    edge = PIXEL * case.pixels
    bounds = [left, top - edge, left + edge, top]
    end = START + timedelta(days=STEP_DAYS * steps)
    radar = {"mission": "sentinel1", "units": "linear", "bands": [*RADAR]}
    radar |= {"parts": [{"folder": "s1", "bands": [*RADAR]}]}
    optical = {"mission": "sentinel2", "units": "reflectance", "scale": 1e-4, "bands": [*OPTICAL]}
    optical |= {"parts": [{"folder": "s2", "bands": [*OPTICAL]}]}
    return {
        "task": "change",
        "memory": case.memory,
        "area": {
            "bounds": bounds,
            "bounds_crs": CRS,
            "crs": CRS,
            "resolution": PIXEL,
            "cell": PIXEL * case.cell,
        },
        "period": {"start": str(START), "end": str(end)},
        "fetch": {"files": {"root": str(images), "sensors": {"s1": radar, "s2": optical}}},
        "stack": {"step": f"{STEP_DAYS}d", "radar": ["s1"], "optical": "s2"},
        "window": {
            "kind": "single",
            "length": f"{WINDOW_DAYS}d",
            "min_steps": 4,
            "stride": 64,
            "labels": "truth",
            "truth": str(images / "truth.geojson"),
            "split": {
                "block": 64,
                "buffer": 0,
                "assign": {"training": [0, 1], "validation": [2], "test": [3]},
            },
        },
        "train": {"epochs": 1},
        "evaluate": {"bootstrap": 5},
        "infer": {"stride": 8},
        "areas": {"square": None},
    }


def write_truth(folder: Path) -> None:
    """Some buildings on the blocks that are learnt from and judged."""
    features = []
    for number in range(4):
        left, top = ORIGIN[0] + 64 * PIXEL * number + 100, ORIGIN[1] - 100
        ring = [[left, top], [left + 200, top], [left + 200, top - 200], [left, top - 200]]
        day = str(START + timedelta(days=STEP_DAYS * STEPS // 3))
        known = {"id": f"house-{number}", "kind": "urban", "start": day, "end": day}
        geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
        features.append({"type": "Feature", "properties": known, "geometry": geometry})
    crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:{CRS.replace(':', '::')}"}}
    document = {"type": "FeatureCollection", "crs": crs, "features": features}
    (folder / "truth.geojson").write_text(json.dumps(document))


def peaks(case: Case, folder: Path, stages: Sequence[str] = tuple(STAGES)) -> Iterator[float]:
    """Run the stages of a case in a folder that holds its images: peak of each in MB."""
    (folder / "params.yaml").write_text(yaml.safe_dump(params(folder, case)))
    made = Path(tempfile.mkdtemp(dir=folder))
    os.environ |= {"GROUNDSHIFT_WORK": str(made / "work"), "GROUNDSHIFT_TRACKING": "off"}
    for stage in stages:
        folders = [*STAGES[stage], MADE[stage]]
        words = [sys.executable, "-m", f"components.{stage}"]
        words += ["--params", str(folder / "params.yaml")]
        words += [part for name in folders for part in (f"--{name}", str(made / name))]
        log = made / f"{stage}.log"
        with log.open("wb") as file:
            code, seconds, peak = measured(words, file)
        if code:
            raise SystemExit(f"{stage} ended with {code}:\n{log.read_text()[-2000:]}")
        print(f"{case.title}: {stage} {peak:.0f} MB, {seconds:.0f} CPU s", file=sys.stderr)
        yield peak


def with_row(page: str, name: str, row: Sequence[float]) -> str:
    """The page with a row between its two marks, in place of the one of that name.

    Of a row that ends early the other columns stay.
    """
    before, table, after = re.split(f"{BEGIN}\n(.*?){END}", page, maxsplit=1, flags=re.DOTALL)
    rows = dict(re.findall(r"^\| (.*?) \| (.*) \|$", table, flags=re.MULTILINE))
    rows |= {"pixels": " | ".join(STAGES), "---": " | ".join("---" for _ in STAGES)}
    kept = rows.get(name, "").split(" | ")[len(row) :]
    rows[name] = " | ".join([*(f"{value:.0f}" for value in row), *kept])
    lines = [f"| {name} | {values} |" for name, values in rows.items()]
    return "\n".join([before + BEGIN, *lines, END + after])


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--cell", type=int, help="edge of the cells in pixels; else there is one")
    parser.add_argument("--memory", default="2.5GB", help="the setting")
    parser.add_argument("--until", choices=STAGES, default=[*STAGES][-1], help="the last stage")
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args()
    page: Path = chosen.page
    stages = [*STAGES][: [*STAGES].index(chosen.until) + 1]
    for case in (Case(size, chosen.cell or size, chosen.memory) for size in chosen.sizes):
        with tempfile.TemporaryDirectory() as name:
            write_images(Path(name), case.pixels)
            write_truth(Path(name))
            row = list(peaks(case, Path(name), stages))
        page.write_text(with_row(page.read_text(), case.title, row))


if __name__ == "__main__":
    main()
