"""The published windows, plainly (method section 6 and Q16): candidates cut by `tf.data`.

For every start, up to three times Omega steps are read, parsed and batched; the window keeps those
whose times fit. Nothing is shared between starts: each reads the tile's GZIP file anew, which has
to be inflated from its beginning.
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


def triples(tile: Path, cut: Cut, every: int = 1) -> Iterator[Parts]:
    """Previous, current and next windows of a tile (method section 6.2).

    Args:
        tile: its TFRecords.
        cut: lengths.
        every: take one start in so many; the published program takes all.
    """
    most = cut.most
    before = _candidates(tile, every, every, lambda start: (tf.maximum(start - most, 0), start))
    after = _candidates(tile, every, every, lambda start: (start, start + 2 * most))
    length = float(cut.days * DAY)

    def parts(before: Any, after: Any) -> Any:
        start = after["seconds"][0]
        return {
            "previous": _between(before, start - length, start),
            "window": _between(after, start, start + length),
            "next": _between(after, start + length, start + 2 * length),
        }

    data = tf.data.Dataset.zip((before, after)).map(parts)
    kept = data.filter(lambda parts: _enough(parts, cut.least))
    return iter(kept.as_numpy_iterator())


def singles(tile: Path, cut: Cut, stride: int) -> Iterator[dict[str, Any]]:
    """Windows of a tile that start at every stride-th step (method section 6.1)."""
    candidates = _candidates(tile, 0, stride, lambda start: (start, start + cut.most))
    length = float(cut.days * DAY)

    def part(found: Any) -> Any:
        start = found["seconds"][0]
        return {"window": _between(found, start, start + length)}

    kept = candidates.map(part).filter(lambda parts: _enough(parts, cut.least))
    return (parts["window"] for parts in kept.as_numpy_iterator())


def listed(tile: str, cut: Cut, every: int) -> Callable[[], list[tuple[int, int, int]]]:
    """The list of windows: first and last time and number of steps of each (section 6.3).

    Windows are cut once to count them and once more for their times; the published program does
    so two or three times (Q16).
    """

    def run() -> list[tuple[int, int, int]]:
        rows = [(0, 0, 0)] * sum(1 for _ in triples(Path(tile), cut, every))
        for number, parts in enumerate(triples(Path(tile), cut, every)):
            times = parts["window"]["seconds"]
            rows[number] = int(times[0]), int(times[-1]), len(times)
        return rows

    return run


def _candidates(
    tile: Path, first: int, every: int, span: Callable[[Any], tuple[Any, Any]]
) -> tf.data.Dataset:
    """Candidates of each start as one element, by the range of steps that a start asks for."""
    steps = tf.data.TFRecordDataset(str(tile), "GZIP")

    def together(start: Any) -> tf.data.Dataset:
        begin, end = span(start)
        return steps.skip(begin).take(end - begin).map(parsed).batch(end - begin)

    return tf.data.Dataset.range(first, sum(1 for _ in steps), every).flat_map(together)


def _between(found: Any, begin: Any, end: Any) -> Any:
    inside = (found["seconds"] >= begin) & (found["seconds"] < end)
    return {name: tf.boolean_mask(values, inside) for name, values in found.items()}


def _enough(parts: Any, least: int) -> Any:
    counts = [tf.shape(part["seconds"])[0] for part in parts.values()]
    return tf.reduce_all(tf.stack(counts) >= least)
