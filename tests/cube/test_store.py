import json
from dataclasses import replace

import numpy as np
import pytest

from groundshift.artifacts import write_collection
from groundshift.artifacts.manifest import FILE_NAME
from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Signature, Stream
from groundshift.domain.time import DAY
from groundshift.errors import ContractError, SettingsError
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

SHAPE = (40, 50)
WHOLE = (slice(0, None), slice(0, None))


@pytest.fixture(scope="module", params=[None, "4d"], ids=["any age", "4 days at most"])
def opened(request, tmp_path_factory):
    """A cell, and what each of its steps holds."""
    folder = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(9)
    chosen = settings(max_age=request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        observations = source(scenes(rng, random_times(rng), SHAPE), shape=SHAPE)
        cube = build_cube(folder / "cube", observations, chosen)
    return cube, carried(observations, chosen)[1]


def test_any_part_reads_as_that_part_of_the_whole(opened, rng):
    cube, images = opened
    cell = cube.cells["c"]
    for name in SENSORS:
        values, fresh, age = images[name]
        for _ in range(30):
            spans = [np.sort(rng.integers(0, n + 1, 2)).tolist() for n in (len(age), *SHAPE)]
            (first, stop), rows, columns = spans[0], slice(*spans[1]), slice(*spans[2])
            bands = rng.permutation(values.shape[-1])[:2].tolist()
            found = cell.read(name, first, stop, rows, columns, bands)
            part = (slice(first, stop), rows, columns)
            np.testing.assert_array_equal(found.values, values[part][..., bands])
            np.testing.assert_array_equal(found.fresh, fresh[part])
            np.testing.assert_array_equal(found.age_days, age[part])


def test_frames_are_what_steps_show_and_none_comes_twice(opened):
    cube, _ = opened
    cell = cube.cells["c"]
    for name in SENSORS:
        for first, stop in ((0, len(cell.times)), (3, 17), (6, 7), (5, 5)):
            images, frame_of_step = cell.frames(name, first, stop, *WHOLE)
            steps = cell.read(name, first, stop, *WHOLE)
            assert len(images.values) == len(np.unique(frame_of_step))
            np.testing.assert_array_equal(images.values[frame_of_step], steps.values)
            begins = np.flatnonzero(np.diff(frame_of_step, prepend=-1))
            np.testing.assert_array_equal(images.fresh, steps.fresh[begins])
            np.testing.assert_array_equal(images.age_days, steps.age_days[begins])


def test_looks_are_the_frames_of_all_steps_that_show_something(opened):
    cube, _ = opened
    cell = cube.cells["c"]
    for name in SENSORS:
        part = (slice(1, SHAPE[0]), slice(0, SHAPE[1] - 1))
        values, fresh, steps = cell.looks(name, *part, [1, 0])
        images, frame_of_step = cell.frames(name, 0, len(cell.times), *part, [1, 0])
        shown = frame_of_step[steps]
        assert (np.diff(steps) > 0).all()
        np.testing.assert_array_equal(values[fresh], images.values[shown][fresh])
        np.testing.assert_array_equal(fresh, images.fresh[shown])
        assert not np.delete(images.fresh, shown, axis=0).any()


def test_a_look_knows_when_it_was_taken_whatever_the_step_s_time(opened):
    cube, _ = opened
    cell = cube.cells["c"]
    taken = {name: cell.look_times(name) for name in SENSORS}
    for name, times in taken.items():
        *_, steps = cell.looks(name, slice(0, 1), slice(0, 1), [0])
        late = cell.times[steps] - times
        assert len(times) == len(steps) > 2
        assert (late >= 0).all()
        assert (late[1:] < 2 * DAY).all()  # what came before the period joins the first step
    # Some step's time is that of another sensor's look.
    assert any(set(times.tolist()) - set(cell.times.tolist()) for times in taken.values())


def test_a_frame_carried_into_a_range_is_no_new_look(tmp_path, rng):
    look = scene(rng, "s2", SHAPE)
    looks = {
        ("c", "s2", START + DAY): look,
        ("c", "s1_asc", START + 9 * DAY): scene(rng, "s1_asc", SHAPE),
    }
    cell = build_cube(tmp_path / "cube", source(looks, shape=SHAPE), settings()).cells["c"]
    own, _ = cell.frames("s2", 0, 2, *WHOLE)
    np.testing.assert_array_equal(own.fresh[0], look[1])
    carried_in, _ = cell.frames("s2", 1, 2, *WHOLE)
    assert not carried_in.fresh.any()
    np.testing.assert_array_equal(carried_in.age_days[0], np.where(look[1], 8, -1))


def test_before_the_first_look_there_is_nothing(opened):
    cube, _ = opened
    cell = cube.cells["c"]
    for name in SENSORS:
        found = cell.read(name, 0, len(cell.times), *WHOLE)
        never = found.age_days < 0
        assert never.any()
        assert not found.values[never].any()
        assert not found.fresh[never].any()


def test_an_offset_does_not_turn_nothing_into_a_value(tmp_path, rng):
    sensors = {"s2": replace(SENSORS["s2"], offset=-0.1)}
    looks = {("c", "s2", START + day * DAY): scene(rng, "s2", SHAPE, 0.3) for day in (1, 5)}
    observations = source(looks, shape=SHAPE, sensors=sensors)
    cell = build_cube(tmp_path / "cube", observations, settings()).cells["c"]
    found = cell.read("s2", 0, 2, *WHOLE)
    never = found.age_days < 0
    assert never.any()
    assert (found.values[never] == 0).all()
    values, valid = looks["c", "s2", START + DAY]
    expected = (values[valid] / 10000 - 0.1).astype(np.float32)
    np.testing.assert_array_equal(found.values[0][valid], expected)


def test_what_is_too_old_reads_as_never_seen_while_nothing_new_comes(tmp_path, rng):
    """A sensor that fell silent, on a time line that another one goes on."""
    look = scene(rng, "s2", SHAPE)
    looks = {("c", "s2", START + DAY): look} | {
        ("c", "s1_asc", START + day * DAY): scene(rng, "s1_asc", SHAPE) for day in (4, 7, 10)
    }
    observations = source(looks, shape=SHAPE)
    cell = build_cube(tmp_path / "cube", observations, settings(max_age="6d")).cells["c"]
    images, frame_of_step = cell.frames("s2", 0, 4, *WHOLE)
    assert frame_of_step.tolist() == [0, 0, 0, 1]  # at an age of 9 days another image begins
    assert not images.values[1].any()
    assert (images.age_days[1] == -1).all()
    ages = cell.read("s2", 0, 4, *WHOLE).age_days
    assert [set(age[look[1]].tolist()) for age in ages] == [{0}, {3}, {6}, {-1}]
    values, fresh, _ = cell.looks("s2", *WHOLE)  # what was measured stays measured
    np.testing.assert_array_equal(fresh[0], look[1])
    np.testing.assert_array_equal(values[0][look[1]], SENSORS["s2"].decode(look[0])[look[1]])


def test_the_greatest_age_belongs_to_the_hash_and_to_the_signature(tmp_path, rng):
    observations = source(scenes(rng, random_times(rng), (8, 8)), shape=(8, 8))
    plain, limited = (
        build_cube(tmp_path / f"{age}", observations, settings(max_age=age)) for age in (None, "9d")
    )
    assert "max_age" not in plain.manifest.settings["stack"]
    assert plain.manifest.value_hash != limited.manifest.value_hash
    with pytest.raises(ContractError, match="max_age_days: expected None, found 9"):
        plain.signature.require(limited.signature, owner="model m")


def test_the_greatest_age_is_of_whole_days():
    with pytest.raises(SettingsError, match="expected whole days from 1d on, found 12:00:00"):
        settings(max_age="12h")


def test_the_signature_lists_the_roles_in_the_networks_order(opened):
    cube, _ = opened
    assert replace(cube.signature, max_age_days=None) == Signature(
        (
            Stream("radar_a", "sentinel1", ("VV", "VH"), units="linear power"),
            Stream("optical", "sentinel2", ("B02", "B03", "B11"), "L2A", "reflectance"),
        ),
        resolution=10.0,
        step_seconds=2 * DAY,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("s2", 0, 1000, *WHOLE), "steps inside 0 to"),
        (("s2", 3, 2, *WHOLE), "steps inside 0 to"),
        (("s2", 0, 1, slice(0, 41), slice(0, 1)), "rows inside 0 to 40, found 0 to 41"),
        (("s2", 0, 1, slice(0, 1), slice(-1, 1)), "columns inside 0 to 50, found -1 to 1"),
        (("s3", 0, 1, *WHOLE), "one of the sensors s1_asc, s2, found 's3'"),
    ],
)
def test_what_lies_outside_is_refused(opened, arguments, message):
    with pytest.raises(ContractError, match=message):
        opened[0].cells["c"].read(*arguments)


