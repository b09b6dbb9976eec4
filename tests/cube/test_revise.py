import os
import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from groundshift.cube.commit import prune
from groundshift.cube.revise import revise
from groundshift.cube.source import Amended
from groundshift.cube.store import Cube
from groundshift.domain.time import DAY
from groundshift.errors import ContractError
from tests.cube.conftest import (
    SENSORS,
    START,
    assert_reads_as,
    build_cube,
    carried,
    random_times,
    scene,
    scenes,
    settings,
    source,
)

quick = examples(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def amended(rng, base, shape, days, *, insert, replaced, drop, append):
    """Observations with some random changes of every kind."""
    places = [tuple(row) for row in base.table[["cell", "sensor", "time"]].to_numpy().tolist()]
    picked = rng.permutation(len(places))
    gone = [places[i] for i in picked[:drop]]
    again = [places[i] for i in picked[drop : drop + replaced]]
    put = {place: scene(rng, place[1], shape) for place in again}
    for late, count in ((False, insert), (True, append)):
        for _ in range(count):
            first, last = (days * DAY, (days + 15) * DAY) if late else (-5 * DAY, days * DAY)
            sensor = str(rng.choice(list(SENSORS)))
            time = START + int(rng.integers(first, last))
            put["c", sensor, time] = scene(rng, sensor, shape)
    return Amended(base, put=put, drop=gone)


@quick
@given(
    seed=st.integers(0, 2**32),
    insert=st.integers(0, 3),
    replaced=st.integers(0, 2),
    drop=st.integers(0, 2),
    append=st.integers(0, 4),
    longer=st.integers(-10, 20),
)
def test_a_revised_cube_equals_one_built_at_once(
    tmp_path_factory, seed, insert, replaced, drop, append, longer
):
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("revised")
    shape = tuple(int(n) for n in rng.integers(1, 40, 2))
    now = source(scenes(rng, random_times(rng), shape), shape=shape)
    build_cube(folder / "cube", now, settings(60))
    for round_ in range(2):
        days = 60 + longer * (round_ + 1)
        now = amended(
            rng, now, shape, 60, insert=insert, replaced=replaced, drop=drop, append=append
        )
        outcome = revise(folder / "cube", now, settings(days))
        rebuilt = build_cube(folder / f"rebuilt{round_}", now, settings(days))
        assert outcome.manifest.value_hash == rebuilt.manifest.value_hash
        revised = Cube.open(folder / "cube")
        assert revised.manifest == outcome.manifest
        assert_reads_as(revised.cells["c"], carried(now, settings(days)))
