"""The rows of the benchmark, stage by stage; each measures both ways and compares their outputs."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from benchmarks import mapping, network, samples
from benchmarks.measuring import Cost, Side, alone, by_turns
from benchmarks.network import DIRECT, TILE
from benchmarks.plain_labels import plain_betas, plain_labels
from benchmarks.plain_windows import listed
from benchmarks.rows import Row
from benchmarks.scene import STRIDE, Scene
from benchmarks.stack import stack_settings
from groundshift.domain.cells import Cell
from groundshift.domain.time import DAY
from groundshift.observations.store import Observations
from groundshift.samples.labels.index import index_bands
from groundshift.samples.labels.synthetic import Formula
from groundshift.samples.splits import patches

LABELLED = 3 / 8
"""Share of the tiles that the published program computes labels of (method section 6.6)."""


def stacking(scene: Scene) -> Iterator[Row]:
    """Observations to a cube."""
    costs, same = scene.stacked
    ours, plain = costs["stack"], costs["baseline"]
    size = sum(path.stat().st_size for path in (scene.folder / "observations").rglob("*.npy"))
    best = scene.copying(size + 1e6 * ours.written_mb)
    rows, columns = scene.cell.shape
    corner = scene.size.corner or max(rows, columns)
    share = min(corner, rows) * min(corner, columns) / (rows * columns)
    work = f"{size / 1e6:,.0f} MB of images" + (f"; plain: {share:.0%} of them" * (share < 1))
    difference = 0.0 if same else float("inf")
    years = float(np.ptp(scene.cell.times)) / (365.25 * DAY)
    notes = {"km2": rows * columns / 1e4, "years": years}
    yield Row("stack", work, (1, share), ours, plain, difference, 0, "copy", best, notes)


def indexing(scene: Scene) -> Iterator[Row]:
    """The list of windows, and the index of a large area."""
    cut, every = scene.size.cut, scene.size.every
    options = {"times": scene.cell.times, "cut": cut}
    ours, mine = alone(_our_list, options, threads=scene.threads)
    options = {"tile": scene.tile, "cut": cut, "every": every}
    plain, other = alone(listed, options, threads=scene.threads)
    chosen = [mine[number] for number in samples.sampled(scene.triples, every)]
    work = f"{len(mine)} windows of {cut.days} days among {len(scene.cell.times)} steps"
    difference = 0.0 if chosen == other else float("inf")
    yield Row("list of windows", work, (1, 1 / every), ours, plain, difference)
    ours, _ = alone(_large_index, {"cut": cut, "workload": scene.workload}, threads=scene.threads)
    yield Row("window index", "5,041 tiles x 600 steps, triples and patches", (1, 1), ours)


def labelling(scene: Scene) -> Iterator[Row]:
    """Betas and labels: ours of all tiles, the plain way's of one."""
    cut, every = scene.size.cut, scene.size.every
    ours, folder = alone(samples.our_samples, scene.sampling, threads=scene.threads)
    chosen = samples.sampled(scene.triples, every)
    bands = tuple(index_bands(scene.cell.sensors[scene.cell.roles["optical"]]))
    given: dict[str, Any] = {"tile": scene.tile, "cut": cut, "every": every, "bands": bands}
    betas, sums = alone(plain_betas, given, threads=scene.threads)
    formula = Formula.of(samples.window_settings(scene.workload, cut.days, 1).window)
    given |= {"betas": samples.regional(folder)[chosen], "formula": formula}
    labels, (images, size) = alone(plain_labels, given, threads=scene.threads)
    made = samples.made(folder, scene.cube, samples.tiles_of(scene.cube)[0])
    our_sums, our_images = (each[chosen] for each in made)
    apart = float(np.abs(our_sums - sums).max() / np.abs(sums).max())
    difference = float(np.nanmax(np.abs(our_images - images)))
    if not np.array_equal(np.isnan(our_images), np.isnan(images)):
        difference = float("inf")
    windows = len(scene.triples)
    units = (windows * scene.tiles, len(chosen))
    notes = {"tiles": scene.tiles, "windows": windows, "plain_mb_per_window": size / len(chosen)}
    rows, columns = scene.cell.shape
    best = scene.copying(4.0 * rows * columns * len(scene.cell.times) * 8)
    work = f"{windows} windows of {cut.days} days on {scene.tiles} tiles"
    work += f"; plain: {len(chosen)} of one tile"
    both = Cost(betas.cpu_s + labels.cpu_s, betas.wall_s + labels.wall_s, labels.peak_mb)
    yield Row("betas and labels", work, units, ours, both, difference, 2e-3, "copy", best, notes)
    work = "ours with labels and all that samples hold; the plain way's alone"
    yield Row("betas", work, units, ours, betas, apart, 1e-6)
    yield Row("labels", work, units, ours, labels, difference, 2e-3)


