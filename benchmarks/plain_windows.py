"""The published windows, plainly (method section 6 and Q16): candidates cut by `tf.data`.

For every start, up to three times Omega steps are parsed and batched; the window keeps those whose
times fit. Nothing is shared between starts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks.plain_stack import parsed
from groundshift.domain.time import DAY

Parts = dict[str, dict[str, Any]]
"""By part (`previous`, `window`, `next`): seconds [t], fresh and values [t, y, x, ...]."""


@dataclass(frozen=True)
class Cut:
    """How windows are cut: length in days, fewest and most steps (Delta, omega, Omega)."""

    days: int
    least: int
    most: int


def triples(tile: Path, cut: Cut) -> Iterator[Parts]:
    """Previous, current and next windows of a tile, from every step (method section 6.2)."""
    steps, most = _steps(tile), cut.most
    # The first Omega starts have all steps before them, the others the Omega before them.
    growing = tf.data.Dataset.range(1, most).flat_map(lambda n: _together(steps.take(n), most))
    before = steps.window(most, shift=1, drop_remainder=True)
    before = growing.concatenate(before.flat_map(lambda window: _together(window, most)))
    after = steps.window(2 * most, shift=1).flat_map(lambda window: _together(window, 2 * most))
    length = float(cut.days * DAY)

    def parts(before: Any, after: Any) -> Any:
        start = after["seconds"][0]
        return {
            "previous": _between(before, start - length, start),
            "window": _between(after, start, start + length),
            "next": _between(after, start + length, start + 2 * length),
        }

    data = tf.data.Dataset.zip((before, after.skip(1))).map(parts)
    kept = data.filter(lambda parts: _enough(parts, cut.least))
    return iter(kept.as_numpy_iterator())


def singles(tile: Path, cut: Cut, stride: int) -> Iterator[dict[str, Any]]:
    """Windows of a tile that start at every stride-th step (method section 6.1)."""
    windows = _steps(tile).window(cut.most, shift=stride)
    candidates = windows.flat_map(lambda window: _together(window, cut.most))
    length = float(cut.days * DAY)

    def part(found: Any) -> Any:
        start = found["seconds"][0]
        return {"window": _between(found, start, start + length)}

    kept = candidates.map(part).filter(lambda parts: _enough(parts, cut.least))
    return (parts["window"] for parts in kept.as_numpy_iterator())


def listed(tile: str, cut: Cut) -> Callable[[], list[tuple[int, int, int]]]:
    """The list of windows: first and last time and number of steps of each (section 6.3)."""

    def run() -> list[tuple[int, int, int]]:
        seconds = (parts["window"]["seconds"] for parts in triples(Path(tile), cut))
        return [(int(times[0]), int(times[-1]), len(times)) for times in seconds]

    return run


def _steps(tile: Path) -> Any:
    return tf.data.TFRecordDataset(str(tile), "GZIP")


def _together(steps: Any, most: int) -> Any:
    """Candidates of one start as one element."""
    return steps.map(parsed).batch(most)


def _between(found: Any, begin: Any, end: Any) -> Any:
    inside = (found["seconds"] >= begin) & (found["seconds"] < end)
    return {name: tf.boolean_mask(values, inside) for name, values in found.items()}


def _enough(parts: Any, least: int) -> Any:
    counts = [tf.shape(part["seconds"])[0] for part in parts.values()]
    return tf.reduce_all(tf.stack(counts) >= least)
