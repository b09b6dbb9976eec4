"""Area of change from a stratified sample: unbiased, with honest intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.assessment.area import allocate, estimate_areas


def test_the_estimators_give_the_figures_of_the_paper():
    """The worked example of Olofsson et al. (2014), tables 8 and 9: deforestation in hectares."""
    strata = {"1": 18_000.0, "2": 13_500.0, "3": 288_000.0, "4": 580_500.0}
    counts = {  # map class: reference class -> units
        "1": {"1": 66, "3": 5, "4": 4},
        "2": {"2": 55, "3": 8, "4": 12},
        "3": {"1": 1, "3": 153, "4": 11},
        "4": {"2": 1, "3": 9, "4": 315},
    }
    stratum = [h for h, row in counts.items() for n in row.values() for _ in range(n)]
    reference = [c for row in counts.values() for c, n in row.items() for _ in range(n)]
    found = estimate_areas({h: size * 0.09 for h, size in strata.items()}, stratum, reference)
    # 235,086 pixels of 30 m, with a standard error of 3,418 pixels' area in hectares
    assert found["1"].area == pytest.approx(17_585 * 0.09, rel=0.01)
    assert found["1"].high - found["1"].area == pytest.approx(1.96 * found["1"].error, rel=0.02)
    assert sum(area.area for area in found.values()) == pytest.approx(900_000 * 0.09)


def test_the_interval_holds_the_true_area_as_often_as_it_says():
    """1 % of change; the map finds 70 % of it, and of what it reports a fifth is none."""
    generator = np.random.default_rng(4)
    truth = np.zeros(200_000, bool)
    truth[:4_000] = True
    mapped = truth & (generator.random(truth.size) < 0.8)
    mapped[generator.choice(np.flatnonzero(~truth), 800, replace=False)] = True
    near = ~mapped & (np.arange(truth.size) < 20_000)
    strata = {"change": mapped, "beside": near, "rest": ~mapped & ~near}
    sizes = {name: int(inside.sum()) for name, inside in strata.items()}
    counts = allocate(sizes, 600, 150)
    held, areas = 0, []
    for _ in range(200):
        picked = {
            name: generator.choice(np.flatnonzero(inside), counts[name], replace=False)
            for name, inside in strata.items()
        }
        stratum = [name for name, units in picked.items() for _ in units]
        reference = ["yes" if truth[u] else "no" for units in picked.values() for u in units]
        found = estimate_areas({n: float(s) for n, s in sizes.items()}, stratum, reference)["yes"]
        held += found.low <= truth.sum() <= found.high
        areas.append(found.area)
    assert 0.93 <= held / 200 <= 0.97
    assert np.mean(areas) == pytest.approx(truth.sum(), rel=0.02)


def test_a_stratum_without_scatter_has_no_error():
    found = estimate_areas({"a": 10.0, "b": 20.0}, ["a", "a", "b", "b"], ["x", "x", "y", "y"])
    assert (found["x"].area, found["x"].error, found["x"].low) == (10, 0, 10)


def test_units_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="fewer in \\['b'\\]"):
        estimate_areas({"a": 1.0, "b": 1.0}, ["a", "a", "b"], ["x", "x", "x"])
    with pytest.raises(ValueError, match="found \\['c'\\]"):
        estimate_areas({"a": 1.0}, ["a", "a", "c"], ["x", "x", "x"])


@given(
    st.dictionaries(st.text(max_size=3), st.integers(1, 10_000), min_size=1, max_size=6),
    st.integers(2, 500),
    st.integers(2, 60),
)
def test_every_stratum_gets_its_share_and_no_more_than_it_has(sizes, total, least):
    counts = allocate(sizes, total, least)
    assert all(min(least, size) <= counts[name] <= size for name, size in sizes.items())
    wanted = max(total, sum(min(least, size) for size in sizes.values()))
    assert sum(counts.values()) <= wanted + len(sizes)