def batching(scene: Scene) -> Iterator[Row]:
    """Training batches, and whether the network waits for them."""
    given = {
        "cube": str(scene.cube.folder),
        "samples": str(scene.samples),
        "records": str(scene.folder / "records"),
        "count": min(scene.size.batched, len(scene.triples)),
    }
    windows = given["count"]
    if not Path(given["records"]).exists():
        alone(samples.write_records, given)
    ours, plain, mine, other = by_turns(
        samples.our_batches,
        samples.tfrecord_batches,
        given,
        rounds=scene.size.rounds,
        threads=scene.threads,
    )
    difference = 0.0 if sorted(mine) == sorted(other) else float("inf")
    steps = float(np.ptp(scene.triples[:, 1], axis=1).mean())
    best = scene.copying(4.0 * TILE**2 * 17 * steps * windows)
    waited, share = alone(samples.waiting, given, threads=2)
    work = f"{windows} windows of a patch; the network waits {share:.1%} of its time"
    notes = {"waiting_share": share, "waiting_wall_s": waited.wall_s}
    units = (windows, windows)
    yield Row("batches", work, units, ours, plain, difference, 0, "copy", best, notes)


def training(scene: Scene) -> Iterator[Row]:
    """Training steps."""
    work = scene.size.far
    sides = (network.our_training, network.keras_training)
    differences, notes = [], {}
    for check in network.CHECKS:
        given = {"work": work, "check": check}
        mine, other = (alone(side, given)[1] for side in sides)
        _, exact = alone(network.keras_training, given | {"double": True})
        found = {
            "ours_to_float64": apart(mine, exact),
            "keras_to_float64": apart(other, exact),
            "ours_to_keras": apart(mine, other),
        }
        notes |= {f"{check}_{pair}": each for pair, each in found.items()}
        # Next to a bend float32 can't agree with Keras', only be as exact as Keras' own is.
        if check == "apart":
            differences.append(found["ours_to_keras"])
        elif found["ours_to_float64"] > found["keras_to_float64"]:
            differences.append(found["ours_to_float64"])
    ours, plain, _, _ = by_turns(
        *sides, {"work": work}, rounds=scene.size.rounds, threads=scene.threads
    )
    steps = float(np.ptp(work.ranges[: work.batch], axis=1).sum())
    best = scene.multiplying(3 * DIRECT * TILE**2 * steps)
    text = f"{work.batch} windows of up to {work.steps} steps"
    text += (
        f"; published weights' gradients off float64 by {notes['published_ours_to_float64']:.0e}"
    )
    text += f", the plain way's by {notes['published_keras_to_float64']:.0e}"
    units = (work.batch, work.batch)
    difference = max(differences)
    yield Row("training step", text, units, ours, plain, difference, 1e-4, "GEMM", best, notes)


def scoring(scene: Scene) -> Iterator[Row]:
    """The network alone on a block with its halo."""
    for work in (scene.size.far, scene.size.near):
        _, plain, mine, other = by_turns(
            network.our_tile,
            network.keras_tile,
            {"work": work},
            rounds=scene.size.rounds,
            threads=scene.threads,
        )
        ours, _ = alone(network.our_mapping, {"work": work}, threads=scene.threads)
        difference = float(np.abs(mine - other).max())
        units = (work.tiles * work.windows, work.batch)
        best = scene.multiplying(work.products)
        text = f"{work.windows} windows of up to {work.steps} steps on {work.block} x {work.block} "
        text += "pixels and their halo"
        stage = "network, stride " + ("1" if work is scene.size.near else "5")
        yield Row(stage, text, units, ours, plain, difference, 1e-5, "GEMM", best)


def mapped(scene: Scene) -> Iterator[Row]:
    """Maps from the cube, and those that one observation more changes."""
    size = scene.size
    task = mapping.Task(scene.cube.folder, size.cut, STRIDE, size.maps, size.block)
    tiles = [scene.tile]
    mine, plain_side = (
        Side(prepare, options, scene.threads)
        for prepare, options in (
            (mapping.our_maps, {"task": task}),
            (mapping.keras_maps, {"task": task, "tiles": tiles}),
        )
    )
    _, corner = plain_side.turn()
    ours, maps = mine.turn()
    plain, _ = plain_side.turn()
    for side in (mine, plain_side):
        side.end()
    edges = [min(a, b) for a, b in zip(corner.shape, maps.shape[1:], strict=True)]
    inner = (slice(0, edges[0]), slice(0, edges[1]))
    difference = float(np.abs(maps[0][inner] - corner[inner]).max())
    units = (len(maps) * maps[0].size / TILE**2, len(maps) * len(tiles))
    _, windows, _ = task.open()
    steps = float((windows["stop"] - windows["first"]).sum())
    best = scene.multiplying(DIRECT / 2 * maps[0].size * steps / 4)
    where = f"{maps.shape[1]} x {maps.shape[2]} pixels"
    work = f"{len(maps)} windows on {where}, from the cube"
    yield Row("maps", work, units, ours, plain, difference, 1e-5, "GEMM", best)
    yield _updated(scene, task, ours, maps)


