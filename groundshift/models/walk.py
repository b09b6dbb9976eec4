"""What the branches of a network see of a place, step after step, a few steps in memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""The channels of one branch, [y, x, channel]."""


@dataclass(frozen=True)
class Images:
    """What one branch of a network sees of a place in some steps that follow one another.

    Attributes:
        image: gives an image by its number.
        image_of_step: int [step], which image a step shows.
    """

    image: Callable[[int], Image]
    image_of_step: NDArray[np.int64]


Spans = Iterable[Sequence[Images]]
"""Spans of steps that follow one another; in each the same branches, radar first."""


def walk(spans: Spans, first: int) -> Iterator[tuple[int, list[Callable[[], Image] | None]]]:
    """Step after step what each branch sees; None where it is what it saw the step before.

    Args:
        spans: the steps.
        first: number of the first one.

    Yields:
        Number of the step, and for each branch what gives its image.
    """
    step = first
    for span in spans:
        shown = [-1] * len(span)
        for position in range(len(span[0].image_of_step)):
            now = [int(images.image_of_step[position]) for images in span]
            yield (
                step,
                [
                    partial(images.image, number) if number != before else None
                    for images, number, before in zip(span, now, shown, strict=True)
                ],
            )
            shown = now
            step += 1
