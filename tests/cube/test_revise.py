import hashlib
from dataclasses import replace

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from groundshift.cube.fill import Image
from groundshift.cube.revise import Change, obstacle, revise
from groundshift.cube.shards import SLOTS, TILE
from groundshift.cube.source import Amended
from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.domain.time import DAY
from groundshift.errors import ContractError
from tests.cube.conftest import (
    SENSORS,
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
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def amended(rng, base, shape, *, insert=0, replaced=0, drop=0, append=0, days=60):
    """Observations with some random changes of every kind."""
    places = [tuple(row) for row in base.table[["cell", "sensor", "time"]].to_numpy().tolist()]
    within = [place for place in places if START <= place[2] < START + days * DAY]
    picked = [within[i] for i in rng.permutation(len(within))]
    put = {place: scene(rng, place[1], shape) for place in picked[drop : drop + replaced]}
    for late, count in ((False, insert), (True, append)):
        for _ in range(count):
            first, last = (days, days + 15) if late else (-5, days)
            time = START + int(rng.integers(first * DAY, last * DAY))
            sensor = str(rng.choice(list(SENSORS)))
            put["c", sensor, time] = scene(rng, sensor, shape)
    return Amended(base, put=put, drop=picked[:drop])


@quick
@given(
    seed=st.integers(0, 2**32),
    insert=st.integers(0, 3),
    replaced=st.integers(0, 2),
    drop=st.integers(0, 2),
    append=st.integers(0, 4),
    longer=st.integers(-10, 20),
    max_age=st.sampled_from([None, "1d", "6d", "15d"]),
)
def test_a_revised_cube_equals_one_built_at_once(
    tmp_path_factory, seed, insert, replaced, drop, append, longer, max_age
):
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("revised")
    shape = tuple(int(n) for n in rng.integers(1, 40, 2))
    now = source(scenes(rng, random_times(rng), shape), shape=shape)
    build_cube(folder / "cube", now, settings(60, max_age=max_age))
    for again in (1, 2):
        chosen = settings(60 + longer * again, max_age=max_age)
        now = amended(rng, now, shape, insert=insert, replaced=replaced, drop=drop, append=append)
        outcome = revise(folder / "cube", now, chosen)
        rebuilt = build_cube(folder / f"rebuilt{again}", now, chosen)
        assert outcome.manifest.value_hash == rebuilt.manifest.value_hash
        revised = Cube.open(folder / "cube")
        assert revised.manifest == outcome.manifest
        assert_reads_as(revised.cells["c"], carried(now, chosen))


def differing_bytes(old, new):
    """Stored size of the new revision's shards that hold another value than the old one's.

    Asserts that every other shard is the same file.
    """
    total = 0
    before, now = zarr.open_group(old, mode="r"), zarr.open_group(new, mode="r")
    for name in (f"{s}{part}" for s in SENSORS for part in ("", "_fresh", "_age_days")):
        for path in sorted(p for p in (new / name / "c").rglob("*") if p.is_file()):
            group, y, x = (int(part) for part in path.relative_to(new / name / "c").parts[:3])
            place = (
                slice(group * SLOTS, (group + 1) * SLOTS),
                slice(y * TILE, (y + 1) * TILE),
                slice(x * TILE, (x + 1) * TILE),
            )
            twin = old / path.relative_to(new)
            if np.array_equal(before[name][place], now[name][place]):
                assert twin.samefile(path), f"{path} is a copy of what did not change"
            else:
                total += path.stat().st_size
    return total


@pytest.fixture(scope="module")
def late_changes(tmp_path_factory):
    """Three scenes inserted in the past, two replaced, one dropped, three appended."""
    rng = np.random.default_rng(11)
    shape = (264, 60)
    folder = tmp_path_factory.mktemp("late")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        before = source(scenes(rng, random_times(rng, days=390), shape), shape=shape)
        old = build_cube(folder / "cube", before, settings(400))
        changed = amended(rng, before, shape, insert=3, replaced=2, drop=1, append=3, days=400)
        chosen = settings(415)
        outcome = revise(folder / "cube", changed, chosen)
        rebuilt = build_cube(folder / "rebuilt", changed, chosen)
    return folder, old, outcome, rebuilt, (before, changed)


def test_late_changes_give_the_cube_that_would_have_been_built(late_changes):
    folder, _, outcome, rebuilt, (_, changed) = late_changes
    assert outcome.manifest.value_hash == rebuilt.manifest.value_hash
    assert_reads_as(Cube.open(folder / "cube").cells["c"], carried(changed, settings(415)))


def test_a_revision_writes_little_more_than_the_shards_it_touches(late_changes):
    folder, old, outcome, _, _ = late_changes
    new = Cube.open(folder / "cube").cells["c"].group
    touched = differing_bytes(old.cells["c"].group, new)
    everything = sum(entry.size for entry in outcome.manifest.files)
    assert outcome.touched_bytes == touched
    assert touched < 0.8 * everything
    assert outcome.written_bytes <= 1.3 * touched
    mine = [p for p in new.rglob("*") if p.is_file() and p.stat().st_nlink == 1]
    others = new.with_suffix(".parquet"), folder / "cube" / "manifest.json"
    assert outcome.written_bytes == sum(p.stat().st_size for p in (*mine, *others))


def test_changes_are_named_by_kind(late_changes):
    _, _, outcome, _, _ = late_changes
    kinds = [change.kind for change in outcome.changes]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "insert": 3,
        "replace": 2,
        "drop": 1,
        "append": 3,
    }


