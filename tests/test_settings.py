import json
from datetime import timedelta

import pytest

from groundshift.errors import SettingsError
from groundshift.settings import STAGES, load, merge, parse

PARAMS = """
task: change
area: {halo: 8}
stack: {step: 2d}
window: {length: 90d}
train: {epochs: 3}
fetch: {}
areas:
  demo:
    inputs: demo
    area: {bounds: [0, 0, 1, 1]}
    period: {start: 2017-08-01, end: 2018-12-01}
    train: {epochs: 4}
    fetch:
      files:
        root: demo/data
        sensors:
          s2: {mission: sentinel2, bands: [B02], units: dn}
"""


@pytest.fixture
def params(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS)
    return path


def test_an_areas_values_win_over_shared_defaults(params):
    assert load("train", params).train.epochs == 4
    assert load("train", params, overrides=["train.epochs=7"]).train.epochs == 7
    assert load("stack", params).area.halo == 8


def test_a_stage_sees_only_its_own_section(params):
    values = load("stack", params, area="demo").affecting()
    assert sorted(values) == ["area", "period", "stack", "task"]


def test_execution_settings_and_paths_do_not_affect_the_hash(params):
    one = load("fetch", params).affecting()
    other = load(
        "fetch", params, overrides=["fetch.workers=7", "fetch.files.root=/elsewhere"]
    ).affecting()
    assert one == other
    assert "root" not in json.dumps(one)
    changed = load("fetch", params, overrides=["fetch.files.sensors.s2.units=reflectance"])
    assert changed.affecting() != one


@pytest.mark.parametrize("stage", [s for s in STAGES if s not in ("evaluate", "infer")])
def test_settings_travel_as_json(params, stage):
    settings = load(stage, params)
    assert parse(stage, settings.model_dump_json()) == settings


def test_window_presets_fill_what_is_left_out(params):
    window = load("window", params, overrides=["window.era=ers12ls5"]).window
    assert (window.length, window.min_steps, window.max_steps) == (timedelta(days=90), 25, 110)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("window.lenght=90d", "unknown setting 'window.lenght': did you mean 'length'"),
        ("window.length=ninety", "'ninety' is no length of time"),
        ("window.split.sed=1", "unknown setting 'window.split.sed': did you mean 'seed'"),
        ("windw.length=1d", "unknown setting"),
        ("period.end=2016-01-01", "must lie after"),
        ("area.geometry=a.geojson", "give either area.geometry"),
        ("nonsense", "expected key=value"),
    ],
)
def test_mistakes_are_named_with_their_remedy(params, override, message):
    if override.startswith("windw"):
        params.write_text(PARAMS.replace("window:", "windw:"))
        override = "window.stride=1"
    with pytest.raises(SettingsError, match=message):
        load("window", params, overrides=[override])


def test_unknown_area_and_unreadable_files_are_named(params, tmp_path):
    with pytest.raises(SettingsError, match=r"area 'mars' is not there; expected one of demo"):
        load("stack", params, area="mars")
    with pytest.raises(SettingsError, match="can't be read"):
        load("stack", tmp_path / "none.yaml")
    params.write_text("a: [")
    with pytest.raises(SettingsError, match="no valid YAML"):
        load("stack", params)
    with pytest.raises(SettingsError, match="expected JSON"):
        parse("stack", "{")


def test_merging_goes_down_the_tree_and_leaves_its_inputs():
    base = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert merge(base, {"a": {"c": 3}, "d": [2]}) == {"a": {"b": 1, "c": 3}, "d": [2]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1]}


def test_a_source_needs_its_section(params):
    with pytest.raises(SettingsError, match=r"sentinelhub needs its section fetch\.sentinelhub"):
        load("fetch", params, overrides=["fetch.source=sentinelhub"])


def test_services_are_asked_at_once_by_their_own_number(params):
    sensor = "{mission: sentinel2, bands: [B02]}"
    chosen = ["fetch.source=sentinelhub", f"fetch.sentinelhub.sensors.s2={sensor}"]
    assert load("fetch", params, overrides=["fetch.workers=3"]).fetch.threads == 3
    assert load("fetch", params, overrides=chosen).fetch.threads == 8
    chosen = ["fetch.source=stac", f"fetch.stac.sensors.s2={sensor}", "fetch.stac.concurrency=5"]
    assert load("fetch", params, overrides=chosen).fetch.threads == 5


@pytest.mark.parametrize(
    ("sensor", "message"),
    [
        ("{mission: sentinel1, bands: [VV]}", "orbit: expected ascending or descending"),
        ("{mission: sentinel1, orbit: ascending, bands: [VV], max_cloud: 9}", "expected neither"),
        ("{mission: sentinel2, bands: [B02, B02]}", "bands: expected different ones"),
        ("{mission: sentinel2, bands: [B02], mask: {folder: scl}}", "the name of a mask layer"),
    ],
)
def test_a_sensor_of_an_api_that_makes_no_sense_is_refused(params, sensor, message):
    chosen = ["fetch.source=stac", f"fetch.stac.sensors.one={sensor}"]
    with pytest.raises(SettingsError, match=message):
        load("fetch", params, overrides=chosen)


def test_an_unknown_api_needs_its_address_and_what_it_holds(params):
    sensor = "fetch.stac.sensors.s2={mission: sentinel2, bands: [B02]}"
    chosen = ["fetch.source=stac", "fetch.stac.provider=other", sensor]
    with pytest.raises(SettingsError, match="expected the address of an API"):
        load("fetch", params, overrides=chosen)
    with pytest.raises(SettingsError, match="needs level, collection, and the key of an asset"):
        load("fetch", params, overrides=[*chosen, "fetch.stac.url=https://there"])
