"""How well an ensemble's spread tells where its map is wrong."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from groundshift.assessment.protocol import Panel, positive
from groundshift.assessment.scores import NO_THRESHOLD, Score, roc_auc

SPREAD, CLOSENESS = "error_auc_of_spread", "error_auc_of_closeness"


def error_ranking(
    panels: Sequence[Panel],
    scores: Sequence[NDArray[np.float32]],
    spread: Sequence[NDArray[np.float32]],
    threshold: Score,
) -> dict[str, Score]:
    """Chance that a wrong pixel has a larger spread than a right one; one half is no use.

    A pixel is wrong where the map at the threshold says otherwise than the truth. Beside it stands
    the same for the closeness of the score to the threshold, which needs no ensemble: a spread is
    worth its members only where it does better.

    Args:
        panels: the test blocks.
        scores: mean of the ensemble, per panel [window, y, x].
        spread: standard deviation over its members, likewise.
        threshold: of the map.
    """
    limit = threshold.value
    if limit is None:
        return dict.fromkeys((SPREAD, CLOSENESS), Score(None, NO_THRESHOLD))
    known = [~np.isnan(panel.labels) for panel in panels]
    labels, found, wide = (
        np.concatenate([values[mask] for values, mask in zip(part, known, strict=True)])
        for part in ([panel.labels for panel in panels], scores, spread)
    )
    wrong = positive(labels) != (found >= limit)
    return {SPREAD: roc_auc(wrong, wide), CLOSENESS: roc_auc(wrong, -np.abs(found - limit))}