def test_readers_keep_the_revision_they_opened(late_changes):
    _, old, _, _, (before, _) = late_changes
    assert_reads_as(old.cells["c"], carried(before, settings(400)))


def test_the_touched_range_holds_every_step_that_reads_differently(late_changes):
    folder, old, outcome, _, _ = late_changes
    before, now = old.cells["c"], Cube.open(folder / "cube").cells["c"]
    first, last = outcome.touched["c"]
    whole = (slice(0, None), slice(0, None))
    common = np.intersect1d(before.times, now.times)
    assert ((common < first) | (common > last)).any()
    for time in common[(common < first) | (common > last)]:
        i, j = np.searchsorted(before.times, time), np.searchsorted(now.times, time)
        for name in SENSORS:
            np.testing.assert_array_equal(
                before.read(name, i, i + 1, *whole).values, now.read(name, j, j + 1, *whole).values
            )
    changed = [t for t in np.setxor1d(before.times, now.times) if not first <= t <= last]
    assert not changed


def assert_windows_outside_are_equal(before, now, first, last):
    """Asserts that all that lies before or after a range reads the same; gives how much that is."""
    whole = (slice(0, None), slice(0, None))
    times = np.intersect1d(before.times, now.times)
    sizes = []
    for window in (times[times < first], times[times > last]):
        sizes.append(len(window))
        for name in SENSORS if len(window) else ():
            one, other = (
                cell.read(name, np.searchsorted(cell.times, window[0]), stop, *whole)
                for cell in (before, now)
                for stop in [np.searchsorted(cell.times, window[-1]) + 1]
            )
            np.testing.assert_array_equal(one.values, other.values)
            np.testing.assert_array_equal(one.fresh, other.fresh)
            np.testing.assert_array_equal(one.age_days, other.age_days)
    return sizes


def test_windows_before_the_recorded_range_are_not_touched(late_changes):
    folder, old, outcome, _, _ = late_changes
    recorded = Cube.open(folder / "cube").manifest.record["revised"]
    (first, last) = outcome.touched["c"]
    cells = {"c": {"first_changed": first, "last_changed": last}}
    assert recorded == {"from": old.manifest.content_hash, "cells": cells}
    now = Cube.open(folder / "cube").cells["c"]
    assert assert_windows_outside_are_equal(old.cells["c"], now, first, last)[0] > 5


def test_windows_after_the_recorded_range_are_not_touched(tmp_path, rng):
    def look(sensor):
        values, valid = scene(rng, sensor, (20, 30), share=1)
        return values, np.ones_like(valid)

    days = {sensor: range(0, 60, 4) for sensor in SENSORS}
    looks = {("c", s, START + d * DAY): look(s) for s in days for d in days[s]}
    old = build_cube(tmp_path / "cube", source(looks), settings())
    inserted = {("c", "s2", START + 22 * DAY): look("s2")}
    outcome = revise(tmp_path / "cube", source(looks | inserted), settings())
    assert outcome.touched == {"c": (START + 22 * DAY, START + 22 * DAY)}
    now = Cube.open(tmp_path / "cube").cells["c"]
    sizes = assert_windows_outside_are_equal(old.cells["c"], now, *outcome.touched["c"])
    assert sizes == [6, 9]


def test_the_same_image_at_another_time_of_its_step_is_a_change(tmp_path, rng):
    values, valid = scene(rng, "s2", (20, 30))
    image = (values, np.ones_like(valid))
    early, late, end = (START + hours * 3600 for hours in (4 * 24 + 1, 5 * 24 + 1, 5 * 24 + 12))
    radar = {("c", "s1_asc", end): scene(rng, "s1_asc", (20, 30))}
    build_cube(tmp_path / "cube", source(radar | {("c", "s2", early): image}), settings())
    outcome = revise(tmp_path / "cube", source(radar | {("c", "s2", late): image}), settings())
    assert outcome.touched == {"c": (end, end)}  # its age is another


