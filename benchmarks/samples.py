"""Our windows, labels and training batches, and batches read from GZIP TFRecords.

Used by `benchmarks.bench`. Windows are the published triples (method section 6.2), those at the
series' edges included, so that both ways do the same work; what else a samples artifact holds is
made as the stage makes it.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks.labels import window_settings
from benchmarks.plain_stack import example
from benchmarks.plain_windows import Cut
from groundshift.artifacts import writing
from groundshift.cube.store import CellCube, Cube
from groundshift.domain.time import DAY
from groundshift.models.losses import tanimoto_with_complement
from groundshift.models.networks import NetworkSpec, build
from groundshift.reference import single_windows, triple_windows
from groundshift.samples.build import build_planned
from groundshift.samples.labels.index import IndexParts
from groundshift.samples.labels.synthetic import PartMeans
from groundshift.samples.loader import Batch, Loader
from groundshift.samples.plan import Plan
from groundshift.samples.splits import patches, sides
from groundshift.samples.store import Samples
from groundshift.samples.windows import Windows
from groundshift.settings import WindowStage

TILE = 32
BATCH = 8
"""Windows in a batch, as in the published training by one site (method section 12)."""
Place = tuple[slice, slice]


def tiles_of(cube: Cube) -> list[Place]:
    """The whole tiles of the one cell."""
    (cell,) = cube.cells.values()
    counts = (size // TILE for size in cell.shape)
    return [
        tuple(slice(i * TILE, (i + 1) * TILE) for i in place)  # type: ignore[misc]
        for place in product(*map(range, counts))
    ]


def published(times: NDArray[np.int64], cut: Cut) -> Windows:
    """The published triples of a time line."""
    length = cut.days * DAY
    ranges = triple_windows(times, length=length, stride=1, min_steps=cut.least, max_steps=cut.most)
    problem = np.full(len(ranges), "", "<U32")
    return Windows("triple", length, times[ranges[:, 1, 0]], ranges, problem)


def mapped_windows(times: NDArray[np.int64], cut: Cut, stride: int) -> pd.DataFrame:
    """The published windows that are mapped: id, first, stop."""
    ranges = single_windows(
        times, length=cut.days * DAY, stride=stride, min_steps=cut.least, max_steps=cut.most
    )
    columns = {"id": np.arange(len(ranges)), "first": ranges[:, 0], "stop": ranges[:, 1]}
    return pd.DataFrame(columns)


def planned(cell: CellCube, cut: Cut, settings: WindowStage) -> Plan:
    """Windows of a cell with synthetic labels, and patches of a tile each."""
    windows = published(cell.times, cut)
    both = sides(windows.start, windows.end, None).astype(object)
    table = windows.table(cell.cell.id).assign(side=both)
    own = settings.window
    squares = patches([cell.cell], own.split, own.patch, area=cell.cell.core)
    return Plan(table, squares, ("synthetic",), ())


def our_samples(cube: str, workload: str, cut: Cut, folder: str) -> Callable[[], Path]:
    """A whole samples artifact: windows, splits, betas, labels and the card."""
    opened = Cube.open(Path(cube))
    (cell,) = opened.cells.values()
    settings = window_settings(Path(workload), cut.days, 1, labels="synthetic")
    os.environ["GROUNDSHIFT_WORK"] = tempfile.mkdtemp(dir=folder)
    inputs = {"cube": opened.manifest.content_hash}
    numbers = iter(range(100))

    def run(most: int | None = None) -> Path:
        output = Path(folder) / f"samples_{next(numbers)}"
        found = planned(cell, cut, settings)
        found = replace(found, windows=found.windows.iloc[:most])
        with writing(
            output, "samples", area="benchmark", settings=settings.affecting(), inputs=inputs
        ) as draft:
            build_planned(opened, None, found, settings, draft)
        return output

    shutil.rmtree(run(most=1))  # compiles
    return run


def sampled(ranges: NDArray[np.int64], every: int) -> NDArray[np.int64]:
    """Which of the published triples `plain_windows.triples` takes: their numbers."""
    return np.flatnonzero(ranges[:, 1, 0] % every == 0)


def made(samples: Path, cube: Cube, place: Place) -> tuple[NDArray[Any], ...]:
    """Of one tile what the plain way computes: sums [window, 2, 4], labels [window, y, x]."""
    (cell,) = cube.cells.values()
    opened = Samples.open(samples)
    means = PartMeans(cell, opened.windows).read(place)
    sums = np.array([IndexParts.of(mean).sums() for mean in means]).reshape(-1, 2, 4)
    return sums, opened.label_series(cell.cell.id, "synthetic", *place)


def regional(samples: Path) -> NDArray[np.float64]:
    """Betas [window, 2] of the whole area."""
    return Samples.open(samples).betas["beta"].to_numpy(np.float64).reshape(-1, 2)


def our_batches(cube: str, samples: str, records: str, count: int) -> Callable[[], list[str]]:
    """An epoch of training batches from the cube, of which nothing was decoded before."""
    opened = Samples.open(Path(samples)), Cube.open(Path(cube))

    def run() -> list[str]:
        loader = loader_of(*opened, count)
        return [digest for batch in loader.epoch() for digest in _digests(batch)]

    return run


def tfrecord_batches(cube: str, samples: str, records: str, count: int) -> Callable[[], list[str]]:
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
            _digest([window[: (window[:, 0, 0] != -1).any(axis=-1).sum()]], label)
            for values, labels in padded.as_numpy_iterator()
            for window, label in zip(values, labels, strict=True)
        ]

    return run


def write_records(cube: str, samples: str, records: str, count: int) -> Callable[[], Path]:
    """The loader's windows as GZIP TFRecords, a file per patch; gives their folder."""

    def run() -> Path:
        folder = Path(records)
        folder.mkdir()
        by_patch: dict[int, list[bytes]] = {}
        opened = Samples.open(Path(samples)), Cube.open(Path(cube))
        for batch in loader_of(*opened, count).epoch():
            for i, patch in enumerate(batch.patches.tolist()):
                values = batch.values[i][batch.steps[i]]
                found = example({"Feature": values, "Label": batch.labels[i]})
                by_patch.setdefault(patch, []).append(found)
        for patch, found in by_patch.items():
            with tf.io.TFRecordWriter(str(folder / f"{patch:08}.tfrecords"), "GZIP") as file:
                for each in found:
                    file.write(each)
        return folder

    return run


