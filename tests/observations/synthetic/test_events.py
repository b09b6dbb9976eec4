import numpy as np
import pytest
import shapely

from groundshift.domain.time import DAY
from groundshift.observations.synthetic.events import LONGEST, Cause, Events
from groundshift.observations.synthetic.plan import (
    CityPlan,
    Zone,
    city_axes,
    map_axes,
    river_distance,
)

SIDE = 20_000.0


def instant(day):
    return int(np.datetime64(day, "s").astype(int))


SPAN = instant("2016-01-01"), instant("2024-01-01")


def events(seed, preset="city"):
    plan = CityPlan.around(seed, (0, SIDE), (0, SIDE))
    return plan, Events.of(plan, preset, SPAN)


def urban(found):
    return ~np.isin(found.cause, (Cause.QUARRY, Cause.FELLING))


def area(found):
    return (found.box[:, 2] - found.box[:, 0]) * (found.box[:, 3] - found.box[:, 1])


def shares(preset):
    """Of urban events under 3 dB, and gradual or under 0.1 ha."""
    weak, hard = [], []
    for seed in range(3):
        _, found = events(seed, preset)
        mine = urban(found)
        weak.append(np.abs(found.contrast[mine]) < 3)
        hard.append(((found.end > found.start) | (area(found) < 1000))[mine])
    return np.concatenate(weak).mean(), np.concatenate(hard).mean()


def test_the_hard_preset_is_as_hard_as_it_says():
    weak, hard = shares("hard")
    assert weak == pytest.approx(0.45, abs=0.02)
    assert hard == pytest.approx(0.60, abs=0.02)


def test_the_city_preset_is_easier():
    weak, hard = shares("city")
    assert weak < 0.3
    assert hard < 0.45


def test_everything_that_may_happen_happens():
    _, found = events(5)
    counts = np.bincount(found.cause, minlength=len(Cause))
    assert counts[Cause.NOTHING] == 0
    assert (counts[1:] > 20).all()
    days = (found.end - found.start) // DAY
    assert days.min() == 0
    assert days.max() == LONGEST
    assert (found.start % DAY == 0).all()


def test_events_lie_on_their_lots_and_never_on_one_another_or_the_river():
    _, found = events(5)
    half = found.box / 80
    assert ((half[:, :2] > found.place[:, ::-1]) & (half[:, 2:] < found.place[:, ::-1] + 2)).all()
    boxes = shapely.box(*found.box.T)
    one, other = shapely.STRtree(boxes).query(boxes, predicate="intersects")
    assert (one == other).all()
    middle = (found.box[:, :2] + found.box[:, 2:]) / 2
    assert river_distance(5, *middle.T).min() > 0


def test_an_event_does_not_depend_on_how_much_of_the_city_is_looked_at():
    _, found = events(5)
    part = Events.of(CityPlan.around(5, (4_000, 5_000), (7_000, 9_000)), "city", SPAN)
    known = {tuple(place): i for i, place in enumerate(found.place)}
    same = [known[tuple(place)] for place in part.place]
    assert len(same) > 10
    for name in ("box", "cause", "look", "strength", "start", "end"):
        np.testing.assert_array_equal(getattr(part, name), getattr(found, name)[same])


def test_points_know_their_event_and_a_partial_one_changes_part_of_its_ground():
    plan, found = events(5)
    for strength in (1.0, 0.6):
        number = int(np.flatnonzero((found.strength == strength) & (area(found) > 4000))[0])
        u0, v0, u1, v1 = found.box[number]
        u, v = (a.ravel() for a in np.meshgrid(np.arange(u0, u1, 2.5), np.arange(v0, v1, 2.5)))
        at = found.at(plan, u, v)
        assert set(at) <= {number, -1}
        assert np.mean(at == number) == pytest.approx(strength, abs=0.1)
        assert (found.at(plan, u - (u1 - u0), v) != number).all()


def test_a_gradual_change_lies_bare_and_then_grows():
    _, found = events(5)
    number = int(np.flatnonzero(found.end - found.start > 300 * DAY)[0])
    start, end = found.start[number], found.end[number]
    course = [found.shares(int(start + p * (end - start))) for p in (0, 0.3, 0.65, 1)]
    bare, done = np.array([(b[number], d[number]) for b, d in course]).T
    np.testing.assert_allclose(bare, [0, 1, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(done, [0, 0, 0.5, 1], atol=1e-6)
    sudden = int(np.flatnonzero(found.end == found.start)[0])
    for time, share in ((found.start[sudden] - 1, 0), (found.start[sudden], 1)):
        bare, done = found.shares(int(time))
        assert (bare[sudden], done[sudden]) == (0, share)


def test_truth_has_the_events_of_the_period_and_place_as_polygons_of_the_map():
    plan, found = events(5)
    during = instant("2017-01-01"), instant("2018-01-01")
    x, y = map_axes(*np.array([[SIDE / 2], [SIDE / 2]]))
    within = shapely.Point(x[0], y[0]).buffer(3000)
    truth = found.truth("EPSG:32631", during, within)
    assert len(truth) > 20
    assert truth["id"].is_unique
    assert set(truth["kind"]) == {"urban", "other"}
    assert set(truth.loc[truth["kind"] == "other", "cause"]) <= {"quarry", "felling"}
    assert (truth["end"] >= "2017-01-01").all()
    assert (truth["start"] < "2018-01-01").all()
    assert truth.intersects(within).all()
    row = truth.iloc[0]
    u, v = city_axes(*np.array(row.geometry.centroid.coords).T)
    full = found.at(plan, u, v)
    assert full[0] == -1 or row["id"].startswith(Cause(found.cause[full[0]]).name.lower())
    assert row.geometry.area == pytest.approx(area(found).flat[match(found, row)], rel=1e-6)


def match(found, row):
    _, *place = row["id"].rsplit("_", 2)
    return int(np.flatnonzero((found.place == [int(p) for p in place]).all(axis=1))[0])


def test_events_begin_within_the_span():
    _, found = events(5)
    assert SPAN[0] <= found.start.min() < SPAN[0] + 30 * DAY
    assert SPAN[1] - 30 * DAY < found.start.max() < SPAN[1]


def test_a_city_has_every_kind_of_block():
    counts = sum(
        np.bincount(events(seed)[0].zones.ravel(), minlength=len(Zone)) for seed in range(3)
    )
    assert (counts / counts.sum() > 0.01).all()
    assert 0.2 < counts[: Zone.ARABLE].sum() / counts.sum() < 0.6
