"""Transfer to one ground truth per period: augmentation, window draws, maximum (method section 11).

Manual labels exist for years, not per window, so the maximum of the network's outputs over several
windows drawn from the period is trained against one image.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from groundshift.errors import SettingsError

AUGMENTATIONS = 16
"""Number of augmentation codes."""

Site = Literal["liege", "mariupol"]

DRAWS = 10
_FIRST = 20
_GAPS: dict[str, tuple[int, int]] = {"liege": (45, 56), "mariupol": (40, 50)}
"""Least number of windows between two draws, and the one above the most."""

_TURNS = (0, -1, 1, 2)
"""Quarter turns counter-clockwise by code div 4: none, clockwise, counter-clockwise, half."""


def augment(
    window: NDArray[np.float32], label: NDArray[np.float32], code: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A padded window and its label under one of 16 augmentation codes.

    Bit 0 freezes the odd columns at the first step, so that nothing changes there, bit 1 mirrors
    in x, `code` div 4 rotates; in this order. Freezing overwrites padding too (quirk Q13).

    Args:
        window: [t, y, x, channel] with its padding.
        label: [y, x].
        code: 0 to 15.

    Returns:
        New arrays; height and width are exchanged by a quarter turn.

    Raises:
        SettingsError: there is no such code.
    """
    if not 0 <= code < AUGMENTATIONS:
        raise SettingsError(f"augmentation code: expected 0 to {AUGMENTATIONS - 1}, found {code}")
    values, truth = window.copy(), label.copy()
    if code & 1:
        values[:, :, 1::2] = window[:1, :, 1::2]
        truth[:, 1::2] = 0
    if code & 2:
        values, truth = values[:, :, ::-1], truth[:, ::-1]
    turns = _TURNS[code // 4]
    return np.rot90(values, turns, axes=(1, 2)), np.rot90(truth, turns)


def draw_windows(
    generator: np.random.Generator, windows: int, *, site: Site = "liege"
) -> NDArray[np.int64]:
    """Indices of up to ten windows of a period, in order of time.

    The first is the 20th; random gaps follow; those beyond the end are dropped.

    Args:
        generator: source of the gaps.
        windows: number of windows of the period.
        site: whose range of gaps to use.
    """
    gaps = generator.integers(*_GAPS[site], size=DRAWS - 1)
    drawn = np.cumsum(np.concatenate([[_FIRST], gaps]))
    return drawn[drawn < windows]


def aggregate_maximum(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The period's output: the largest over its windows, 0 at least.

    Args:
        outputs: [draw, ...] outputs of the network.
    """
    return np.max(outputs, axis=0, initial=0)  # type: ignore[no-any-return]
