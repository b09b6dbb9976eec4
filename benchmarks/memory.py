"""Peak memory of the stages as an area grows: `python -m benchmarks.memory [--out docs/memory.md]`.

An area of made-up images (300 steps of 2 days, one orbit and one optical sensor) goes through the
six stages in cells of 256 pixels, with the setting `memory`. Every stage is a process of its own;
its imports are measured by its help. Train and evaluate work on a few blocks, infer on two windows:
their memory hangs on batches, blocks and windows, not on how many there are.
"""

import argparse
import json
import os
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

STEP_DAYS, STEPS, WINDOW_DAYS = 2, 300, 90
START = date(2018, 1, 1)
CRS, ORIGIN = "EPSG:32631", (499_200, 5_600_000)  # a corner of cells of 2560 m
RADAR, OPTICAL = ("VV",), ("B04", "B08")
DIFFERENT = 8
"""Images of a sensor that are not another one again."""
CELL = 256  # pixels
HALO = 48
STAGES = READS | {"infer": ("cube", "samples", "model", "evaluation")}
MADE = WRITES | {"infer": "maps"}


@dataclass(frozen=True)
class Case:
    """One area: its edge in pixels, and the setting `memory`."""

    pixels: int
    memory: str

    @property
    def title(self) -> str:
        """As the table says it."""
        count = (-(-self.pixels // CELL)) ** 2
        return f"{self.pixels} x {self.pixels}, {count} cell{'s' if count > 1 else ''}"


def write_images(folder: Path, pixels: int, steps: int = STEPS) -> None:
    """Images of an area with its halo, radar and optical by turns, one per step.

    Their numbers are few and come again, so that the disk holds them; memory holds them all.
    """
    generator = np.random.default_rng(5)
    edge = pixels + 2 * HALO
    repeats = (1, -(-edge // 128), -(-edge // 128))
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
            _write(path, np.tile(moved, repeats)[:, :edge, :edge])
        else:
            path.hardlink_to(same[step // 2 % DIFFERENT])


def _write(path: Path, values: Any) -> None:
    count, height, width = values.shape
    left, top = (ORIGIN[0] - 10 * HALO, ORIGIN[1] + 10 * HALO)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=values.dtype,
        crs=CRS,
        transform=from_origin(left, top, 10, 10),
    ) as image:
        image.write(values)


def params(images: Path, case: Case, steps: int = STEPS) -> dict[str, Any]:
    """The settings of a case: defaults, but for fewer windows and a subset to train on."""
    left, top = ORIGIN
    bounds = [left, top - 10 * case.pixels, left + 10 * case.pixels, top]
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
            "cell": 10 * CELL,
            "halo": HALO,
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
        "infer": {"stride": 4},
        "areas": {"square": None},
    }


def write_truth(folder: Path) -> None:
    """Some buildings on the blocks that are learnt from and judged."""
    features = []
    for number in range(4):
        left, top = ORIGIN[0] + 640 * number + 100, ORIGIN[1] - 100
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


def imports() -> Iterator[float]:
    """Memory of each stage's imports in MB: of the command that prints its help."""
    for stage in STAGES:
        with Path(os.devnull).open("wb") as nowhere:
            yield measured([sys.executable, "-m", f"components.{stage}", "--help"], nowhere)[2]


def table(rows: dict[str, Sequence[float]]) -> str:
    """The figures as Markdown."""
    lines = [f"| pixels | {' | '.join(STAGES)} |", f"| --- |{' --- |' * len(STAGES)}"]
    lines += [f"| {name} | {' | '.join(f'{v:.0f}' for v in row)} |" for name, row in rows.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--memory", default="2.5GB", help="the setting")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    rows: dict[str, Sequence[float]] = {"imports": list(imports())}
    for case in (Case(size, chosen.memory) for size in chosen.sizes):
        with tempfile.TemporaryDirectory() as name:
            write_images(Path(name), case.pixels)
            write_truth(Path(name))
            rows[case.title] = list(peaks(case, Path(name)))
        if chosen.out:
            chosen.out.write_text(table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
