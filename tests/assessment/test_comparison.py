"""The new model beside the champion: paired draws, strata, what counts as an event."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from groundshift.assessment.comparison import LEAST_EVENTS, Contender, compare
from groundshift.assessment.event_scores import COLUMNS
from groundshift.assessment.judging import judge
from groundshift.assessment.scores import Score

BLOCKS = 6


@pytest.fixture(scope="module")
def panels(memory_panel):
    """Blocks that are easy for everybody, or hard for everybody."""
    return [
        replace(memory_panel, block=replace(memory_panel.block, number=number))
        for number in range(BLOCKS)
    ]


def scores_of(panels, skill, seed=0):
    generator = np.random.default_rng(seed)
    noise = [generator.random(panel.labels.shape) for panel in panels]
    hardness = np.linspace(0.4, 4, len(panels))  # of a block, the same for everybody
    return [
        (n * hard + skill * np.nan_to_num(panel.labels)).astype(np.float32)
        for n, hard, panel in zip(noise, hardness, panels, strict=True)
    ]


def contender(panels, skill, seed=0, events=None, draws=400):
    scores = scores_of(panels, skill, seed)
    judged = judge("x", panels, scores, Score(0.9), draws=draws, seed=1)
    return Contender(judged, scores, events)


def compared(panels, mine, theirs, confidence=0.95):
    return compare(panels, mine, theirs, confidence=confidence, minimum_positives=50)


def event_rows(found, **described):
    rows = [
        dict.fromkeys(COLUMNS)
        | {
            "id": str(number),
            "kind": "urban",
            "counts": True,
            "strength": 1.0,
            "speed": "abrupt",
            "pixels": 5,
            "found_id": "e" if is_found else None,
        }
        | described
        for number, is_found in enumerate(found)
    ]
    return pd.DataFrame(rows).astype({"counts": bool})


def test_pairs_see_what_intervals_that_overlap_hide(panels):
    mine, theirs = contender(panels, 0.75), contender(panels, 0.7)
    found = compared(panels, mine, theirs)
    assert found.lower_limit > 0
    low, high = mine.judged.intervals["pr_auc"].low, theirs.judged.intervals["pr_auc"].high
    assert low < high, "apart, nothing could be said"
    assert found.blocks == BLOCKS
    assert found.pr_auc > found.champion_pr_auc


def test_the_limit_is_the_quantile_of_the_paired_differences(panels):
    mine, theirs = contender(panels, 0.75, seed=3), contender(panels, 0.75, seed=4)
    differences = mine.judged.draws - theirs.judged.draws
    found = compared(panels, mine, theirs, confidence=0.8)
    assert (differences > found.lower_limit).mean() == pytest.approx(0.8, abs=0.01)
    swapped = compared(panels, theirs, mine)
    assert not (found.lower_limit > 0 and swapped.lower_limit > 0)
    same = compared(panels, mine, mine)
    assert same.lower_limit == 0
    assert all(stratum.loss == 0 for stratum in same.strata)


def test_without_draws_there_is_no_limit(panels):
    mine = contender(panels, 0.75, draws=0)
    assert compared(panels, mine, mine).lower_limit is None


def test_events_are_the_known_ones_or_patches_of_positive_pixels(panels):
    mine = contender(panels, 0.7)
    assert compared(panels, mine, mine).events == BLOCKS, "columns 4 to 6 are one patch a block"
    events = event_rows([True, False, True])
    known = replace(mine, events=pd.concat([events, event_rows([True], counts=False, id="x")]))
    assert compared(panels, known, known).events == 3


def test_strata_of_events_are_large_enough_to_say_something(panels):
    size = LEAST_EVENTS
    mine = pd.concat(
        [
            event_rows([True] * size, speed="abrupt", pixels=5),
            event_rows([False] * size, speed="gradual", pixels=60),
            event_rows([False] * (size - 1), strength=0.5, speed=None, pixels=20),
        ],
        ignore_index=True,
    )
    theirs = mine.assign(found_id="e")
    one = contender(panels, 0.7, events=mine)
    other = contender(panels, 0.7, events=theirs)
    strata = {stratum.name: stratum for stratum in compared(panels, one, other).strata}
    assert strata["events of speed gradual"].loss == 1
    assert strata["events of speed abrupt"].loss == 0
    assert strata["events of strength 1.0"].model == 0.5
    assert strata["events of 51 and more pixels"].size == size
    assert "events of strength 0.5" not in strata
    assert "events of 11 to 50 pixels" not in strata


def test_ground_and_years_are_strata(panels):
    early = [
        replace(
            panel, windows=panel.windows.assign(end=panel.windows["end"] - pd.Timedelta("365D"))
        )
        for panel in panels[:3]
    ]
    mixed = [*early, *panels[3:]]
    good, bad = contender(mixed, 2.0), contender(mixed, 2.0)
    # The one that is bad detects everything in the blocks of the later year.
    scores = [*bad.scores[:3], *(np.ones_like(found) for found in bad.scores[3:])]
    judged = judge("x", mixed, scores, Score(0.9), draws=400, seed=1)
    strata = {s.name: s for s in compared(mixed, Contender(judged, scores, None), good).strata}
    years = sorted({int(year) for panel in mixed for year in panel.windows["end"].dt.year})
    lost = {year: strata[f"windows that end in {year}"].loss for year in years}
    assert lost[years[0]] == 0
    assert lost[years[-1]] > 0.1
    assert strata["unchanged ground"].loss > 0
    assert "decoy ground" not in strata, "there is none"
