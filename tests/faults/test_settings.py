"""Settings that can't be right: one sentence, the nearest name where one was misspelt."""

import re

import pytest

from tests.faults.world import arguments


@pytest.fixture
def own_output(world, tmp_path):
    def options(stage, *more):
        names = {"fetch": "observations", "stack": "cube", "window": "samples", "train": "model"}
        return [*arguments(stage, world, **{names[stage]: tmp_path / names[stage]}), *more]

    return options


@pytest.mark.parametrize(
    ("stage", "setting", "message"),
    [
        ("fetch", "fetch.file.root=x", "unknown setting 'fetch.file': did you mean 'files'?"),
        (
            "fetch",
            "fetch.files.sensors.s2.band=[B02]",
            "unknown setting 'fetch.files.sensors.s2.band': did you mean 'bands'?",
        ),
        ("stack", "stakc.step=4d", "unknown setting 'stakc': did you mean 'stack'?"),
        ("stack", "perod.end=2017-03-01", "unknown setting 'perod': did you mean 'period'?"),
        ("stack", "stack.step=2 fortnights", "stack.step: .* '2 fortnights'"),
        ("window", "window.split.sed=1", "unknown setting 'window.split.sed': did you mean 'seed'"),
        ("train", "train.epoch=1", "unknown setting 'train.epoch': did you mean 'epochs'?"),
        ("train", "train.epochs=0", "train.epochs: .* greater than or equal to 1, found 0"),
    ],
)
def test_a_misspelt_setting_is_answered_with_the_nearest_name(
    refused, own_output, stage, setting, message
):
    assert_match(message, refused(stage, own_output(stage, "--set", setting)))


def test_a_misspelt_area_is_answered_with_the_nearest_name(refused, own_output):
    options = own_output("stack")
    options[options.index("tiny")] = "tinny"
    assert "area 'tinny' is not there; expected one of tiny. Did you mean 'tiny'?" in refused(
        "stack", options
    )


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
@pytest.mark.parametrize(
    ("stage", "setting"),
    [("fetch", "fetch.files.sensors.s1.scale"), ("train", "train.learning_rate")],
)
def test_numbers_are_finite(refused, own_output, stage, setting, value):
    message = refused(stage, own_output(stage, "--set", f"{setting}={value}"))
    assert_match(f"{setting}: .* finite number, found", message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\xff\xfe", "expected text in UTF-8, found other bytes"),
        (b"areas: [", "no valid YAML"),
        (b"areas: tiny", "areas: expected names with values below them, found 'tiny'"),
        (b"areas: {tiny: 3}", "areas.tiny: expected names with values below them, found 3"),
        (b"- task", "expected sections"),
    ],
)
def test_a_damaged_settings_file_is_named(refused, own_output, tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_bytes(text)
    options = own_output("stack")
    options[1] = str(path)
    found = refused("stack", options)
    assert f"{path}: " in found
    assert message in found


def test_no_area_is_named_like_a_path(refused, world, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((world / "params.yaml").read_text().replace("tiny:", "../../tiny:"))
    options = arguments("stack", world, cube=tmp_path / "cube")
    options[1], options[3] = str(path), "../../tiny"
    assert_match(
        "name: String should match pattern .*, found '../../tiny'", refused("stack", options)
    )


def test_a_value_that_is_no_yaml_is_named(refused, own_output):
    message = refused("stack", own_output("stack", "--set", "stack.radar=["))
    assert "--set 'stack.radar=[': the value is no valid YAML" in message


def test_a_window_longer_than_the_series_says_what_would_fit(refused, own_output):
    message = refused("window", own_output("window", "--set", "window.length=400d"), unmapped=True)
    assert_match(r"window\.length.*400.*\d+d", message)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("area.bounds=[601000, 5599880, 600000, 5600000]", "area.bounds: expected left < right"),
        ("area.bounds_crs=EPSG:99999", "area.bounds_crs: unknown reference system 'EPSG:99999'"),
        ("area.bounds_crs=EPSG:4326", "area: expected .* EPSG:4326 knows, found 600000, .*Correct"),
        ("area.crs=EPSG:4326", "area.crs: expected a projected system"),
        ("area.resolution=0.000001", "area: expected cells of at most .* found .* area.resolution"),
        (
            "area.resolution=0.003 area.cell=0.003",
            "area.cell: expected at most 1000000 cells, found",
        ),
    ],
)
def test_an_impossible_area_is_refused(refused, own_output, setting, message):
    chosen = [part for one in re.split(" (?=area)", setting) for part in ("--set", one)]
    assert_match(message, refused("fetch", own_output("fetch", *chosen)))


def assert_match(pattern, text):
    __tracebackhide__ = True
    assert re.search(pattern, text, re.DOTALL), text
