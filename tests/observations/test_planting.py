"""Planted changes: what they do to pixels, and what a plan refuses."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from groundshift.errors import SettingsError
from groundshift.observations.planting import Plan, PlantedChange, plant, read_plan
from groundshift.observations.planting_proposal import Site, propose

CRS = "EPSG:32631"
WEST, NORTH = 500000.0, 5600000.0
GRID = GeoBox((20, 30), Affine(10, 0, WEST, 0, -10, NORTH), CRS)


def pixels(row: int, column: int, height: int, width: int) -> box:
    """Polygon around whole pixels of GRID."""
    return box(
        WEST + 10 * column,
        NORTH - 10 * (row + height),
        WEST + 10 * (column + width),
        NORTH - 10 * row,
    )


def change(**values: object) -> PlantedChange:
    """An abrupt whole change of 4 x 4 pixels whose donor is 10 pixels to the right."""
    usual: dict[str, object] = {
        "id": "a",
        "kind": "urban",
        "geometry": pixels(4, 4, 4, 4),
        "donor_dx": 100.0,
        "donor_dy": 0.0,
        "start": date(2018, 1, 10),
        "end": date(2018, 1, 10),
        "strength": 1.0,
        "plot": 0,
    }
    return PlantedChange(**(usual | values))  # type: ignore[arg-type]


def seconds(*day: int) -> int:
    """Midnight UTC of a day."""
    return int(datetime(*day, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


@pytest.fixture
def image() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values [20, 30, 2] that differ everywhere, all valid."""
    values = np.random.default_rng(0).uniform(0.01, 1, (20, 30, 2)).astype(np.float32)
    return values, np.ones((20, 30), dtype=bool)


def test_abrupt_change_copies_the_donor_from_its_first_second(image):
    values, valid = image
    placed = Plan((change(),), CRS).on(GRID)
    before, _ = plant(values, valid, seconds(2018, 1, 10) - 1, placed)
    after, after_valid = plant(values, valid, seconds(2018, 1, 10), placed)
    np.testing.assert_array_equal(before, values)
    np.testing.assert_array_equal(after[4:8, 4:8], values[4:8, 14:18])
    after[4:8, 4:8] = values[4:8, 4:8]
    np.testing.assert_array_equal(after, values)
    assert after_valid.all()


def test_gradual_change_blends_linearly_up_to_its_strength(image):
    values, valid = image
    slow = change(start=date(2018, 1, 1), end=date(2018, 5, 1), strength=2 / 3)
    placed = Plan((slow,), CRS).on(GRID)
    own, donor = values[4:8, 4:8], values[4:8, 14:18]
    for when, share in (
        (seconds(2018, 1, 1), 0),
        (seconds(2018, 3, 2), 1 / 3),
        (seconds(2019, 1, 1), 2 / 3),
    ):
        planted, _ = plant(values, valid, when, placed)
        np.testing.assert_allclose(planted[4:8, 4:8], (1 - share) * own + share * donor, rtol=1e-6)


def test_swapped_fields_exchange_their_pixels(image):
    values, valid = image
    there = change(id="b", kind="swap", geometry=pixels(4, 14, 4, 4), donor_dx=-100.0)
    plan = Plan((change(kind="swap"), there), CRS)
    planted, _ = plant(values, valid, seconds(2018, 2, 1), plan.on(GRID))
    np.testing.assert_array_equal(planted[4:8, 4:8], values[4:8, 14:18])
    np.testing.assert_array_equal(planted[4:8, 14:18], values[4:8, 4:8])


def test_a_planted_pixel_is_valid_where_own_and_donor_are(image):
    values, valid = image
    valid[4, 4] = valid[5, 15] = False
    values[~valid] = np.nan
    placed = Plan((change(strength=0.5),), CRS).on(GRID)
    planted, planted_valid = plant(values, valid, seconds(2018, 2, 1), placed)
    assert not planted_valid[4, 4]
    assert not planted_valid[5, 5]
    assert planted_valid.sum() == valid.sum() - 1
    assert np.isfinite(planted[planted_valid]).all()
    assert valid[5, 5], "the given arrays stay as they are"


