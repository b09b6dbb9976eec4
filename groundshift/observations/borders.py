"""Border noise of radar images, masked before anybody takes it for ground.

Along the edges of what a radar saw, products may keep numbers close to zero that count as valid:
Sentinel-1 GRD from before March 2018, resampled edges later. Such pixels hold no signal, and they
hang together with the edge. So every patch of them is masked that touches ground which was not
seen, or the end of the cell, where the edge itself may lie one pixel on. What is as dark in the
middle of an image is left to the check `border`, which knows how the same ground looks else.

Masking twice does no more than masking once, so that images may come from an earlier artifact.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy import ndimage

from groundshift.observations.checks.border import NOISE
from groundshift.observations.sources.base import Acquisition, Image, Scene
from groundshift.observations.sources.in_front import InFront

NOTE = "border noise masked: "

_FEWEST = 25
"""Pixels of a patch; fewer may be speckle over calm water."""
_EIGHT = np.ones((3, 3), bool)

Bools = NDArray[np.bool_]


class WithoutBorders(InFront):
    """A source whose radar images lose their border noise."""

    def image(self, scene: Scene, acquisition: Acquisition, grid: GeoBox) -> Image | None:
        """The source's image, with its border noise masked and noted."""
        image = scene.read(grid)
        if image is None or self.sensors[acquisition.sensor].units != "linear power":
            return image
        noise = border_noise(image.values, image.valid)
        if not noise.any():
            return image
        note = f"{NOTE}{noise.mean():.2%} of the pixels, below {NOISE:g} dB along the edge"
        valid = image.valid & ~noise
        values = np.where(valid[..., None], image.values, np.float32(0))
        return replace(image, values=values, valid=valid, note=note)


def border_noise(values: NDArray[np.float32], valid: Bools) -> Bools:
    """Valid pixels without signal that hang together with the edge of what was seen, [y, x].

    Args:
        values: Linear power, [y, x, band].
        valid: [y, x].
    """
    dark = valid & (values.max(axis=-1) < 10 ** (NOISE / 10))
    if dark.sum() < _FEWEST:
        return np.zeros_like(valid)
    patches, count = ndimage.label(dark, _EIGHT)
    outside = np.pad(~valid, 1, constant_values=True)
    beside = ndimage.binary_dilation(outside, _EIGHT)[1:-1, 1:-1]
    sizes = np.bincount(patches.ravel(), minlength=count + 1)
    touching = np.bincount(patches[beside].ravel(), minlength=count + 1) > 0
    chosen = touching & (sizes >= _FEWEST)
    chosen[0] = False  # what isn't dark
    return np.asarray(chosen[patches])
