"""Every stage beside the plain way to do it: `make bench SIZE=tiny|small|medium`.

    python -m benchmarks.bench --size small [--only STAGE ...] [--keep FOLDER] [--compare COMMIT]

One table: CPU and wall seconds, bytes and memory of both, the ratio of CPU seconds per unit of
work beside the one required, and which share of our time the machine would need at its best. A
ratio is printed only where both gave the same. Where a whole plain run would take hours, it does
one tile with all its windows; ratios are per unit. Its cost stands beside that of the published
program where that is known. Numbers go to a JSON file per size; the last ones' ratios, or those of
a commit, are shown beside the new ones. `python -m benchmarks.performance_page` puts them into
docs/performance.md.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.rows import GOALS, RESULTS, Row, kept, table
from benchmarks.scene import SIZES, Scene
from benchmarks.stages import STAGES, whole_job


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--threads", type=int, default=1, help="cores of each process")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--keep", type=Path, help="where the workload and cubes stay, to go on")
    parser.add_argument("--compare", help="commit whose results are shown beside; else the last")
    chosen = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(chosen.threads)
    os.environ |= {"GROUNDSHIFT_TRACKING": "off", "TF_CPP_MIN_LOG_LEVEL": "3"}
    before = kept(chosen.size, chosen.results, chosen.compare)
    with ExitStack() as stack:
        folder = chosen.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        scene = Scene(chosen.size, folder, chosen.threads)
        for name in chosen.only:
            print(f"{name} ...", file=sys.stderr, flush=True)
            keep(chosen.results, scene, list(STAGES[name](scene)))
        keep(chosen.results, scene, filter(None, [whole_job(all_rows(chosen))]))
    found = kept(chosen.size, chosen.results)["rows"].values()
    print(*table(found, before["rows"]), sep="\n")


def keep(folder: Path, scene: Scene, rows: Iterable[Row]) -> None:
    """Put rows into the file of their size, in place of those of the same stages."""
    found = {row.stage: row.found() | {"commit": commit()} for row in rows}
    together = kept(scene.name, folder)["rows"] | found
    ordered = {stage: together[stage] for stage in GOALS if stage in together}
    numbers = {"machine": machine(), "limits": scene.limits, "rows": ordered}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{scene.name}.json").write_text(json.dumps(numbers, indent=1) + "\n")


def all_rows(chosen: argparse.Namespace) -> dict[str, Row]:
    """The rows that are kept, those of earlier runs included."""
    found = kept(chosen.size, chosen.results)["rows"]
    return {stage: Row.of(row) for stage, row in found.items()}


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
    }


def commit() -> str:
    """Where the code stands."""
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


if __name__ == "__main__":
    main()
