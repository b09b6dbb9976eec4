"""Making more of few training samples: foreign rectangles and shifted levels.

Few changes are known, each with its own surroundings, so a network can learn the places by heart.
Pasting a rectangle of one sample into another, series and label together, breaks the tie between
change and place; shifting each channel by a constant breaks the tie to its absolute level, which
says little about change.
"""

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST = 0.3, 0.75
"""Edges of a pasted rectangle as shares of the patch's."""


def paste(
    values: NDArray[np.float32],
    steps: NDArray[np.bool_],
    context: NDArray[np.float32],
    labels: NDArray[np.float32],
    generator: np.random.Generator,
    share: float,
) -> None:
    """Paste rectangles of other samples of the batch into a share of the samples, in place.

    A pasted series is stretched to the steps of the sample it comes to, by the nearest step.

    Args:
        values: [b, t, y, x, channel] network values.
        steps: real steps, bool [b, t], the first ones of each sample.
        context: [b, y, x, channel], what is seen once per sample.
        labels: [b, y, x].
        generator: chooses samples and rectangles.
        share: of the samples that get a rectangle.
    """
    source_values, source_context, source_labels = values.copy(), context.copy(), labels.copy()
    lengths = steps.sum(axis=1)
    shape = np.array(labels.shape[1:])
    for sample in np.flatnonzero(generator.random(len(values)) < share):
        other = int(generator.integers(len(values)))
        least, most = np.ceil(shape * SHORTEST).astype(int), np.ceil(shape * LONGEST).astype(int)
        size = generator.integers(least, most + 1)
        corner = generator.integers(0, shape - size + 1)
        rows, columns = (slice(c, c + s) for c, s in zip(corner, size, strict=True))
        length = int(lengths[sample])
        from_step = np.rint(np.linspace(0, lengths[other] - 1, length)).astype(int)
        values[sample, :length, rows, columns] = source_values[other, from_step, rows, columns]
        context[sample, rows, columns] = source_context[other, rows, columns]
        labels[sample, rows, columns] = source_labels[other, rows, columns]


def shift_levels(
    values: NDArray[np.float32],
    steps: NDArray[np.bool_],
    level_channels: NDArray[np.bool_],
    generator: np.random.Generator,
    deviation: float,
) -> None:
    """Add a constant to every level channel of every sample, in place.

    Args:
        values: [b, t, y, x, channel] network values.
        steps: real steps, bool [b, t]; padding stays 0.
        level_channels: which channels are levels, bool [channel].
        generator: draws the constants from a normal distribution.
        deviation: its standard deviation, in standardised units.
    """
    offsets = generator.normal(0, deviation, (len(values), values.shape[-1])).astype(np.float32)
    offsets[:, ~level_channels] = 0
    values += offsets[:, None, None, None, :] * steps[:, :, None, None, None]
