"""What the task takes of memory, and in how small pieces it works where there is little.

Every pixel is judged by itself, so that the size of a piece changes no value.
"""

from collections.abc import Iterable
from math import isqrt

from groundshift.cube.store import CellCube
from groundshift.memory import Room
from groundshift.models.pixel_series import PixelSeries

SQUARE = 128
"""Edge in pixels of what is read at once where memory allows."""

_LEAST = 16
"""Edge below which pieces are not made smaller: chunks of a cube would be decoded too often."""

_FINER = "take a longer window.interval"


def require_reference(room: Room, cells: Iterable[CellCube], samples: int) -> None:
    """Make sure that the reference of a cell fits, with its erosion, beside the samples.

    Args:
        room: of the stage.
        cells: to be read one after another.
        samples: most rows that are drawn of all of them.

    Raises:
        SettingsError: it doesn't.
    """
    pixels = max(cell.shape[0] * cell.shape[1] for cell in cells)
    need = _PER_REFERENCE * pixels + _PER_DRAWN * samples
    room.require(need, "the reference of one cell", "make area.cell smaller")


def require_table(room: Room, series: PixelSeries, samples: int, classes: int) -> int:
    """Make sure that the series of all samples fit.

    Args:
        room: of the stage.
        series: what each of them has.
        samples: how many.
        classes: of which each gets a probability.

    Returns:
        Bytes that they take.

    Raises:
        SettingsError: they don't fit.
    """
    need = samples * (_PER_FEATURE * len(series.names) + _PER_CLASS * classes)
    room.require(need, f"the series of {samples} samples", "lower window.per_class")
    return need


def edge_within(
    room: Room, series: PixelSeries, cells: Iterable[CellCube], *, widest: int, held: int
) -> int:
    """How large the squares are whose series are read at once.

    Args:
        room: of the stage.
        series: what is read of every pixel.
        cells: that it is read of.
        widest: edge where memory allows, in pixels.
        held: bytes that other things take beside it.

    Returns:
        Edge in pixels.

    Raises:
        SettingsError: not even small ones fit.
    """
    each, least = max(map(series.pixel_bytes, cells)), min(widest, _LEAST)
    room.require(held + each * least**2, f"the series of {least} x {least} pixels", _FINER)
    return min(widest, isqrt((room.left(held + each * widest**2) - held) // each))


_PER_REFERENCE = 24
"""Of a pixel: its code in the reference, the patch of a class twice, its class, its lot (SplitMix64
in three steps)."""
_PER_DRAWN = 300
"""Of a sample: a row of a table with text, and of its copy, sorted."""
_PER_FEATURE = 4 + 4
"""Of a feature of a sample: itself, its bin in LightGBM's own table, and what that is built on."""
_PER_CLASS = 8 * 5
"""Of a sample: score, gradient, hessian, probability of every class, and the tree's row."""
PER_MAPPED = 8 * (1 + 4)
"""Of a pixel of a map: class and probability, GDAL's copy, the map page's picture and bytes."""
