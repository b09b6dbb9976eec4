"""The tables of docs/performance.md, made from the kept results of the benchmarks.

`python -m benchmarks.performance_page` writes them into the page: what `make bench` measured, what
that means per km2 and year and for some areas, and how cost grows.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import RESULTS, kept, table

SIZES = ("medium", "small", "tiny")
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
STEPS = 155
"""Steps of two days with an observation in a year, about, since 2017."""
TILES_PER_KM2 = 1e6 / 320**2
PRICE = 0.08
"""USD per core and hour, about what large clouds ask for a core of their own."""
AREAS = (
    ("a city, 500 km2, 4 years", 500 * 4, "a laptop of 8 cores", 8),
    ("a region, 10,000 km2, 4 years", 10_000 * 4, "10 nodes of 16 cores", 160),
    ("the same, monitored for a year", 10_000, "one core, a little a day", 1),
)
"""Words, km2 times years, machines, their cores."""
CHECKED = {"apart": "no value near a bend", "initial": "initial", "published": "published"}
"""The weights that gradients are compared with: in the results, in words."""

Rows = Mapping[str, Mapping[str, Any]]


def tables(results: Path = RESULTS) -> dict[str, str]:
    """Every table that the results are enough for, by its name on the page."""
    found = {size: kept(size, results) for size in SIZES}
    measured = {size: each for size, each in found.items() if each["rows"]}
    made = {"bench": [line for size, each in measured.items() for line in _measured(size, each)]}
    rows = found["medium"]["rows"]
    if "stack" in rows and "network, stride 5" in rows:
        rates = rates_of(rows)
        made |= {"rates": [*_rates(rates)], "areas": [*_areas(rates)]}
    if "training step" in rows:
        made["gradients"] = [*_gradients(rows["training step"]["notes"])]
    growth = results / "growth.json"
    if growth.exists():
        made["growth"] = [*_growth(json.loads(growth.read_text()))]
    return {name: "\n".join(lines).strip() for name, lines in made.items()}


def with_tables(page: str) -> str:
    """The page with its tables made anew, each between its two marks.

    One that the results are not enough for stays as it is.
    """
    for name, content in tables().items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, after = re.split(f"{begin}.*?{end}", page, maxsplit=1, flags=re.DOTALL)
        page = f"{before}{begin}\n{content}\n{end}{after}"
    return page


def rates_of(rows: Rows) -> dict[str, tuple[int | None, float]]:
    """By what is done: windows per year, and CPU seconds per km2 and year.

    Args:
        rows: of a size; those that are missing are left out.
    """
    found: dict[str, tuple[int | None, float]] = {}
    if "stack" in rows:
        found["stack"] = (None, rows["stack"]["ours"]["cpu_s"] / _km2_years(rows))
    for words, stage, stride, side in (
        ("betas and labels of every window", "betas and labels", 1, 0),
        ("maps, stride 5", "network, stride 5", 5, 0),
        ("maps, stride 1", "network, stride 1", 1, 0),
        ("the same at stride 5 by Keras", "network, stride 5", 5, 1),
    ):
        if stage in rows:
            cost = rows[stage]["plain" if side else "ours"]["cpu_s"] / rows[stage]["units"][side]
            found[words] = (STEPS // stride, cost * TILES_PER_KM2 * STEPS / stride)
    return found


def _km2_years(rows: Rows) -> float:
    notes = rows["stack"]["notes"]
    return float(notes["km2"] * notes["years"])


def _measured(size: str, found: Mapping[str, Any]) -> Iterable[str]:
    limits, rows = found["limits"], found["rows"].values()
    commits = ", ".join(dict.fromkeys(row["commit"] for row in rows))
    yield f"`{size}`, measured at {commits}:"
    yield ""
    yield from table(rows, {})
    yield ""
    yield (
        f"The machine's limits in the same run, one thread: {limits['copy_gb_per_cpu_s']:.1f} GB/s "
        f"copied, {limits['gemm_gflop_per_cpu_s']:.0f} GFLOP/s of a matrix product, "
        f"{limits['disk_mb_per_s']:.0f} MB/s written."
    )
    yield ""


def _rates(rates: Mapping[str, tuple[int | None, float]]) -> Iterable[str]:
    yield "| | windows per year | CPU s per km2 and year, halo included |"
    yield "| --- | --- | --- |"
    for words, (windows, cost) in rates.items():
        yield f"| {words} | {windows or '-'} | {cost:.2g} |"


def _areas(rates: Mapping[str, tuple[int | None, float]]) -> Iterable[str]:
    cost = rates["stack"][1] + rates["maps, stride 5"][1]
    yield f"| area | core hours | on | wall time | at {PRICE} USD per core and hour |"
    yield "| --- | --- | --- | --- | --- |"
    for words, size, machines, cores in AREAS:
        hours = cost * size / 3600
        wall = "-" if cores == 1 else f"{60 * hours / cores:.0f} min"
        yield f"| {words} | {hours:.1f} | {machines} | {wall} | {PRICE * hours:.1f} USD |"
    yield "| any of these | - | a GPU | not measured: none was at hand | - |"


def _gradients(notes: Mapping[str, float]) -> Iterable[str]:
    yield "| weights | ours to float64 | Keras' float32 to float64 | ours to Keras' float32 |"
    yield "| --- | --- | --- | --- |"
    for check, words in CHECKED.items():
        pairs = ("ours_to_float64", "keras_to_float64", "ours_to_keras")
        found = " | ".join(f"{notes[f'{check}_{pair}']:.1e}" for pair in pairs)
        yield f"| {words} | {found} |"


def _growth(costs: Mapping[str, Sequence[Mapping[str, float]]]) -> Iterable[str]:
    yield "| | 1 | 2 | 4 times as much | MB above imports |"
    yield "| --- | --- | --- | --- | --- |"
    for name, found in costs.items():
        seconds = " | ".join(f"{each['cpu_s']:.2f}" for each in found)
        memory = ", ".join(f"{each['peak_mb']:.0f}" for each in found)
        yield f"| {name} | {seconds} | {memory} |"


def main() -> None:
    """Write the page."""
    PAGE.write_text(with_tables(PAGE.read_text()))


if __name__ == "__main__":
    main()
