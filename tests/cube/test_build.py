import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from groundshift.cube.source import Amended
from groundshift.domain.cells import Cell
from groundshift.domain.time import DAY
from groundshift.errors import ContractError, SettingsError
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


def test_after_the_end_nothing_is_read(tmp_path, rng):
    class Guarded(Amended):
        def read(self, cell_id, sensor, time):
            assert time < START + 20 * DAY
            return super().read(cell_id, sensor, time)

    observations = Guarded(source(scenes(rng, random_times(rng), (20, 30))))
    cube = build_cube(tmp_path / "cube", observations, settings(20))
    assert cube.cells["c"].times[-1] < START + 20 * DAY


def test_an_area_cut_into_cells_reads_the_same_inside(tmp_path, rng):
    """Cut into 1, 4 and 9 cells with halos, and as part of a larger area."""
    whole, larger = (96, 120), (130, 150)
    at = (slice(14, 14 + whole[0]), slice(20, 20 + whole[1]))
    large = scenes(rng, random_times(rng), larger)
    looks = {place: (values[at], valid[at]) for place, (values, valid) in large.items()}
    chosen = settings()
    expected = carried(source(looks, shape=whole), chosen)
    assert_reads_as(
        build_cube(tmp_path / "1", source(looks, shape=whole), chosen).cells["c"], expected
    )
    for parts in (2, 3):
        observations, places = cut(looks, whole, parts, halo=5)
        cube = build_cube(tmp_path / f"{parts}", observations, chosen)
        for cell_id, (rows, columns) in places.items():
            cell = cube.cells[cell_id]
            inside = [image[:, rows, columns] for image in expected[1]["s2"]]
            found = cell.read("s2", 0, len(cell.times), *cell.cell.inner)
            np.testing.assert_array_equal(cell.times, expected[0])
            np.testing.assert_array_equal(found.values, inside[0])
            np.testing.assert_array_equal(found.fresh, inside[1])
            np.testing.assert_array_equal(found.age_days, inside[2])
    around = build_cube(tmp_path / "around", source(large, shape=larger), chosen).cells["c"]
    found = around.read("s1_asc", 0, len(around.times), *at)
    np.testing.assert_array_equal(found.values, expected[1]["s1_asc"][0])


def cut(looks, whole, parts, halo):
    """Observations over `parts` x `parts` cells; a scene without a valid pixel is none there."""
    size = (whole[0] // parts, whole[1] // parts)
    box, cells, places, cut_looks, blank = grid(*whole), [], {}, {}, {}
    for j, i in np.ndindex(parts, parts):
        rows = slice(j * size[0], (j + 1) * size[0])
        columns = slice(i * size[1], (i + 1) * size[1])
        cells.append(Cell(f"{j}_{i}", box[rows, columns], halo))
        places[f"{j}_{i}"] = (rows, columns)
        for (_, sensor, time), images in looks.items():
            around = ((halo, halo), (halo, halo))
            values, valid = (
                np.pad(image, (*around, (0, 0))[: image.ndim])[
                    rows.start : rows.stop + 2 * halo, columns.start : columns.stop + 2 * halo
                ]
                for image in images
            )
            if valid.any():
                cut_looks[f"{j}_{i}", sensor, time] = (values, valid)
            else:
                blank.setdefault((f"{j}_{i}", sensor), []).append(time)
    return source(cut_looks, cells=cells, blank=blank), places


def test_hashes_depend_neither_on_workers_nor_on_the_run(tmp_path, rng):
    observations = source(scenes(rng, random_times(rng, every=6), (300, 40)), shape=(300, 40))
    one = build_cube(tmp_path / "one", observations, settings(workers=1)).manifest
    four = build_cube(tmp_path / "four", observations, settings(workers=4)).manifest
    assert (one.content_hash, one.value_hash) == (four.content_hash, four.value_hash)


def test_the_value_hash_sees_every_kind_of_difference(tmp_path, rng):
    looks = scenes(rng, random_times(rng), (20, 30))
    last = max(place for place in looks if START <= place[2] < START + 60 * DAY)
    values, valid = looks[last]
    brighter = np.where(valid[..., None], values + 1, 0).astype(values.dtype)
    later = looks | {(*last[:2], last[2] + 1): looks[last]}
    del later[last]
    variants = [looks, looks | {last: (brighter, valid)}, later]
    hashes = {
        build_cube(tmp_path / str(i), source(v), settings()).manifest.value_hash
        for i, v in enumerate(variants)
    }
    assert len(hashes) == 3


def test_the_manifest_says_what_the_cube_holds(tmp_path, rng):
    looks = {("c", "s2", START + day * DAY): scene(rng, "s2", (20, 30)) for day in (-3, 1, 2, 8)}
    manifest = build_cube(tmp_path / "cube", source(looks), settings()).manifest
    (cell,) = manifest.summary["cells"]
    assert (cell["steps"], cell["observations"], cell["revision"]) == (3, 4, 1)
    assert cell["frames"] == {"s1_asc": 0, "s2": 3}
    assert manifest.summary["roles"] == {"radar_a": "s1_asc", "optical": "s2"}
    assert manifest.licences == ("made up",)


def test_a_cell_without_acquisitions_is_empty_and_others_are_not(tmp_path, rng):
    cells = [Cell("a", grid(20, 30), 0), Cell("b", grid(20, 30), 0)]
    observations = source(scenes(rng, random_times(rng), (20, 30), "a"), cells=cells)
    cube = build_cube(tmp_path / "cube", observations, settings())
    assert cube.cells["b"].times.size == 0
    assert cube.cells["b"].read("s2", 0, 0, slice(0, 20), slice(0, 30)).values.shape[0] == 0
    assert_reads_as(cube.cells["a"], carried(observations, settings(), "a"))


def test_a_period_without_acquisitions_is_refused(tmp_path, rng):
    looks = {("c", "s2", START - DAY): scene(rng, "s2", (20, 30))}
    with pytest.raises(SettingsError, match="found none of s1_asc, s2"):
        build_cube(tmp_path / "cube", source(looks), settings())
    assert not (tmp_path / "cube").exists()


def test_an_unreadable_observation_ends_the_build_and_leaves_nothing(tmp_path, rng):
    class Broken(Amended):
        def read(self, cell_id, sensor, time):
            raise ContractError("damaged")

    with pytest.raises(ContractError, match="damaged"):
        build_cube(
            tmp_path / "cube", Broken(source(scenes(rng, random_times(rng), (20, 30)))), settings()
        )
    assert not (tmp_path / "cube").exists()
