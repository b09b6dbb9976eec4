"""Pictures of scores, dates and the ground, in colours that colour-blind people can tell apart."""

import base64
import io

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from groundshift.domain.time import DAY

Rgba = NDArray[np.uint8]
"""A picture, [y, x, red green blue alpha]."""

SCORE_COLOURS = "inferno"
DATE_COLOURS = "viridis"
SPREAD_COLOURS = "cividis"
EVENT_COLOUR = "#ffb000"
TRUTH_COLOUR = "#648fff"
DECOY_COLOUR = "#dc267f"
"""Outlines, from the IBM palette, which people with any colour vision can tell apart."""

_UNSEEN = (120, 120, 120)


def paint_score(score: NDArray[np.float32], *, veil: bool = False) -> Rgba:
    """Scores 0...1 in colour; NaN is transparent.

    Args:
        score: [y, x].
        veil: transparent below 0.25 and less and less so up to 0.75, to lie over an image of the
            ground.
    """
    known = np.isfinite(score)
    level = np.clip(np.where(known, score, 0), 0, 1)
    picture: Rgba = colormaps[SCORE_COLOURS](level, bytes=True)
    alpha = np.clip(level * 2 - 0.5, 0, 1) if veil else np.ones_like(level)
    picture[..., 3] = np.where(known, 255 * alpha, 0)
    return picture


def paint_level(level: NDArray[np.float32], colours: str) -> Rgba:
    """Numbers 0...1 in the colours of a colour map; NaN is transparent."""
    known = np.isfinite(level)
    picture: Rgba = colormaps[colours](np.clip(np.where(known, level, 0), 0, 1), bytes=True)
    picture[..., 3] = np.where(known, 255, 0)
    return picture


def paint_date(day: NDArray[np.int32], shown: NDArray[np.bool_], period: tuple[int, int]) -> Rgba:
    """Days since 1970 in colour over a period of seconds; pixels not shown are transparent."""
    first, last = (seconds / DAY for seconds in period)
    level = (day - first) / max(last - first, 1)
    picture: Rgba = colormaps[DATE_COLOURS](np.clip(level, 0, 1), bytes=True)
    picture[..., 3] = np.where(shown, 255, 0)
    return picture


def paint_ground(image: NDArray[np.float32]) -> Rgba:
    """A stretched image of the ground, [y, x, 3] in 0...1; grey where nothing was seen."""
    seen = np.isfinite(image).all(axis=-1, keepdims=True)
    colours = np.where(seen, np.nan_to_num(image) * 255, np.array(_UNSEEN)).astype(np.uint8)
    opaque = np.full((*image.shape[:2], 1), 255, np.uint8)
    return np.concatenate([colours, opaque], axis=-1)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """A picture as PNG, the same bytes every time."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_uri(png: bytes) -> str:
    """A PNG that a page carries inside itself."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def colour_bar(name: str, steps: int = 64) -> str:
    """A colour map as a CSS gradient from left to right."""
    colours = colormaps[name](np.linspace(0, 1, steps), bytes=True)
    stops = ", ".join(f"rgb({red},{green},{blue})" for red, green, blue, _ in colours)
    return f"linear-gradient(to right, {stops})"


def scale_length(width: float) -> float:
    """A round length (1, 2 or 5 times a power of ten) of about a quarter of a width."""
    target = width / 4
    power = 10.0 ** np.floor(np.log10(target))
    return float(max(step * power for step in (1, 2, 5) if step * power <= target))


def format_length(metres: float) -> str:
    """A length in metres or kilometres."""
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
