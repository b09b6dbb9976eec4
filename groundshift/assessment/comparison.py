"""A new model beside the champion, on the same test blocks and the same draws of blocks.

The two are scored on the very same pixels, and every bootstrap draw takes the same blocks for
both, so that what makes a block easy or hard for any model falls out of the difference. Strata are
parts of what is scored that a mean over everything could hide: the known events of one strength,
speed or size, ground that changed in another way, the windows of one year.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from groundshift.assessment.judging import Judged
from groundshift.assessment.protocol import Panel, positive
from groundshift.assessment.scores import Values, average_precision, scored

CHAMPION = "champion"
"""Name of the champion among the detectors of an evaluation."""

SIZES = ((1, 10), (11, 50), (51, None))
"""Events by pixels: 0.1 ha and 0.5 ha part them at 10 m."""
LEAST_EVENTS = 10
"""Known events below which a stratum's recall is chance."""

_LEAST_PIXELS = 100
_WHOLE = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Contender:
    """A detector with all that strata are made of.

    Attributes:
        judged: on the test blocks.
        scores: per panel [window, y, x].
        events: rows of `event_table`; None where no events are known.
    """

    judged: Judged
    scores: Sequence[NDArray[np.float32]]
    events: pd.DataFrame | None


@dataclass(frozen=True)
class Stratum:
    """One part of what is scored, higher is better for both.

    Attributes:
        name: which part.
        measure: recall of events, share of pixels left alone, or PR-AUC.
        size: events or pixels in it.
        model: the new model's measure.
        champion: the champion's.
    """

    name: str
    measure: str
    size: int
    model: float
    champion: float

    @property
    def loss(self) -> float:
        """By how much the new model is worse; negative where it is better."""
        return self.champion - self.model


@dataclass(frozen=True)
class Comparison:
    """How far a new model is ahead of the champion.

    Attributes:
        blocks: test blocks with a label.
        events: known events on them; without polygons, connected patches of positive pixels.
        pr_auc: of the new model.
        champion_pr_auc: of the champion, on the same pixels.
        lower_limit: of the difference, which the asked share of the paired draws lies above; None
            where there are no draws.
        strata: that are large enough to say something.
    """

    blocks: int
    events: int
    pr_auc: float | None
    champion_pr_auc: float | None
    lower_limit: float | None
    strata: tuple[Stratum, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description, numbers to six digits."""
        document = asdict(self) | {"strata": [asdict(stratum) for stratum in self.strata]}
        rounded: dict[str, Any] = _rounded(document)
        return rounded


def compare(
    panels: Sequence[Panel],
    model: Contender,
    champion: Contender,
    *,
    confidence: float,
    minimum_positives: int,
) -> Comparison:
    """Compare two detectors that were judged on the same panels with the same draws.

    Args:
        panels: the test blocks.
        model: the new model.
        champion: the champion.
        confidence: share of the paired draws that lies above the lower limit.
        minimum_positives: changed pixels (times windows) below which a year is no stratum.
    """
    differences = model.judged.draws - champion.judged.draws
    known = differences[np.isfinite(differences)]
    enough = len(known) * 2 >= len(differences) > 0
    return Comparison(
        blocks=int((model.judged.blocks["pixels"] > 0).sum()),
        events=_count_events(panels, model.events),
        pr_auc=model.judged.scores["pr_auc"].value,
        champion_pr_auc=champion.judged.scores["pr_auc"].value,
        lower_limit=float(np.quantile(known, 1 - confidence)) if enough else None,
        strata=(
            *_event_strata(model.events, champion.events),
            *_ground_strata(model.judged, champion.judged),
            *_year_strata(panels, model.scores, champion.scores, minimum_positives),
        ),
    )


def _count_events(panels: Sequence[Panel], events: pd.DataFrame | None) -> int:
    if events is not None:
        return int(events.loc[events["counts"], "id"].nunique())
    changed = (positive(panel.labels).any(axis=0) for panel in panels)
    return sum(int(ndimage.label(pixels, structure=_WHOLE)[1]) for pixels in changed)


def _event_strata(mine: pd.DataFrame | None, theirs: pd.DataFrame | None) -> Iterator[Stratum]:
    """Recall of the known events by strength, speed and size."""
    if mine is None or theirs is None:
        return
    # Rows of known events stand in the same order in both tables, false alarms apart.
    mine, theirs = mine[mine["counts"]], theirs[theirs["counts"]]
    groups = [
        (f"events of {what} {value}", (mine[what] == value).to_numpy())
        for what in ("strength", "speed")
        for value in sorted(mine[what].dropna().unique())
    ]
    pixels = mine["pixels"].to_numpy(np.float64)
    for least, most in SIZES:
        inside = (pixels >= least) & (pixels <= (np.inf if most is None else most))
        title = f"events of {least} to {most}" if most else f"events of {least} and more"
        groups.append((f"{title} pixels", inside))
    for name, rows in groups:
        if rows.sum() >= LEAST_EVENTS:
            shares = [float(table["found_id"][rows].notna().mean()) for table in (mine, theirs)]
            yield Stratum(name, "recall", int(rows.sum()), *shares)


def _ground_strata(model: Judged, champion: Judged) -> Iterator[Stratum]:
    """The share of ground that was left alone where nothing urban changed."""
    tables = [judged.kinds.set_index("kind") for judged in (model, champion)]
    for kind in ("decoy", "unchanged"):
        pixels = int(tables[0].loc[kind, "pixels"])
        shares = [table.loc[kind, "share_detected"] for table in tables]
        if pixels >= _LEAST_PIXELS and not any(pd.isna(share) for share in shares):
            yield Stratum(f"{kind} ground", "left alone", pixels, *(1 - float(s) for s in shares))


def _year_strata(
    panels: Sequence[Panel],
    mine: Sequence[NDArray[np.float32]],
    theirs: Sequence[NDArray[np.float32]],
    minimum_positives: int,
) -> Iterator[Stratum]:
    """PR-AUC of the windows that end in one year."""
    years = [panel.windows["end"].dt.year.to_numpy() for panel in panels]
    every = sorted({int(year) for found in years for year in found})
    for year in every if len(every) > 1 else ():
        chosen = [found == year for found in years]
        areas: list[float] = []
        for scores in (mine, theirs):
            labels, values = _pooled(panels, scores, chosen)
            changed = positive(labels)
            area = average_precision(changed, values).value
            if area is None or changed.sum() < minimum_positives:
                break
            areas.append(area)
        else:
            yield Stratum(f"windows that end in {year}", "PR-AUC", len(labels), *areas)


def _pooled(
    panels: Sequence[Panel],
    scores: Sequence[NDArray[np.float32]],
    chosen: Sequence[NDArray[np.bool_]],
) -> tuple[Values, Values]:
    parts = [
        scored(panel.labels[rows], found[rows])
        for panel, found, rows in zip(panels, scores, chosen, strict=True)
    ]
    labels, values = zip(*parts, strict=True)
    return np.concatenate(labels), np.concatenate(values)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value
