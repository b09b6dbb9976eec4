from dataclasses import replace

import numpy as np
import pytest

from groundshift.assessment.scores import Score
from groundshift.assessment.uncertainty import CLOSENESS, SPREAD, error_ranking


@pytest.fixture
def panel(memory_panel):
    """Labels of two halves, one without any."""
    labels = np.zeros_like(memory_panel.labels)
    labels[:, :, :3] = 1
    labels[:, 0] = np.nan
    return replace(memory_panel, labels=labels)


def test_a_spread_that_is_large_where_the_map_is_wrong_ranks_errors(panel):
    scores = np.where(np.nan_to_num(panel.labels) > 0, 0.75, 0.25).astype(np.float32)
    scores[:, 2, 1] = 0.25  # missed
    scores[:, 3, 5] = 0.75  # found in vain
    spread = np.full_like(scores, 0.1)
    spread[:, 2, 1] = spread[:, 3, 5] = 0.3
    found = error_ranking([panel], [scores], [spread], Score(0.5))
    assert found[SPREAD].value == 1
    assert found[CLOSENESS].value == 0.5
    found = error_ranking([panel], [scores], [-spread], Score(0.5))
    assert found[SPREAD].value == 0


def test_ranking_equals_counting_pairs_of_pixels_with_a_label(panel):
    generator = np.random.default_rng(0)
    scores, spread = (generator.random(panel.labels.shape).astype(np.float32) for _ in range(2))
    found = error_ranking([panel, panel], [scores, scores], [spread, spread], Score(0.6))
    known = ~np.isnan(panel.labels)
    wrong = (panel.labels[known] >= 0.5) != (scores[known] >= 0.6)
    for name, values in ((SPREAD, spread), (CLOSENESS, -np.abs(scores - np.float32(0.6)))):
        one, other = values[known][wrong], values[known][~wrong]
        assert found[name].value == pytest.approx((one[:, None] > other).mean(), abs=1e-6)


def test_what_is_not_defined_says_why(panel):
    right = np.nan_to_num(panel.labels)
    found = error_ranking([panel], [right], [right], Score(0.5))
    assert found[SPREAD].value is None
    unknown = error_ranking([panel], [right], [right], Score(None, "no positive pixel"))
    assert unknown[CLOSENESS].value is None
    assert "no threshold" in unknown[CLOSENESS].reason