def test_one_plan_serves_grids_of_other_resolution():
    coarse = GeoBox((10, 15), Affine(20, 0, WEST, 0, -20, NORTH), CRS)
    (fine_item,) = Plan((change(),), CRS).on(GRID)
    (item,) = Plan((change(),), CRS).on(coarse)
    assert sorted(zip(*item.target, strict=True)) == [(2, 2), (2, 3), (3, 2), (3, 3)]
    np.testing.assert_array_equal(item.donor[1] - item.target[1], 5)
    assert fine_item.target[0].size == 16


def test_target_outside_the_grid_is_left_out():
    far = change(geometry=box(WEST - 500, NORTH, WEST - 400, NORTH + 100))
    assert Plan((far,), CRS).on(GRID) == ()


@pytest.mark.parametrize("crs", [CRS, "EPSG:4326"])
def test_plan_survives_its_file(tmp_path: Path, crs: str):
    plan = Plan((change(strength=1 / 3), change(id="b", geometry=pixels(12, 4, 2, 6))), CRS)
    geometry = plan.truth().to_crs(crs).geometry
    moved = tuple(
        change(id=c.id, strength=c.strength, geometry=g)
        for c, g in zip(plan.changes, geometry, strict=True)
    )
    path = tmp_path / "plan.geojson"
    Plan(moved, crs).write(path)
    again = read_plan(path)
    assert again.crs == crs
    assert [c.start for c in again.changes] == [c.start for c in plan.changes]
    for new, old in zip(again.on(GRID), plan.on(GRID), strict=True):
        np.testing.assert_array_equal(new.target, old.target)
        np.testing.assert_array_equal(new.donor, old.donor)
    again.write(tmp_path / "again.geojson")
    assert (tmp_path / "again.geojson").read_bytes() == path.read_bytes()


def test_truth_lists_the_changes():
    truth = Plan((change(),), CRS).truth()
    assert list(truth.columns) == ["id", "kind", "start", "end", "strength", "plot", "geometry"]
    assert truth.crs == CRS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "flood"}, "unknown kind.*urban or swap.*'flood'"),
        ({"end": date(2017, 1, 1)}, "ends before it starts.*2018-01-10.*2017-01-01"),
        ({"strength": 0.0}, "strength.*above 0"),
        ({"strength": 1.5}, "strength.*up to 1"),
        ({"geometry": box(0, 0, 0, 0)}, "no area"),
    ],
)
def test_meaningless_changes_are_refused(values: dict[str, object], message: str):
    with pytest.raises(SettingsError, match=message):
        change(**values)


def test_overlapping_targets_are_refused():
    with pytest.raises(SettingsError, match=r"'b': targets overlap.*'a'"):
        Plan((change(), change(id="b", geometry=pixels(7, 7, 2, 2))), CRS)


def test_targets_may_touch():
    Plan((change(), change(id="b", geometry=pixels(8, 4, 2, 2))), CRS)


def test_repeated_ids_are_refused():
    with pytest.raises(SettingsError, match="id used twice"):
        Plan((change(), change(geometry=pixels(12, 4, 2, 2))), CRS)


def test_donor_outside_the_image_is_refused():
    with pytest.raises(SettingsError, match=r"donor falls outside.*columns 0 to 29.*34 to 37"):
        Plan((change(donor_dx=300.0),), CRS).on(GRID)


