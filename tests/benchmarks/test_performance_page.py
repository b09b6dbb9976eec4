from pathlib import Path

import pytest

from benchmarks.performance_page import PAGE, rates_of, with_tables


def test_the_page_holds_what_the_results_say():
    assert with_tables(PAGE.read_text()) == PAGE.read_text(), (
        "run python -m benchmarks.performance_page"
    )


def test_a_page_without_its_marks_is_noticed():
    with pytest.raises(ValueError, match="not enough values"):
        with_tables(Path("README.md").read_text())


def test_costs_are_per_km2_and_year():
    network = {"ours": {"cpu_s": 20.0}, "plain": {"cpu_s": 3.0}, "units": (640, 10)}
    stack = {"ours": {"cpu_s": 6.0}, "notes": {"km2": 4.0, "years": 1.5}}
    rates = rates_of({"stack": stack, "network, stride 5": network})
    assert rates["stack"] == (None, 1.0)
    windows, cost = rates["maps, stride 5"]
    assert windows == 31
    assert cost == pytest.approx(20 / 640 * 1e4 / 32**2 * 31)
    assert rates["the same at stride 5 by Keras"][1] == pytest.approx(0.3 * 1e4 / 32**2 * 31)
    assert "maps, stride 1" not in rates
