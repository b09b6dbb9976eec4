"""Spectral indices of an optical sensor's bands.

    ndvi    nd(nir, red)                          vegetation (Tucker 1979)
    ndwi    nd(green, nir)                        open water (McFeeters 1996)
    mndwi   nd(green, swir1)                      open water beside buildings (Xu 2006)
    ndbi    nd(swir1, nir)                        buildings (Zha et al. 2003)
    bsi     nd(swir1 + red, nir + blue)           bare soil (Rikimaru et al. 2002)
    norm    square root of the sum of squares     brightness (eo-learn's land-cover example)

with nd(a, b) = (a - b) / (a + b).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from groundshift.domain.bands import Role, role_index
from groundshift.domain.signature import Stream

Image = NDArray[np.float32]

_DIFFERENCES: dict[str, tuple[tuple[Role, ...], tuple[Role, ...]]] = {
    "ndvi": (("nir",), ("red",)),
    "ndwi": (("green",), ("nir",)),
    "mndwi": (("green",), ("swir1",)),
    "ndbi": (("swir1",), ("nir",)),
    "bsi": (("swir1", "red"), ("nir", "blue")),
}
"""The roles whose sums each normalised difference compares."""


def indices(names: Sequence[str], stream: Stream, values: Image) -> Image:
    """Indices of images, in the order of their names.

    Args:
        names: see above.
        stream: what the bands are.
        values: reflectance [..., band], NaN where not known.

    Returns:
        [..., index], NaN where not known or where a denominator is 0.

    Raises:
        SettingsError: a band that an index needs is not there.
    """
    planes = [
        _norm(values) if name == "norm" else _difference(_DIFFERENCES[name], stream, values)
        for name in names
    ]
    if not planes:
        return np.zeros((*values.shape[:-1], 0), np.float32)
    return np.stack(planes, axis=-1).astype(np.float32)


def require_bands(names: Sequence[str], stream: Stream) -> None:
    """Refuse indices that can't be made of a stream's bands.

    Raises:
        SettingsError: naming the band that is missing.
    """
    for name in names:
        for role in (role for roles in _DIFFERENCES.get(name, ()) for role in roles):
            role_index(stream.mission, stream.bands, role)


def _norm(values: Image) -> Image:
    norm: Image = np.sqrt((values * values).sum(axis=-1))
    return norm


def _difference(
    sides: tuple[tuple[Role, ...], tuple[Role, ...]], stream: Stream, values: Image
) -> Image:
    plus, minus = (_summed(roles, stream, values) for roles in sides)
    total = plus + minus
    known = total != 0
    return np.where(known, (plus - minus) / np.where(known, total, 1), np.float32(np.nan))


def _summed(roles: Sequence[Role], stream: Stream, values: Image) -> Image:
    bands = [role_index(stream.mission, stream.bands, role) for role in roles]
    summed: Image = values[..., bands].sum(axis=-1)
    return summed
