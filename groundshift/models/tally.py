"""Validation scores without holding the validation set: sums and a histogram.

The training loss depends on which samples share a batch; here it is that of all samples as one
batch.
"""

import numpy as np
from numpy.typing import NDArray

from groundshift.models.losses import SMOOTHING

POSITIVE = 0.5
"""Label from which a pixel counts as changed."""

_BINS = 10_000


class Tally:
    """Loss and area under the precision-recall curve of everything added."""

    def __init__(self, border: int = 1) -> None:
        """Start with nothing; `border` pixels along each edge don't count for the loss."""
        self._border = border
        self._common = np.zeros(2)
        self._squares = np.zeros(2)
        self._counts = np.zeros((2, _BINS), np.int64)

    def add(self, labels: NDArray[np.float32], scores: NDArray[np.float32]) -> None:
        """Add labels (NaN: none) and scores, both [b, y, x]."""
        known = ~np.isnan(labels)
        changed = labels[known] >= POSITIVE
        bins = np.minimum((scores[known] * _BINS).astype(int), _BINS - 1)
        for number, part in enumerate((bins[~changed], bins[changed])):
            self._counts[number] += np.bincount(part, minlength=_BINS)
        inner = slice(self._border, -self._border or None)
        known = known[:, inner, inner]
        label = labels[:, inner, inner][known].astype(np.float64)
        score = scores[:, inner, inner][known].astype(np.float64)
        for number, (y, p) in enumerate(((label, score), (1 - label, 1 - score))):
            self._common[number] += (y * p).sum()
            self._squares[number] += (y**2 + p**2).sum()

    @property
    def loss(self) -> float:
        """`losses.tanimoto_with_complement` of all samples as one batch."""
        similarity = self._common / (self._squares - self._common + SMOOTHING)
        return float(1 - similarity.mean())

    @property
    def pr_auc(self) -> float | None:
        """Average precision, scores taken to 1/10000; None if no pixel is changed."""
        stable, changed = self._counts[:, ::-1].cumsum(axis=1)
        if not changed[-1]:
            return None
        gained = np.diff(changed, prepend=0) / changed[-1]
        return float((gained * changed / np.maximum(stable + changed, 1)).sum())
