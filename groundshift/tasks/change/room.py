"""What an evaluation takes of memory, and what of it is left to scoring and to baselines."""

import sys
from dataclasses import dataclass

from groundshift.assessment.network_scores import WHOLE_VALUES
from groundshift.assessment.protocol import blocks_of
from groundshift.assessment.scoring import BYTES_PER_VALUE, KEPT_VALUES, LEAST_BYTES
from groundshift.cube.store import Cube
from groundshift.memory import Room
from groundshift.models.inference import least_bytes
from groundshift.models.store import Detector
from groundshift.samples.splits import Split
from groundshift.samples.store import Samples
from groundshift.settings import EvaluateStage

_JUDGED: tuple[Split, ...] = ("validation", "test")
_BYTES_PER_SCORE = 60
"""Labels, decoys, scores of the network and of a baseline, ranks, what is pooled of them."""


@dataclass(frozen=True)
class Share:
    """What may be taken of memory.

    Attributes:
        scoring: bytes of the network's scoring; None is as many as usual.
        strips: numbers of strips that are kept for the next baseline.
    """

    scoring: int | None = None
    strips: int = KEPT_VALUES


def share_of(settings: EvaluateStage, cube: Cube, samples: Samples, detector: Detector) -> Share:
    """Divide the memory that the settings give.

    Raises:
        SettingsError: an evaluation takes more.
    """
    room = Room(settings.memory, "evaluate")
    if not room.limited:
        return Share()
    held, least = 0, LEAST_BYTES
    for split in _JUDGED:
        for block in blocks_of(samples, cube, split):
            cell = cube.cells[block.cell.id]
            windows = samples.windows_of(split, block.cell.id).iloc[:: settings.evaluate.stride]
            whole = min(WHOLE_VALUES, cell.shape[0] * cell.shape[1] * len(windows))
            edge = max(block.inside.shape)
            if len(windows):
                held += block.inside.size * len(windows) * _BYTES_PER_SCORE
                least = max(least, 4 * whole + least_bytes(detector, cell, windows, block=edge))
    remedy = f"take every n-th window by evaluate.stride (now {settings.evaluate.stride})"
    room.require(held + least, "labels and scores of the judged blocks", remedy)
    free = room.left(sys.maxsize) - held
    return Share(free, min(KEPT_VALUES, (free - least) // BYTES_PER_VALUE))
