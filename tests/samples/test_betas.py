"""Betas of a region from the sums over its cells: joined, found again, refused."""

import numpy as np
import pandas as pd
import pytest

from groundshift.artifacts import writing
from groundshift.errors import ContractError
from groundshift.samples.betas import BETAS, COEFFICIENTS, NO_PAIRS, Sums, join, sum_cells
from groundshift.samples.labels import synthetic
from groundshift.samples.plan import windows_of
from tests.samples.ground import stage_settings

SETTINGS = stage_settings(length="40d", stride=8)


@pytest.fixture(scope="module")
def cube(artifacts):
    return artifacts.opened


@pytest.fixture(scope="module")
def windows(cube):
    found = windows_of(cube, SETTINGS)
    return found[found["complete"]]


@pytest.fixture(scope="module")
def sums(cube, windows):
    return sum_cells(cube, windows)


def renamed(sums, cell):
    return Sums(sums.table.assign(cell=cell), None)


def test_the_region_is_summed_up_before_the_quotient_is_taken(sums):
    doubled = Sums(sums.table.assign(cell="b", blue=3 * sums.table["blue"]), None)
    joined = join([renamed(sums, "a"), doubled])
    own = sums.table
    expected = 2 * 4 * own["blue"] / (2 * (own["ratio"] + own["mndwi2"]))
    for cell in ("a", "b"):
        found = joined.table.loc[joined.table["cell"] == cell, "beta"]
        np.testing.assert_allclose(found, expected)


def test_an_obstacle_in_one_cell_is_one_for_the_region(sums):
    blocked = Sums(synthetic.regional_betas([]), "no optical stream")
    joined = join([renamed(sums, "a"), blocked])
    assert joined.obstacle == "no optical stream"
    assert joined.table.empty


def test_a_cell_without_pairs_is_none(sums):
    without = Sums(sums.table.iloc[:0], None)
    joined = join([without, renamed(sums, "b")])
    assert joined.obstacle is None
    assert joined.table["cell"].unique().tolist() == ["b"]
    assert joined.table["id"].dtype == np.int64
    assert join([without]).obstacle == NO_PAIRS


@pytest.mark.parametrize("contract", [COEFFICIENTS, BETAS])
def test_what_is_written_is_read_again(sums, tmp_path, contract):
    made = join([sums]) if contract == BETAS else sums
    with writing(
        tmp_path / "made", contract, area="test", settings=SETTINGS.affecting(), inputs={}
    ) as draft:
        made.write(draft, contract)
    found = Sums.read(tmp_path / "made", contract, SETTINGS)
    pd.testing.assert_frame_equal(found.table, made.table)
    assert found.obstacle is None
    with pytest.raises(ContractError, match="by the settings of area test"):
        Sums.read(tmp_path / "made", contract, stage_settings(length="50d"))


def test_the_value_hash_holds_six_digits(sums, tmp_path):
    def written(name, factor):
        table = sums.table.assign(blue=sums.table["blue"] * factor)
        with writing(tmp_path / name, COEFFICIENTS, area="test", settings={}, inputs={}) as draft:
            Sums(table, None).write(draft, COEFFICIENTS)
        return draft.finished.value_hash

    expected = written("a", 1)
    assert written("b", 1 + 1e-14) == expected
    assert written("c", 1 + 1e-3) != expected


def test_betas_of_another_cube_or_of_other_windows_are_refused(cube, windows, sums):
    joined = join([sums])
    assert "cube" not in joined.of(cube, windows)
    other = Sums(joined.table.assign(cube="another"), None)
    with pytest.raises(ContractError, match="of another one"):
        other.of(cube, windows)
    fewer = Sums(joined.table.iloc[2:], None)
    with pytest.raises(ContractError, match=r"expected \d+ windows of this very cube, found"):
        fewer.of(cube, windows)
