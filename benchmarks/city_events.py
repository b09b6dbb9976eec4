"""How well changes of the synthetic city are found and dated, against threshold and polygonize.

    python -m benchmarks.city_events OBSERVATIONS CUBE [--seeds 3]

The images are those of the area `city`. The score maps are simulated, since many trained models are
too dear to compare ways of making events of their maps: the truth of every window, blurred and
weakened event by event, under noise that neighbouring windows and pixels share, with spells of
false alarm, and with changes of other kinds taken for urban ones at times. All get the same maps.
Each takes the threshold that is best on one half of the area and is judged on the other half.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from rasterio.features import rasterize, shapes
from scipy import ndimage
from shapely.geometry import shape

from groundshift.cube.store import CellCube, Cube
from groundshift.domain.time import DAY
from groundshift.events.objects import EventRule, ScoredWindows, find_objects
from groundshift.events.reviews import TYPES
from groundshift.events.series import ReadSums, cube_sums
from groundshift.events.table import WITHDRAWN, events_of
from groundshift.events.tracking import follow, quieten
from groundshift.observations.store import Observations
from groundshift.samples.labels.truth import POSITIVE, REJECTED, URBAN

LENGTH, EVERY = 182 * DAY, 12 * DAY
MIN_IOU = 0.25
THRESHOLDS = np.arange(0.3, 0.75, 0.1)
MIN_PIXELS = 4


@dataclass(frozen=True)
class World:
    """The city's cell with its truth, and the windows."""

    cube: CellCube
    truth: gpd.GeoDataFrame
    starts: Any
    ends: Any

    @classmethod
    def open(cls, observations: Path, cube: Path) -> "World":
        """Windows every `EVERY` over the period of the cube."""
        (cell_cube,) = Cube.open(cube).cells.values()
        truth = Observations.open(observations).truth.to_crs(str(cell_cube.cell.core.crs))
        first, last = cell_cube.times[0], cell_cube.times[-1]
        starts = np.arange(first, last - LENGTH, EVERY)
        truth = truth.assign(begin=_seconds(truth["start"]), stop=_seconds(truth["end"]))
        return cls(cell_cube, truth.reset_index(drop=True), starts, starts + LENGTH)

    def share(self, row: Any) -> Any:
        """Share of a change in each window."""
        if row.begin == row.stop:
            return ((self.starts <= row.begin) & (row.begin < self.ends)).astype(float)
        overlap = np.minimum(row.stop, self.ends) - np.maximum(row.begin, self.starts)
        return np.maximum(overlap, 0) / (row.stop - row.begin)

    def counted(self) -> gpd.GeoDataFrame:
        """Urban changes of at least four pixels of which half happened in some window."""
        kept = [
            row.kind == URBAN
            and self.share(row).max() >= POSITIVE
            and row.geometry.area >= MIN_PIXELS * 100
            for row in self.truth.itertuples()
        ]
        return self.truth[kept].reset_index(drop=True)


def simulated(world: World, seed: int) -> ScoredWindows:
    """Score maps of a detector that is neither blind nor perfect."""
    generator = np.random.default_rng(seed)
    grid = world.cube.cell.core
    size, windows = tuple(grid.shape), len(world.starts)
    raised = np.zeros((windows, *size), np.float32)
    for row in world.truth.itertuples():
        taken = row.kind == URBAN or generator.random() < 0.3
        strength = generator.beta(4, 1.5) * taken
        share = world.share(row)
        if not share.any():
            continue
        burnt = rasterize([row.geometry], size, transform=grid.transform, dtype=np.uint8)
        y, x = np.nonzero(burnt)
        for window in np.flatnonzero(share > 0):
            raised[window, y, x] = np.maximum(raised[window, y, x], strength * share[window])
    for _ in range(150):  # spells of false alarm: a few windows at one place
        y, x = (int(generator.integers(0, edge)) for edge in size)
        first, last = int(generator.integers(0, windows)), int(generator.integers(2, 6))
        height, width = generator.integers(2, 9, 2)
        raised[first : first + last, y : y + height, x : x + width] = generator.uniform(0.3, 1)
    common = _noise(generator, size)
    for window in range(windows):
        common = 0.9 * common + np.sqrt(1 - 0.81) * _noise(generator, size)
        blurred = ndimage.gaussian_filter(raised[window], 0.7)
        logit = -2.6 + 5.2 * blurred + 0.9 * common + 0.6 * _noise(generator, size)
        raised[window] = 1 / (1 + np.exp(-logit))
    return ScoredWindows(raised, world.starts, world.ends, grid)


