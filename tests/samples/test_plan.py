"""Planning one cell of an area: what is checked over the whole of it, and what is not."""

import pytest

from groundshift.errors import ContractError, SettingsError
from groundshift.samples.plan import plan_index
from tests.samples.ground import FOUR_CELLS, four_cells, planted_across, stacked, stage_settings

WINDOW = {"length": "20d", "area": FOUR_CELLS}


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    """The first cell, which ends earlier, and all four."""
    folder = tmp_path_factory.mktemp("cells")
    cells = four_cells()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        return tuple(
            stacked(folder / name, chosen, planted_across(), FOUR_CELLS).opened
            for name, chosen in (("first", cells[:1]), ("all", cells))
        )


def test_a_cell_may_have_no_window_after_a_date_that_others_have(cubes):
    first, every = cubes
    split = {"block": 16, "buffer": 0, "until": "2017-04-08"}
    planned = plan_index(every, stage_settings(**WINDOW, split=split)).complete
    assert "after" in set(planned["side"])
    alone = plan_index(first, stage_settings(**WINDOW, split=split)).complete
    assert "after" not in set(alone["side"])
    late = {"block": 16, "buffer": 0, "until": "2017-05-20"}
    with pytest.raises(SettingsError, match="no complete window is left for test"):
        plan_index(every, stage_settings(**WINDOW, split=late))


def test_a_cell_of_another_area_is_refused(cubes):
    left, bottom, right, top = FOUR_CELLS["bounds"]
    elsewhere = FOUR_CELLS | {"bounds": [left + 640, bottom, right + 640, top]}
    with pytest.raises(ContractError, match="which is none of the 4 cells of area test"):
        plan_index(cubes[0], stage_settings(**WINDOW | {"area": elsewhere}))
