"""Scores of maps of classes as regions: overlap (mIoU) and borders (boundary F1).

Both are sums of counts, so that maps, windows and blocks pool before the division.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from groundshift.assessment.scores import Score

Classes = NDArray[np.integer]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class RegionCounts:
    """Counts per class, each int64 [class]; add those of further maps."""

    intersection: NDArray[np.int64]
    union: NDArray[np.int64]
    true_border: NDArray[np.int64]
    true_matched: NDArray[np.int64]
    """Pixels of the true border with a found border pixel within the tolerance."""
    found_border: NDArray[np.int64]
    found_matched: NDArray[np.int64]

    def __add__(self, other: "RegionCounts") -> "RegionCounts":
        return RegionCounts(
            *(getattr(self, n) + getattr(other, n) for n in self.__dataclass_fields__)
        )

    def mean_iou(self) -> Score:
        """Mean intersection over union, over the classes that truth or map holds."""
        present = self.union > 0
        if not present.any():
            return Score(None, "no pixel with a class")
        return Score(float(np.mean(self.intersection[present] / self.union[present])))

    def boundary_f1(self) -> Score:
        """Mean F1 of matched borders, over the classes that have a border in truth."""
        present = self.true_border > 0
        if not present.any():
            return Score(None, "no border between classes in the truth")
        recall = self.true_matched[present] / self.true_border[present]
        found = np.maximum(self.found_border[present], 1)
        precision = self.found_matched[present] / found
        both = precision + recall
        return Score(float(np.mean(2 * precision * recall / np.where(both > 0, both, 1))))


def region_counts(
    truth: Classes, found: Classes, *, classes: Sequence[int], tolerance: int, scored: Mask
) -> RegionCounts:
    """Count overlaps and borders of a stack of maps.

    The border of a class are its pixels with a neighbour (of four) of another class. The edge of
    the map and pixels that are not scored make no border. A border pixel is matched if the other
    map's border of the same class comes within `tolerance` pixels (straight line distance).

    Args:
        truth: [..., y, x] class of each pixel.
        found: [..., y, x].
        classes: the classes that count.
        tolerance: in pixels; 0 asks for the same pixel.
        scored: [..., y, x], or [y, x] for all maps alike.
    """
    known = np.broadcast_to(scored, truth.shape)
    disk = _disk(tolerance)
    rows = []
    for label in classes:
        mine, theirs = (truth == label) & known, (found == label) & known
        border, found_border = _border(mine, known), _border(theirs, known)
        rows.append(
            [
                np.count_nonzero(mine & theirs),
                np.count_nonzero(mine | theirs),
                np.count_nonzero(border),
                np.count_nonzero(border & _near(found_border, disk)),
                np.count_nonzero(found_border),
                np.count_nonzero(found_border & _near(border, disk)),
            ]
        )
    return RegionCounts(*np.array(rows, np.int64).T)


def _border(region: Mask, known: Mask) -> Mask:
    """Pixels of a region that touch a known pixel outside it, [..., y, x]."""
    outside = known & ~region
    touches = np.zeros_like(region)
    touches[..., 1:, :] |= outside[..., :-1, :]
    touches[..., :-1, :] |= outside[..., 1:, :]
    touches[..., :, 1:] |= outside[..., :, :-1]
    touches[..., :, :-1] |= outside[..., :, 1:]
    return region & touches


def _disk(radius: int) -> Mask:
    """Offsets within a distance: [2 * radius + 1, 2 * radius + 1]."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    inside: Mask = y**2 + x**2 <= radius**2
    return inside


def _near(border: Mask, disk: Mask) -> Mask:
    """Pixels within a disk of a border pixel of the same map, [..., y, x]."""
    maps = border.reshape(-1, *border.shape[-2:])
    dilated: Mask = ndimage.binary_dilation(maps, disk[None])
    return dilated.reshape(border.shape)