def test_a_grid_in_degrees_is_refused():
    degrees = GeoBox((10, 10), Affine(0.1, 0, 3, 0, -0.1, 50), "EPSG:4326")
    with pytest.raises(SettingsError, match="projected"):
        Plan((change(),), CRS).on(degrees)


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path):
    path = tmp_path / "plan.geojson"
    with pytest.raises(SettingsError, match="no planting plan"):
        read_plan(path)
    path.write_text("{}")
    with pytest.raises(SettingsError, match="FeatureCollection"):
        read_plan(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("start", "yesterday", "unreadable.*yesterday"),
        ("strength", None, "unreadable"),
        ("kind", None, "unknown kind"),
        ("plot", ..., "no 'plot'"),
    ],
)
def test_bad_properties_are_named(tmp_path: Path, key: str, value: object, message: str):
    path = tmp_path / "plan.geojson"
    Plan((change(),), CRS).write(path)
    collection = json.loads(path.read_text())
    properties = collection["features"][0]["properties"]
    if value is ...:
        del properties[key]
    else:
        properties[key] = value
    path.write_text(json.dumps(collection))
    with pytest.raises(SettingsError, match=f"plan.geojson.*'a': {message}"):
        read_plan(path)


@pytest.fixture
def site() -> Site:
    """Two splits of two blocks of 16 x 16 pixels: the left half built up, the right half field."""
    rows, columns = np.indices((32, 64))
    blocks = rows // 16 * 4 + columns // 16
    return Site(
        grid=GeoBox((32, 64), Affine(10, 0, WEST, 0, -10, NORTH), CRS),
        built=columns < 32,
        field=columns >= 32,
        character=rows.astype(np.float32),
        blocks=blocks,
        groups={"train": (0, 1, 2, 3), "test": (4, 5, 6, 7)},
        period=(date(2018, 1, 1), date(2018, 12, 31)),
    )


def test_proposal_keeps_its_promises(site: Site):
    plan = propose(site, seed=1, count=12)
    assert plan == propose(site, seed=1, count=12)
    assert plan != propose(site, seed=2, count=12)
    for name, blocks in site.groups.items():
        changes = [c for c in plan.changes if c.id.startswith(name)]
        urban = [c for c in changes if c.kind == "urban"]
        kinds = {(round(c.strength, 3), c.start == c.end) for c in urban}
        assert len(kinds) == len(urban) == 6, "every strength, abruptly and gradually"
        assert {c.plot for c in changes} <= set(blocks)
        first, second = (c for c in changes if c.kind == "swap")
        assert (first.donor_dx, first.donor_dy) == (-second.donor_dx, -second.donor_dy)
        assert first.start == first.end == second.start == second.end
    targets, donors = np.zeros(site.grid.shape, int), np.zeros(site.grid.shape, int)
    for item in plan.on(site.grid):
        targets[item.target] += 1
        assert (site.blocks[item.target] == item.change.plot).all()
        assert {int(i) % 16 for index in item.target for i in index} <= set(range(1, 15))
        assert all((d - t)[0] % 2 == 0 for d, t in zip(item.donor, item.target, strict=True))
        assert site.period[0] <= item.change.start <= item.change.end <= site.period[1]
        if item.change.kind == "urban":
            donors[item.donor] += 1
            split = site.blocks[item.target][0] // 4
            assert (site.blocks[item.donor] // 4 == split).all()
    assert targets.max() == donors.max() == 1
    assert site.built[donors > 0].all()
    assert site.field[targets > 0].all()


def test_swapped_fields_differ_in_character(site: Site):
    first, second = (c for c in propose(site, seed=3, count=12).changes[-2:])
    assert abs(first.geometry.centroid.y - second.geometry.centroid.y) >= 40


def test_a_crowded_area_is_refused(site: Site):
    with pytest.raises(SettingsError, match=r"No room for 100 planted changes.*'train'"):
        propose(site, seed=1, count=200)


def test_rasters_of_another_shape_are_refused(site: Site):
    with pytest.raises(SettingsError, match="'built'"):
        Site(**(vars(site) | {"built": site.built[1:]}))


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_the_demo_plans_fit_the_demo(seed: int):
    folder = Path(__file__).parents[2] / "demo" / "plantings"
    grid = GeoBox((64, 64), Affine(10, 0, 501360, 0, -10, 5629680), CRS)
    placed = read_plan(folder / f"flanders_{seed}.geojson").on(grid)
    assert sum(item.change.kind == "urban" for item in placed) == 24
    assert sum(item.change.kind == "swap" for item in placed) == 6
