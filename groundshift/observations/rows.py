"""Images worked on by some rows at a time, so that what is computed on the way stays small."""

from collections.abc import Iterator

ROWS = 128
"""At a time: of a cell of 10 km half a megabyte per band in single precision."""


def strips(height: int, rows: int = ROWS) -> Iterator[slice]:
    """The rows of an image from the first to the last, so many at a time."""
    for first in range(0, height, rows):
        yield slice(first, min(first + rows, height))