def _updated(scene: Scene, task: mapping.Task, whole: Cost, maps: mapping.Maps) -> Row:
    """What an observation costs that a third of the windows hold, beside mapping all anew."""
    holding = max(1, len(maps) // 3)
    source = Observations.open(scene.folder / "observations")
    look = mapping.late_look(task, source, holding)
    settings = stack_settings(scene.workload)
    before = scene.folder / "before"
    if not before.exists():
        mapping.without(task, source, look, settings, before)
    options = {"task": task, "before": before}
    ours, (changed, found) = alone(mapping.updated_maps, options, threads=scene.threads)
    difference = float(np.abs(found - maps[changed]).max()) if len(changed) else float("inf")
    units = (1.0, 1.0)
    ranges = task.open()[1][["first", "stop"]].to_numpy(np.int64)
    few, every = (network.products_of(each, task.block) for each in (ranges[changed], ranges))
    best = whole.cpu_s * few / every
    work = f"maps of the {len(changed)} of {len(maps)} windows that show it; beside all anew"
    limit = "these windows and their frames"
    return Row("new observation", work, units, ours, whole, difference, 1e-6, limit, best)


def whole_job(rows: Mapping[str, Row]) -> Row | None:
    """Everything before the network, from the rows above; None if one of them is missing."""
    names = ("stack", "list of windows", "betas and labels", "betas", "labels")
    if any(name not in rows for name in names):
        return None
    stack, listing, both = (rows[name] for name in names[:3])
    ours = [stack.ours, listing.ours, both.ours]
    windows, tiles = both.notes["windows"], both.notes["tiles"]
    every = windows / both.units[1]
    times = {"stack": 1 / stack.units[1], "list of windows": 1 / listing.units[1]}
    times |= {"betas": tiles * every, "labels": tiles * every * LABELLED}
    parts = [(rows[name].plain, factor) for name, factor in times.items()]
    cpu, wall = (
        sum(factor * getattr(cost, name) for cost, factor in parts if cost is not None)
        for name in ("cpu_s", "wall_s")
    )
    equal = all(rows[name].ratio is not None for name in names)
    return Row(
        "all without the network",
        f"stack, {windows:.0f} windows, betas, labels; plain: labels on 3 of 8 tiles",
        (1, 1),
        Cost(
            sum(cost.cpu_s for cost in ours),
            sum(cost.wall_s for cost in ours),
            max(cost.peak_mb for cost in ours),
            sum(cost.written_mb for cost in ours),
        ),
        Cost(cpu, wall, max(cost.peak_mb for cost, _ in parts if cost is not None)),
        0.0 if equal else float("inf"),
        0.0,
        "copy",
        stack.best_s + both.best_s,
    )


STAGES: dict[str, Callable[[Scene], Iterator[Row]]] = {
    "stack": stacking,
    "windows": indexing,
    "labels": labelling,
    "batches": batching,
    "training": training,
    "network": scoring,
    "maps": mapped,
}


def _our_list(times: Any, cut: Any) -> Callable[[], list[tuple[int, int, int]]]:
    def run() -> list[tuple[int, int, int]]:
        spans = samples.published(times, cut).ranges[:, 1]
        return [(int(times[a]), int(times[b - 1]), int(b - a)) for a, b in spans]

    return run


def _large_index(cut: Any, workload: Path) -> Callable[[], int]:
    """Windows and patches of 71 x 71 tiles and 600 steps of two days."""
    edge = 71 * TILE
    box = GeoBox.from_bbox((6e5, 56e5, 6e5 + 10 * edge, 56e5 + 10 * edge), 32631, resolution=10)
    cell = Cell("large", box, 0)
    times = 2 * 86_400 * np.arange(600)
    own = samples.window_settings(workload, cut.days, 1).window

    def run() -> int:
        windows = samples.published(times, cut).table(cell.id)
        squares = patches([cell], own.split, own.patch, area=cell.core)
        return len(windows) + len(squares)

    return run


def apart(mine: tuple[float, Any], other: tuple[float, Any]) -> float:
    """Between two losses, or between their gradients as a share of the other's length: the larger.

    Args:
        mine: loss, and gradients by the names of their weights.
        other: likewise.
    """
    (loss, gradients), (other_loss, others) = mine, other
    apart = sum(float(((gradients[name] - each) ** 2).sum()) for name, each in others.items())
    length = sum(float((each**2).sum()) for each in others.values())
    return max(abs(loss - other_loss), float(np.sqrt(apart / length)))