def test_a_cube_that_is_not_whole_is_refused(tmp_path, rng):
    observations = source(scenes(rng, random_times(rng), SHAPE), shape=SHAPE)
    build_cube(tmp_path / "cube", observations, settings())
    shard = next(path for path in (tmp_path / "cube").rglob("s2/c/0/0/0/0"))
    shard.write_bytes(b"")
    with pytest.raises(ContractError, match="found 0 bytes"):
        Cube.open(tmp_path / "cube")
    document = json.loads((tmp_path / "cube" / FILE_NAME).read_text())
    document["content"]["contract"] = "samples"
    (tmp_path / "cube" / FILE_NAME).write_text(json.dumps(document))
    with pytest.raises(ContractError, match="expected the artifact cube, found samples"):
        Cube.open(tmp_path / "cube")


def test_cubes_of_cells_are_read_as_one(tmp_path, rng):
    parts, observed = {}, {}
    for cell in ("west", "east"):
        looks = scenes(rng, random_times(rng), (20, 30), cell)
        observed[cell] = source(looks, cells=[Cell(cell, grid(20, 30), 0)])
        build_cube(tmp_path / cell, observed[cell], settings())
        parts[cell] = tmp_path / cell
    (tmp_path / "joined").mkdir()
    write_collection(tmp_path / "joined", "cube", parts)
    joined = Cube.open(tmp_path / "joined")
    assert list(joined.cells) == ["east", "west"]
    assert joined.signature == Cube.open(tmp_path / "east").signature
    for cell, cell_cube in joined.cells.items():
        assert_reads_as(cell_cube, carried(observed[cell], settings(), cell))
    next(path for path in (tmp_path / "west").rglob("*") if path.suffix == ".parquet").unlink()
    with pytest.raises(ContractError, match="found no such file"):
        Cube.open(tmp_path / "joined")
