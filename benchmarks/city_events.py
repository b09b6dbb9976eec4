"""How well changes of the synthetic city are found and dated, against threshold and polygonize.

    python -m benchmarks.city_events OBSERVATIONS CUBE [--seeds 3]
    python -m benchmarks.city_events OBSERVATIONS CUBE --maps MAPS [--samples SAMPLES]

The images are those of the area `city`. With MAPS, the scores are those of a trained network, as
the infer stage wrote them; with SAMPLES, thresholds are chosen on its validation blocks and events
judged on its test blocks. Else the scores are simulated: the truth of every window, blurred and
weakened event by event, under noise that neighbouring windows and pixels share, with spells of
false alarm, and with changes of other kinds taken for urban ones at times. All ways get the same
maps. Without SAMPLES each takes the threshold that is best on one half of the area and is judged on
the other half.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from rasterio.features import rasterize
from scipy import ndimage
from shapely import box, union_all
from shapely.geometry.base import BaseGeometry

from groundshift.cube.store import CellCube, Cube
from groundshift.domain.time import DAY
from groundshift.events.objects import EventRule, ScoredWindows, find_objects
from groundshift.events.polygonized import polygonize
from groundshift.events.reviews import TYPES
from groundshift.events.series import ReadSums, cube_sums
from groundshift.events.table import WITHDRAWN, events_of
from groundshift.events.tracking import follow, quieten
from groundshift.observations.store import Observations
from groundshift.products.maps import mapped_windows, read_map, score_path
from groundshift.samples.labels.truth import POSITIVE, REJECTED, URBAN
from groundshift.samples.store import Samples

LENGTH, EVERY = 182 * DAY, 12 * DAY
MIN_IOU = 0.25
QUANTILES = (0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.985)
"""Of the greatest scores: thresholds that come into question."""
MIN_PIXELS = 4


@dataclass(frozen=True)
class World:
    """The city's cell with its truth, and the windows."""

    cube: CellCube
    truth: gpd.GeoDataFrame
    starts: Any
    ends: Any

    @classmethod
    def open(cls, observations: Path, cube: Path, maps: Path | None = None) -> "World":
        """The windows of some maps, or else one every `EVERY` over the period of the cube."""
        (cell_cube,) = Cube.open(cube).cells.values()
        truth = Observations.open(observations).truth.to_crs(str(cell_cube.cell.core.crs))
        first, last = cell_cube.times[0], cell_cube.times[-1]
        starts = np.arange(first, last - LENGTH, EVERY)
        ends = starts + LENGTH
        if maps is not None:
            windows = mapped_windows(maps, cell_cube.cell)
            starts, ends = np.array([(window.start, window.end) for window in windows]).T
        truth = truth.assign(begin=_seconds(truth["start"]), stop=_seconds(truth["end"]))
        return cls(cell_cube, truth.reset_index(drop=True), starts, ends)

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


def mapped(world: World, maps: Path) -> ScoredWindows:
    """The scores of a trained network."""
    cell = world.cube.cell
    paths = [score_path(maps, cell, window) for window in mapped_windows(maps, cell)]
    scores = np.stack([read_map(path) for path in paths])
    return ScoredWindows(scores, world.starts, world.ends, cell.core)


Grounds = list[tuple[BaseGeometry, BaseGeometry]]
"""Where a threshold is chosen, and where events are judged by it."""


def halves(world: World) -> Grounds:
    """Each half of the area by the threshold of the other."""
    left, bottom, right, top = world.cube.cell.core.boundingbox.bbox
    middle = (left + right) / 2
    west, east = box(left, bottom, middle, top), box(middle, bottom, right, top)
    return [(west, east), (east, west)]


def blocks(world: World, samples: Path) -> Grounds:
    """The test blocks by the threshold of the validation blocks."""
    splits, transform = Samples.open(samples).splits, world.cube.cell.core.transform
    rows, columns = world.cube.cell.inner
    ground = {}
    for split in ("validation", "test"):
        patches = splits[splits["split"] == split]
        corners = [
            (
                transform @ (row.x0 - columns.start, row.y1 - rows.start),
                transform @ (row.x1 - columns.start, row.y0 - rows.start),
            )
            for row in patches.itertuples()
        ]
        ground[split] = union_all([box(*low, *high) for low, high in corners])
    return [(ground["validation"], ground["test"])]


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