def published(windows: ScoredWindows, threshold: float, read: ReadSums | None) -> gpd.GeoDataFrame:
    """Events as they are published."""
    rule = EventRule(threshold, 0.7 * threshold, MIN_PIXELS, confirm=2)
    found = find_objects(windows, rule, read=read)
    return events_of(found.parts, rule, str(windows.grid.crs))


def polygonized(windows: ScoredWindows, threshold: float) -> gpd.GeoDataFrame:
    """Threshold on the maximum, polygons, the median date of the maximum."""
    maximum, best = windows.scores.max(axis=0), windows.scores.argmax(axis=0)
    groups, _ = ndimage.label(maximum >= threshold)
    large = np.bincount(groups.ravel())[groups] >= MIN_PIXELS
    labels = np.where(large, groups, 0).astype(np.int32)
    outlines = shapes(labels, labels > 0, transform=windows.grid.transform)
    rows = [{"number": int(number), "geometry": shape(outline)} for outline, number in outlines]
    table = gpd.GeoDataFrame(rows, columns=["number", "geometry"], crs=str(windows.grid.crs))
    middles = ((windows.starts + windows.ends) / 2)[best]
    dates = ndimage.median(middles, labels, table["number"].to_numpy())
    return table.assign(date=pd.to_datetime(np.atleast_1d(dates), unit="s"))


OURS, BY_WINDOWS, SIMPLE = (
    "groundshift",
    "the same, dated by its windows",
    "threshold and polygonize",
)


def pairs(known: gpd.GeoDataFrame, found: gpd.GeoDataFrame) -> dict[int, int]:
    """Best overlaps first, at an intersection over union of at least `MIN_IOU`."""
    one, other = found.sindex.query(known.geometry, predicate="intersects")
    first = known.geometry.iloc[one].reset_index(drop=True)
    second = found.geometry.iloc[other].reset_index(drop=True)
    common = first.intersection(second).area
    alike = (common / (first.area + second.area - common)).to_numpy()
    chosen: dict[int, int] = {}
    for index in np.argsort(-alike, kind="stable"):
        k, f = int(one[index]), int(other[index])
        if alike[index] >= MIN_IOU and k not in chosen and f not in chosen.values():
            chosen[k] = f
    return chosen


