"""The published stack, plainly (method section 5): TFRecords of every tile at every step.

Three float32 frames, `numpy.where` for every observation, and at every step each tile of 32 x 32
pixels as a `tf.train.Example` in that tile's GZIP file. Beside the published features each holds
which pixels got a look in that step, three bytes per pixel, since our labels count nothing else.
"""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks.stack import SENSORS, STEP, TILE, load, period, squares, times

FEATURES = dict(zip(SENSORS, ("SAR_ascending", "SAR_descending", "OPT"), strict=True))
"""Names of the sensors' tensors (method section 5.6)."""


def run_baseline(workload: Path, folder: Path, edge: int | None = None) -> Path:
    """Write the tiles of a workload, or those of its upper left corner."""
    output = folder / "tiles"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    corner = (slice(edge), slice(edge))
    start, end = period(workload)
    looks = sorted((time, name) for name in SENSORS for time in times(workload, name))
    last = {(time - start) // STEP: time for time, _ in looks if start <= time < end}
    steps = set(last.values())
    frames = {name: np.zeros_like(load(workload, name, 0)[0][corner]) for name in SENSORS}
    fresh = {name: np.zeros(frame.shape[:2], bool) for name, frame in frames.items()}
    with ExitStack() as open_files:
        files = {
            tile: open_files.enter_context(
                tf.io.TFRecordWriter(str(output / f"{tile[0]}_{tile[1]}.tfrecords"), "GZIP")
            )
            for tile in squares(frames["s2"].shape[:2])
        }
        for number, (moment, name) in enumerate(looks):
            values, valid = (image[corner] for image in load(workload, name, moment))
            frames[name] = np.where(valid[..., None], values, frames[name])
            fresh[name] |= valid
            follows = number + 1 < len(looks) and looks[number + 1][0] == moment
            if moment in steps and not follows:
                for (j, i), file in files.items():
                    part = (slice(j * TILE, (j + 1) * TILE), slice(i * TILE, (i + 1) * TILE))
                    tensors = {FEATURES[name]: frames[name][part] for name in SENSORS}
                    looked = np.stack([fresh[name][part] for name in SENSORS], axis=-1)
                    stamp = {"Timestamp": np.float64(moment), "Fresh": looked}
                    file.write(example(stamp | tensors))
                fresh = {name: np.zeros_like(looked) for name, looked in fresh.items()}
    return output


def example(tensors: dict[str, Any]) -> bytes:
    """A `tf.train.Example` of serialised tensors."""
    features = {
        name: tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[tf.io.serialize_tensor(values).numpy()])
        )
        for name, values in tensors.items()
    }
    return bytes(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


SCHEMA = {
    name: tf.io.FixedLenFeature([], tf.string)
    for name in ("Timestamp", "Fresh", *FEATURES.values())
}
BANDS = {FEATURES[name]: len(bands) for name, (_, _, bands) in SENSORS.items()}


def parsed(record: tf.Tensor) -> dict[str, tf.Tensor]:
    """One step of a tile: seconds, fresh [y, x, sensor], values [y, x, channel]."""
    found = tf.io.parse_single_example(record, SCHEMA)
    frames = [
        tf.ensure_shape(tf.io.parse_tensor(found[name], tf.float32), (TILE, TILE, bands))
        for name, bands in BANDS.items()
    ]
    fresh = tf.io.parse_tensor(found["Fresh"], tf.bool)
    return {
        "seconds": tf.ensure_shape(tf.io.parse_tensor(found["Timestamp"], tf.float64), ()),
        "fresh": tf.ensure_shape(fresh, (TILE, TILE, len(BANDS))),
        "values": tf.concat(frames, axis=-1),
    }


def read_tile(path: Path) -> dict[str, NDArray[Any]]:
    """All steps of a tile, [t, ...] each."""
    data = tf.data.TFRecordDataset(str(path), "GZIP").map(parsed)
    steps = list(data.as_numpy_iterator())
    return {name: np.stack([step[name] for step in steps]) for name in steps[0]}
