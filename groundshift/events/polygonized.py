"""The simple way from maps to events, to compare with: threshold the maximum and outline it.

What most scripts do with a stack of score maps. It needs no settings but a threshold and a smallest
size, and dates an event by the windows that score highest.
"""

import geopandas as gpd
import numpy as np
import pandas as pd
from rasterio.features import shapes
from scipy import ndimage
from shapely.geometry import shape

from groundshift.events.objects import ScoredWindows


def polygonize(windows: ScoredWindows, threshold: float, min_pixels: int) -> gpd.GeoDataFrame:
    """Connected pixels whose greatest score reaches the threshold.

    Args:
        windows: the maps.
        threshold: greatest score from which a pixel counts.
        min_pixels: smaller groups are dropped.

    Returns:
        Columns id, date (median over the pixels of the middle of their best window), score (mean of
        their greatest scores) and geometry.
    """
    scores = np.nan_to_num(windows.scores)
    maximum, best = scores.max(axis=0), scores.argmax(axis=0)
    groups, _ = ndimage.label(maximum >= threshold)
    sizes = np.bincount(groups.ravel())
    labels = np.where(sizes[groups] >= min_pixels, groups, 0).astype(np.int32)
    outlines = shapes(labels, labels > 0, connectivity=4, transform=windows.grid.transform)
    rows = [(int(number), shape(outline)) for outline, number in outlines]
    numbers = np.array([number for number, _ in rows], int)
    middles = ((windows.starts + windows.ends) / 2)[best]
    dates = ndimage.median(middles, labels, numbers) if rows else []
    return gpd.GeoDataFrame(
        {
            "id": [f"group {number}" for number in numbers],
            "date": pd.to_datetime(np.atleast_1d(dates), unit="s"),
            "score": ndimage.mean(maximum, labels, numbers) if rows else [],
        },
        geometry=[outline for _, outline in rows],
        crs=str(windows.grid.crs),
    )