def loader_of(samples: Samples, cube: Cube, count: int, batch: int = BATCH) -> Loader:
    """The first windows of the first training patch, in their order."""
    training = samples.splits[samples.splits["split"] == "training"].sort_values("patch")
    samples.splits, samples.windows = training.iloc[:1], samples.windows.iloc[:count]
    return Loader(samples, cube, "training", batch=batch)


def waiting(cube: str, samples: str, records: str, count: int) -> Callable[[], float]:
    """Share of the time of some training steps that they wait for batches, of two windows each."""
    network = build(NetworkSpec.of_era("s12"), seed=0)
    network.compile(keras.optimizers.SGD(1e-5), loss=lambda y, p: tanimoto_with_complement(y, p))
    loader = loader_of(Samples.open(Path(samples)), Cube.open(Path(cube)), count, batch=2)

    def train(batch: Batch) -> None:
        given = {"values": batch.values, "steps": batch.steps}
        network.train_on_batch(given, np.nan_to_num(batch.labels))

    def run() -> float:
        batches = loader.epoch()
        train(next(batches))  # compiles
        started, waited = time.perf_counter(), 0.0
        for _ in range(4):
            asked = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - asked
            train(batch)
        return waited / (time.perf_counter() - started)

    return run


def _digests(batch: Batch) -> Iterator[str]:
    """Of every window, without its padding."""
    steps = batch.steps.sum(axis=1)
    for i, (count, label) in enumerate(zip(steps, batch.labels, strict=True)):
        yield _digest([each.values[i, :count] for each in batch.streams.values()], label)


def _digest(channels: Sequence[NDArray[np.float32]], label: NDArray[np.float32]) -> str:
    """A few bytes of a window, so that comparing costs next to nothing."""
    few = np.concatenate([values[:, ::8, ::8] for values in channels], axis=-1)
    return hashlib.md5(few.tobytes() + label.tobytes()).hexdigest()
