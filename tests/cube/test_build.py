import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.domain.time import DAY
from groundshift.errors import SettingsError
from tests.cube.conftest import (
    START,
    assert_reads_as,
    build_cube,
    carried,
    grid,
    random_times,
    scene,
    scenes,
    settings,
    source,
)

quick = examples(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quick
@given(seed=st.integers(0, 2**32), step=st.sampled_from(["1s", "1d", "2d", "5d"]))
def test_a_cube_holds_what_the_published_algorithm_emits(tmp_path_factory, seed, step):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 45, 2))
    observations = source(
        scenes(rng, random_times(rng), shape),
        shape=shape,
        blank={("c", "s2"): START + rng.integers(0, 60 * DAY, 5)},
    )
    chosen = settings(step=step)
    cube = build_cube(tmp_path_factory.mktemp("cube") / "cube", observations, chosen)
    assert_reads_as(cube.cells["c"], carried(observations, chosen))


def test_tiles_meet_without_a_seam_and_no_edge_is_lost(tmp_path, rng):
    shape = (300, 270)
    observations = source(scenes(rng, random_times(rng, every=6), shape), shape=shape)
    cube = build_cube(tmp_path / "cube", observations, settings())
    assert_reads_as(cube.cells["c"], carried(observations, settings()))
