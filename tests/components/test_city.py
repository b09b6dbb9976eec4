"""The synthetic city through fetch, stack and window, as `make demo AREA=city` takes it, tiny."""

import json

import numpy as np
import pytest

from components.fetch import planning
from components.fetch import stage as fetch
from components.stack import stage as stack
from components.window import stage as window
from groundshift.artifacts import read_manifest
from groundshift.errors import SettingsError
from groundshift.observations.store import Observations
from groundshift.samples.store import Samples
from groundshift.settings import load, merge, parse
from tests.components.test_fetch import ROOT

pytestmark = pytest.mark.usefixtures("own_work")

WEST, SOUTH = 503_040, 5_605_120  # corners of cells of 320 m
TINY = {
    "area": {"bounds": [WEST, SOUTH, WEST + 640, SOUTH + 640]},
    "period": {"start": "2017-01-01", "end": "2018-10-15"},
    "window": {
        "patch": 8,
        "stride": 20,
        "split": {"block": 16, "buffer": 4},
    },
}


def settings(stage, **changes):
    """The city's settings for a stage, tiny."""
    whole = json.loads(load(stage, ROOT / "params.yaml", area="city").model_dump_json())
    known = {key: TINY[key] for key in TINY if key in whole}
    return parse(stage, merge(merge(whole, known), changes))


@pytest.fixture(scope="module")
def observations(tmp_path_factory):
    folder = tmp_path_factory.mktemp("city") / "observations"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder.parent / "work"))
        fetch.run(settings("fetch"), observations=folder)
    return folder


def test_the_area_city_is_as_large_and_long_as_it_says():
    whole = load("window", ROOT / "params.yaml", area="city")
    left, bottom, right, top = whole.area.bounds
    assert (right - left, top - bottom) == (6400, 6400)
    assert (whole.period.end - whole.period.start).days == 911
    assert whole.window.kind == "triple"
    assert whole.window.length.days == 182
    assert whole.window.labels == "synthetic"
    assert whole.window.split.buffer > 0


def test_truth_and_licence_come_along(observations):
    found = Observations.open(observations)
    assert len(found.truth) > 5
    assert (found.truth["start"] < "2018-10-15").all()
    (licence,) = found.manifest.licences
    assert "synthetic" in licence
    assert {"0301"} == set(found.table.loc[found.table["sensor"] == "s2", "baseline"])


def test_the_stages_go_on_from_it_with_synthetic_labels_beside_the_truth(observations, tmp_path):
    cube, samples = tmp_path / "cube", tmp_path / "samples"
    stack.run(settings("stack"), observations=observations, cube=cube)
    window.run(settings("window"), observations=observations, cube=cube, samples=samples)
    made = Samples.open(samples)
    assert set(made.label_kinds) == {"truth", "synthetic"}
    assert made.target == "synthetic"
    assert made.windows["complete"].any()
    assert set(made.splits["split"]) == {"training", "validation", "test"}


def offset(part, whole):
    """Rows and columns from a cell's corner to that of another within it."""
    one, other = part.core.transform, whole.core.transform
    return round((other.f - one.f) / 10), round((one.c - other.c) / 10)


def test_cells_on_their_own_hold_the_pixels_of_the_area_at_once(observations, tmp_path):
    whole = Observations.open(observations)
    (cell,) = whole.cells
    brief = {
        "area": {"cell": 320, "halo": 0, "crs": "EPSG:32631"},
        "period": {"start": "2018-04-01", "end": "2018-05-01"},
    }
    quarters = settings("fetch", **brief)
    plan = tmp_path / "plan"
    planned = planning.run(quarters, plan=plan).parameters["cells"]
    assert len(planned) > 1
    compared = 0
    for number, known in enumerate(planned):
        folder = tmp_path / str(number)
        fetch.run(quarters, observations=folder, cell=known["cell"])
        part = Observations.open(folder)
        (own,) = part.cells
        y, x = offset(own, cell)
        for sensor in ("s1_088", "s2"):
            for time in part.times(own.id, sensor):
                one, _ = part.read(own.id, sensor, int(time))
                other, _ = whole.read(cell.id, sensor, int(time))
                np.testing.assert_array_equal(one, other[y : y + 32, x : x + 32])
                compared += 1
        assert part.truth["id"].tolist()
    assert compared > 10


def test_a_new_pass_changes_the_keys_and_a_later_end_alone_does_not(tmp_path):
    def keys(end):
        settings_ = settings("fetch", period={"start": "2018-01-01", "end": end})
        made = planning.run(settings_, plan=tmp_path / end)
        return [known["key"] for known in made.parameters["cells"]]

    assert keys("2018-03-07T23:00:00") == keys("2018-03-07T22:00:00")
    assert keys("2018-03-20") != keys("2018-03-07")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"synthetic": None}, "needs its section fetch.synthetic"),
        ({"plant": "demo/plantings/flanders_4.geojson"}, "has changes of its own"),
        ({"synthetic": {"preset": "harder"}}, "'city' or 'hard'"),
        ({"source": "files"}, "needs its section fetch.files"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(SettingsError, match=message):
        settings("fetch", fetch=changes)


def test_reading_twice_gives_the_same_artifact(observations, tmp_path):
    brief = {"period": {"start": "2018-05-01", "end": "2018-06-01"}}
    for name in ("one", "two"):
        fetch.run(settings("fetch", **brief), observations=tmp_path / name)
    hashes = {
        read_manifest(tmp_path / name, "observations").content_hash for name in ("one", "two")
    }
    assert len(hashes) == 1