def judge(world: World, found: gpd.GeoDataFrame, ground: BaseGeometry) -> dict[str, Any]:
    """Counts and date errors on some ground.

    What matches an urban change that doesn't count, or a change off the ground, counts nowhere.
    """
    counted = world.counted()
    known = counted[counted.centroid.within(ground)].reset_index(drop=True)
    mine = found[found.centroid.within(ground)].reset_index(drop=True)
    chosen = pairs(known, mine)
    urban = world.truth[world.truth["kind"] == URBAN].reset_index(drop=True)
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


def _best(world: World, tried: dict[float, gpd.GeoDataFrame], ground: BaseGeometry) -> float:
    """The threshold of the greatest F1 on some ground."""
    scores = {threshold: f1(judge(world, found, ground)) for threshold, found in tried.items()}
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


Results = dict[str, list[dict[str, Any]]]


def compared(world: World, windows: ScoredWindows, grounds: Grounds, results: Results) -> None:
    """Judge all ways of making events of some maps, and add to what was found before."""
    read = cube_sums(world.cube)
    thresholds = np.quantile(windows.scores.max(axis=0), QUANTILES)
    plain = {t: published(windows, t, None) for t in thresholds}
    simple = {t: polygonize(windows, t, MIN_PIXELS) for t in thresholds}
    dated: dict[float, gpd.GeoDataFrame] = {}
    for choice, ground in grounds:
        best = _best(world, plain, choice)
        if best not in dated:
            dated[best] = published(windows, best, read)
        results[OURS].append(judge(world, dated[best], ground))
        results[BY_WINDOWS].append(judge(world, plain[best], ground))
        best = _best(world, simple, choice)
        results[SIMPLE].append(judge(world, simple[best], ground))


def main() -> None:
    """Compare, and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("observations", type=Path)
    parser.add_argument("cube", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--maps", type=Path)
    parser.add_argument("--samples", type=Path)
    given = parser.parse_args()
    world = World.open(given.observations, given.cube, given.maps)
    results: Results = {OURS: [], BY_WINDOWS: [], SIMPLE: []}
    begun = time.process_time()
    grounds = halves(world) if given.samples is None else blocks(world, given.samples)
    if given.maps is not None:
        compared(world, mapped(world, given.maps), grounds, results)
    else:
        for seed in range(given.seeds):
            compared(world, simulated(world, seed), grounds, results)
    known = sum(part["known"] for part in results[OURS])
    print(
        f"{known} changes, {len(world.starts)} windows; {time.process_time() - begun:.0f} s of "
        "CPU time.\n\n"
        "| events | precision | recall | F1 | median date error | 90 % below | interval holds |\n"
        "| --- | --- | --- | --- | --- | --- | --- |"
    )
    print("\n".join(line(name, parts) for name, parts in results.items()))
    told = pd.concat([part["found"] for part in results[OURS]])
    counts = pd.crosstab(told["cause"], told["direction"])
    print(f"\n| cause | {' | '.join(counts.columns)} |\n| --- |{' --- |' * len(counts.columns)}")
    for row in counts.itertuples():
        print(f"| {' | '.join(map(str, row))} |")
    if given.maps is None:
        print("\n" + next_run(simulated(world, 0)))


def _noise(generator: np.random.Generator, size: tuple[int, ...]) -> Any:
    """Noise that neighbouring pixels share, of deviation 1."""
    smooth = ndimage.gaussian_filter(generator.standard_normal(size).astype(np.float32), 1.0)
    return smooth / smooth.std()


def _seconds(instants: pd.Series) -> Any:
    return instants.to_numpy("datetime64[s]").astype(np.int64)


if __name__ == "__main__":
    main()