@pytest.fixture
def small(tmp_path, rng):
    """A small cube and what it was made from."""
    observations = source(scenes(rng, random_times(rng), (20, 30)))
    build_cube(tmp_path / "cube", observations, settings())
    return tmp_path / "cube", observations


def test_nothing_new_writes_nothing(small):
    cube, observations = small
    files = sorted(cube.rglob("*"))
    before = Cube.open(cube).manifest
    outcome = revise(cube, observations, settings())
    assert (outcome.manifest, outcome.changes, outcome.written_bytes) == (before, (), 0)
    assert sorted(cube.rglob("*")) == files


def test_an_acquisition_without_a_valid_pixel_makes_a_step_and_no_shard(small):
    cube, observations = small
    late = START + 60 * DAY - 1
    observations = Amended(_with_blank(observations, late))
    outcome = revise(cube, observations, settings())
    assert outcome.touched_bytes == 0
    assert Cube.open(cube).cells["c"].times[-1] == late
    assert_reads_as(Cube.open(cube).cells["c"], carried(observations, settings()))


def _with_blank(observations, time):
    class Blank(Amended):
        def acquisitions(self, cell_id, sensor):
            return np.unique(np.append(super().acquisitions(cell_id, sensor), time))

    return Blank(observations)


def test_cells_that_nothing_happens_to_keep_their_revision(tmp_path, rng):
    cells = [Cell("a", grid(20, 30), 0), Cell("b", grid(20, 30), 0)]
    looks = scenes(rng, random_times(rng), (20, 30), "a")
    looks |= scenes(rng, random_times(rng), (20, 30), "b")
    observations = source(looks, cells=cells)
    build_cube(tmp_path / "cube", observations, settings())
    place = ("b", "s2", START + 30 * DAY)
    changed = Amended(observations, put={place: scene(rng, "s2", (20, 30))})
    outcome = revise(tmp_path / "cube", changed, settings())
    assert outcome.changes == (Change("insert", *place),)
    assert list(outcome.touched) == ["b"]
    cube = Cube.open(tmp_path / "cube")
    assert [cell.group.name for cell in cube.cells.values()] == ["0001.zarr", "0002.zarr"]
    rebuilt = build_cube(tmp_path / "rebuilt", changed, settings())
    assert cube.manifest.value_hash == rebuilt.manifest.value_hash


def test_a_cube_is_not_revised_into_one_of_another_kind(small, rng):
    cube, observations = small
    with pytest.raises(ContractError, match=r"settings.stack.step: expected 2d, found 1d"):
        revise(cube, observations, settings(step="1d"))
    with pytest.raises(ContractError, match=r"roles.radar_a: expected s1_asc, found None"):
        revise(cube, source({}, sensors={"s2": SENSORS["s2"]}), settings())
    with pytest.raises(ContractError, match=r"cells.c.shape: expected \[20, 30\]"):
        revise(cube, source({}, shape=(21, 30)), settings())
    other = SENSORS | {"s2": replace(SENSORS["s2"], level="L1C")}
    with pytest.raises(ContractError, match=r"sensors.s2.level: expected L2A, found L1C"):
        revise(cube, source({}, sensors=other), settings())
    with pytest.raises(ContractError, match="expected a whole cube"):
        revise(cube / "cells", observations, settings())


def test_what_is_in_the_way_of_a_revision_can_be_asked_before(small):
    cube, observations = small
    assert obstacle(cube, observations, settings(70)) == ""
    assert obstacle(cube, observations, settings(step="1d")).startswith("settings.stack.step")


@pytest.mark.parametrize("append", [0, 2])
def test_a_cube_of_the_contract_before_gets_todays_digests(tmp_path, rng, monkeypatch, append):
    shape = (20, 30)
    now = source(scenes(rng, random_times(rng), shape), shape=shape)

    def digest_then(image):
        return np.frombuffer(hashlib.sha256(image.chunks).digest()[:16], np.uint8)

    with monkeypatch.context() as then:
        then.setattr(Image, "digest", digest_then)
        old = build_cube(tmp_path / "cube", now, settings(60)).manifest
        replace(old, version=1).write(tmp_path / "cube")
    chosen = settings(80 if append else 60)
    now = amended(rng, now, shape, append=append)
    outcome = revise(tmp_path / "cube", now, chosen)
    rebuilt = build_cube(tmp_path / "rebuilt", now, chosen)
    assert outcome.manifest.version == 2
    assert outcome.manifest.value_hash == rebuilt.manifest.value_hash != old.value_hash
    assert (outcome.touched_bytes == 0) == (not append)
    assert_reads_as(Cube.open(tmp_path / "cube").cells["c"], carried(now, chosen))