def judge(world: World, found: gpd.GeoDataFrame, *, west: bool) -> dict[str, Any]:
    """Counts and date errors in one half; what matches an uncounted urban change counts nowhere."""
    left, right = world.cube.cell.core.boundingbox.range_x

    def half(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        inside = (table.centroid.x < (left + right) / 2) == west
        return table[inside].reset_index(drop=True)

    known, mine = half(world.counted()), half(found)
    chosen = pairs(known, mine)
    urban = half(world.truth[world.truth["kind"] == URBAN])
    excused = set(pairs(urban, mine).values()) - set(chosen.values())
    dates = (known["begin"] + known["stop"]).to_numpy() / 2
    rows = []
    for k, f in chosen.items():
        event = mine.iloc[f]
        row = {"cause": known["cause"].iloc[k], "direction": event.get("direction", "")}
        row["error"] = (event["date"].timestamp() - dates[k]) / DAY
        if event.get("date_method") == "change_point":
            row["held"] = event["date_from"].timestamp() <= dates[k] <= event["date_to"].timestamp()
        rows.append(row)
    vain = len(mine) - len(chosen) - len(excused)
    return {"known": len(known), "right": len(chosen), "vain": vain, "found": pd.DataFrame(rows)}


def f1(part: dict[str, Any]) -> float:
    """Of counts."""
    return float(2 * part["right"] / max(part["known"] + part["right"] + part["vain"], 1))


def next_run(windows: ScoredWindows, *, late: int = 5, rejected: int = 40, seed: int = 0) -> str:
    """What a run after late scenes makes of events, some of which were rejected.

    Args:
        windows: all of them, by which the second run finds its events; late scenes have moved
            every score a little.
        late: so many of the newest windows are not there yet in the first run.
        rejected: so many of the first run's events are.
        seed: of the noise and of what is rejected.
    """
    generator = np.random.default_rng(seed)
    before = replace(
        windows,
        scores=windows.scores[:-late],
        starts=windows.starts[:-late],
        ends=windows.ends[:-late],
    )
    moved = windows.scores + generator.normal(0, 0.03, windows.scores.shape).astype(np.float32)
    first = published(before, 0.5, None)
    picked = first.iloc[generator.choice(len(first), rejected, replace=False)]
    said = {"verdict": REJECTED, "class": "other", "by": "benchmark", "maps": ""}
    reviews = picked.assign(at=picked["date"], **said)[[*TYPES, "geometry"]].astype(TYPES)
    second = published(replace(windows, scores=moved), 0.5, None)
    known = follow(second, first, since=int(windows.starts[0]), apart=windows.apart)
    table = quieten(known, reviews, windows.apart)
    standing = table[table["state"] != WITHDRAWN]
    news = standing[standing["news"]]
    quiet = news["id"].isin(reviews["id"]) | (news["review_verdict"] == REJECTED)
    kept = standing["id"].isin(first["id"]).sum()
    return (
        f"{len(first)} events, {rejected} of them rejected; then {late} more windows, every score "
        f"moved by 0.03: {kept} are found again under their ids, {len(first) - kept} are withdrawn "
        f"or part of another, {len(news)} are news, {quiet.sum()} of the rejected are raised again."
    )


def _best(world: World, tried: dict[float, gpd.GeoDataFrame], *, west: bool) -> float:
    """The threshold of the greatest F1 in one half."""
    scores = {threshold: f1(judge(world, found, west=west)) for threshold, found in tried.items()}
    return max(scores, key=lambda threshold: scores[threshold])


def line(name: str, parts: list[dict[str, Any]]) -> str:
    """A row of the table, pooled over halves and seeds."""
    pooled = {key: sum(part[key] for part in parts) for key in ("known", "right", "vain")}
    found = pd.concat([part["found"] for part in parts])
    size = found["error"].abs()
    held = f"{found['held'].dropna().astype(bool).mean():.2f}" if "held" in found else ""
    return (
        f"| {name} | {pooled['right'] / (pooled['right'] + pooled['vain']):.2f} | "
        f"{pooled['right'] / pooled['known']:.2f} | {f1(pooled):.2f} | {size.median():.0f} d | "
        f"{size.quantile(0.9):.0f} d | {held} |"
    )


def main() -> None:
    """Compare, and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("observations", type=Path)
    parser.add_argument("cube", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    world = World.open(given.observations, given.cube)
    read = cube_sums(world.cube)
    results: dict[str, list[dict[str, Any]]] = {OURS: [], BY_WINDOWS: [], SIMPLE: []}
    begun = time.process_time()
    for seed in range(given.seeds):
        windows = simulated(world, seed)
        plain = {t: published(windows, t, None) for t in THRESHOLDS}
        simple = {t: polygonized(windows, t) for t in THRESHOLDS}
        dated: dict[float, gpd.GeoDataFrame] = {}
        for west in (True, False):
            best = _best(world, plain, west=west)
            if best not in dated:
                dated[best] = published(windows, best, read)
            results[OURS].append(judge(world, dated[best], west=not west))
            results[BY_WINDOWS].append(judge(world, plain[best], west=not west))
            best = _best(world, simple, west=west)
            results[SIMPLE].append(judge(world, simple[best], west=not west))
    print(
        f"{len(world.counted())} changes, {len(world.starts)} windows, {given.seeds} seeds of "
        f"simulated scores; {time.process_time() - begun:.0f} s of CPU time.\n\n"
        "| events | precision | recall | F1 | median date error | 90 % below | interval holds |\n"
        "| --- | --- | --- | --- | --- | --- | --- |"
    )
    print("\n".join(line(name, parts) for name, parts in results.items()))
    told = pd.concat([part["found"] for part in results[OURS]])
    counts = pd.crosstab(told["cause"], told["direction"])
    print(f"\n| cause | {' | '.join(counts.columns)} |\n| --- |{' --- |' * len(counts.columns)}")
    for row in counts.itertuples():
        print(f"| {' | '.join(map(str, row))} |")
    print("\n" + next_run(simulated(world, 0)))


def _noise(generator: np.random.Generator, size: tuple[int, ...]) -> Any:
    """Noise that neighbouring pixels share, of deviation 1."""
    smooth = ndimage.gaussian_filter(generator.standard_normal(size).astype(np.float32), 1.0)
    return smooth / smooth.std()


def _seconds(instants: pd.Series) -> Any:
    return instants.to_numpy("datetime64[s]").astype(np.int64)


if __name__ == "__main__":
    main()
