"""Moving and coarsening images, to the same bit wherever a window begins."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_RARELY = 9  # odd power of a uniform number: one image in seven is off by a quarter of the most


def displacement(drawn: np.random.Generator, most: float) -> tuple[float, float]:
    """Pixels down and right by which an image lies off: little on most dates, much on some."""
    down, right = most * drawn.uniform(-1, 1, 2) ** _RARELY
    return float(down), float(right)


def displaced(image: Floats, down: float, right: float) -> Floats:
    """An image [y, x, band] moved by fractions of pixels, interpolated linearly.

    What comes in from outside is the edge; keep a margin as wide as the displacement.
    """
    for axis, amount in ((0, down), (1, right)):
        whole = math.floor(amount)
        part = np.float32(amount - whole)
        image = (1 - part) * _rolled(image, whole, axis) + part * _rolled(image, whole + 1, axis)
    return image


def coarsened(image: Floats, factor: int) -> Floats:
    """A band [y, x] as pixels so many times larger show it; its edges are multiples of theirs."""
    if factor == 1:
        return image
    parts = [image[y::factor, x::factor] for y in range(factor) for x in range(factor)]
    mean = sum(parts[1:], parts[0]) / np.float32(factor**2)
    return np.repeat(np.repeat(mean, factor, axis=0), factor, axis=1)


def _rolled(image: Floats, amount: int, axis: int) -> Floats:
    index = np.arange(image.shape[axis]) - amount
    return np.take(image, index.clip(0, image.shape[axis] - 1), axis=axis)
