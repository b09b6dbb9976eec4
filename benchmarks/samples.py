"""Windows, labels and training batches, and the same the plain way: a copy of every window.

Used by `benchmarks.bench`. The plain way cuts each window out of its tile's series, computes its
label from the copy (SciPy's chi-square, cut by cut) and writes both as GZIP TFRecords, which
training then reads again (method sections 6 and 9). Labels follow the formulas that
`groundshift.samples.labels` documents, so that both ways give the same.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.stats import chi2

from benchmarks.labels import measure, window_settings
from groundshift.cube.store import Cube, Frames
from groundshift.samples.labels.index import IndexParts, index_bands
from groundshift.samples.labels.omnibus import FLOOR, MIN_LOOKS
from groundshift.samples.labels.synthetic import Formula
from groundshift.samples.loader import Batch, Loader
from groundshift.samples.store import Samples

TILE = 32
BATCH = 32
Place = tuple[slice, slice]
Labels = dict[tuple[int, int], NDArray[np.float32]]
"""By number of the tile and id of the window."""


def tiles_of(cube: Cube) -> list[Place]:
    """The whole tiles of the one cell."""
    (cell,) = cube.cells.values()
    counts = (size // TILE for size in cell.shape)
    return [
        tuple(slice(i * TILE, (i + 1) * TILE) for i in place)  # type: ignore[misc]
        for place in product(*map(range, counts))
    ]


def our_labels(
    cube: str, samples: str, workload: str, days: int, stride: int, tiles: int
) -> Callable[[], Labels]:
    """A whole samples artifact: windows, splits, betas, both kinds of labels and the card."""
    opened = Cube.open(Path(cube))
    settings = window_settings(Path(workload), days, stride)
    os.environ["GROUNDSHIFT_WORK"] = tempfile.mkdtemp()

    def run() -> Labels:
        with tempfile.TemporaryDirectory() as folder:
            measure(opened, settings, Path(folder) / "samples")
            return labels_of(Samples.open(Path(folder) / "samples"), opened, tiles)

    return run


def labels_of(samples: Samples, cube: Cube, tiles: int) -> Labels:
    """Synthetic labels of the first tiles."""
    (cell,) = cube.cells
    ids = samples.labelled(cell)
    return {
        (number, int(window)): label
        for number, place in enumerate(tiles_of(cube)[:tiles])
        for window, label in zip(ids, samples.label_series(cell, "synthetic", *place), strict=True)
    }


def plain_labels(
    cube: str, samples: str, workload: str, days: int, stride: int, tiles: int
) -> Callable[[], Labels]:
    """Some tiles: every window cut out, labelled and written as a TFRecord."""
    opened, indexed = Cube.open(Path(cube)), Samples.open(Path(samples))
    (cell,) = opened.cells.values()
    settings = window_settings(Path(workload), days, stride)
    formula = Formula.of(settings.window)
    windows = indexed.windows[indexed.windows["complete"]]
    betas = indexed.betas.set_index(["id", "part"])["beta"].to_dict()
    bands = list(index_bands(opened.sensors[cell.roles["optical"]]))

    def run() -> Labels:
        found: Labels = {}
        with tempfile.TemporaryDirectory() as folder:
            for number, place in enumerate(tiles_of(opened)[:tiles]):
                series = {
                    role: cell.read(sensor, 0, len(cell.times), *place)
                    for role, sensor in cell.roles.items()
                }
                with tf.io.TFRecordWriter(f"{folder}/{number}.tfrecords", "GZIP") as file:
                    for window in windows.itertuples():
                        label = _label(series, window, betas, bands, formula)
                        now = slice(window.first, window.stop)
                        values = np.concatenate([s.values[now] for s in series.values()], axis=-1)
                        file.write(record(values, label))
                        found[number, window.id] = label
        return found

    return run


def _label(
    series: dict[str, Frames], window: Any, betas: Any, bands: list[int], formula: Formula
) -> NDArray[np.float32]:
    evidences = []
    for role in ("radar_a", "radar_b"):
        now = slice(window.first, window.stop)
        evidences.append(_evidence(series[role].values[now], series[role].fresh[now], formula))
    radar = np.nanmean(evidences, axis=0)
    indices = []
    for part in ("previous", "next"):
        span = slice(getattr(window, f"{part}_first"), getattr(window, f"{part}_stop"))
        looks = series["optical"].fresh[span][..., None]
        values = series["optical"].values[span][..., bands].astype(np.float64)
        with np.errstate(invalid="ignore"):
            mean = ((values * looks).sum(axis=0) / looks.sum(axis=0)).astype(np.float32)
        beta = betas[window.id, part]
        indices.append(IndexParts.of(mean).endisi(beta, formula.shift))
    change = np.abs(indices[1] - indices[0])
    return np.clip(formula.gain * radar * change, 0, 1).astype(np.float32)


def _evidence(
    power: NDArray[np.float32], fresh: NDArray[np.bool_], formula: Formula
) -> NDArray[np.float64]:
    """Evidence of a step, [y, x]; NaN with too few looks. Sums of each window from the start."""
    enl = formula.test.looks
    seen = fresh & (power > FLOOR).all(axis=-1)
    sums = np.where(seen[..., None], power, 0).astype(np.float64).cumsum(axis=0)
    logs = np.where(seen, np.log(np.where(seen[..., None], power, 1)).sum(axis=-1), 0).cumsum(0)
    counts = seen.cumsum(axis=0)
    total = counts[-1]
    least = np.maximum(np.minimum(MIN_LOOKS, total // 2), 1)

    def fit(sums: NDArray[np.float64], count: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(count * np.log(sums / count[..., None]).sum(axis=-1))

    def unrest(spread: NDArray[np.float64], count: NDArray[Any]) -> NDArray[np.float64]:
        rho = 1 - (count + 1) / (6 * enl * count)
        return np.asarray(2 * enl * rho * spread - power.shape[-1] * (count - 1))

    best = np.full(total.shape, np.inf)
    step, rest = np.zeros(total.shape), np.zeros(total.shape)
    with np.errstate(all="ignore"):
        whole = fit(sums[-1], total)
        for cut in range(len(power) - 1):
            before, after = counts[cut], total - counts[cut]
            left, right = fit(sums[cut], before), fit(sums[-1] - sums[cut], after)
            better = (left + right < best) & (before >= least) & (after >= least)
            rho = 1 - (1 / before + 1 / after - 1 / total) / (6 * enl)
            sides = unrest(left - logs[cut], before)
            sides += unrest(right - logs[-1] + logs[cut], after)
            best = np.where(better, left + right, best)
            step = np.where(better, 2 * enl * rho * (whole - left - right), step)
            rest = np.where(better, np.maximum(sides, 0), rest)
        cuts = np.maximum(total - 2 * least + 1, 1)
        bound = chi2.isf(1 - (1 - formula.test.significance) ** (1 / cuts), power.shape[-1])
        found = np.clip((step - bound) / bound, 0, 1) * step / (step + rest)
    return np.where(total >= MIN_LOOKS, np.where(step > bound, found, 0), np.nan)


def record(values: NDArray[np.float32], label: NDArray[np.float32]) -> bytes:
    """A window and its label as the published program writes them."""
    parts = {"Feature": values, "Label": label}
    serialised = {
        name: tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[tf.io.serialize_tensor(part).numpy()])
        )
        for name, part in parts.items()
    }
    example = tf.train.Example(features=tf.train.Features(feature=serialised))
    return bytes(example.SerializeToString())


def our_batches(cube: str, samples: str, records: str) -> Callable[[], list[str]]:
    """An epoch of training batches from the cube."""
    loader = loader_of(cube, samples)
    return lambda: [digest for batch in loader.epoch() for digest in _digests(batch)]


def tfrecord_batches(cube: str, samples: str, records: str) -> Callable[[], list[str]]:
    """The same from GZIP TFRecords, padded."""
    schema = {name: tf.io.FixedLenFeature([], tf.string) for name in ("Feature", "Label")}

    def parsed(example: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parts = tf.io.parse_single_example(example, schema)
        values = tf.io.parse_tensor(parts["Feature"], tf.float32)
        label = tf.io.parse_tensor(parts["Label"], tf.float32)
        return tf.ensure_shape(values, (None, TILE, TILE, 17)), tf.ensure_shape(label, (TILE, TILE))

    def run() -> list[str]:
        files = sorted(map(str, Path(records).glob("*.tfrecords")))
        data = tf.data.TFRecordDataset(files, compression_type="GZIP").map(parsed)
        padded = data.padded_batch(BATCH, padding_values=(-1.0, 0.0))
        return [
            _digest(window[(window != -1).any(axis=(1, 2, 3))], label)
            for values, labels in padded.as_numpy_iterator()
            for window, label in zip(values, labels, strict=True)
        ]

    return run


def write_records(cube: Path, samples: Path, folder: Path) -> int:
    """The loader's windows as GZIP TFRecords, a file per patch; gives their number."""
    folder.mkdir()
    count = 0
    by_patch: dict[int, list[bytes]] = {}
    for batch in loader_of(str(cube), str(samples)).epoch():
        for values, label, patch in _windows(batch):
            by_patch.setdefault(patch, []).append(record(values, label))
            count += 1
    for patch, records in by_patch.items():
        with tf.io.TFRecordWriter(str(folder / f"{patch:08}.tfrecords"), "GZIP") as file:
            for each in records:
                file.write(each)
    return count


def loader_of(cube: str, samples: str) -> Loader:
    """The training samples in their order."""
    return Loader(Samples.open(Path(samples)), Cube.open(Path(cube)), "training", batch=BATCH)


def _digests(batch: Batch) -> Iterator[str]:
    return (_digest(values, label) for values, label, _ in _windows(batch))


def _windows(batch: Batch) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], int]]:
    for values, steps, label, patch in zip(
        batch.values, batch.steps, batch.labels, batch.patches, strict=True
    ):
        yield values[steps], label, int(patch)


def _digest(values: NDArray[np.float32], label: NDArray[np.float32]) -> str:
    """A few bytes of every window, so that comparing costs next to nothing."""
    return hashlib.md5(values[:, ::8, ::8].tobytes() + label.tobytes()).hexdigest()
