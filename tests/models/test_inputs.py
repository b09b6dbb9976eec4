import json

import numpy as np
import pandas as pd
import pytest

from groundshift.cube.store import Frames
from groundshift.errors import SettingsError
from groundshift.models.inputs import (
    FEATURES,
    FLOOR,
    Inputs,
    StreamScale,
    fit_inputs,
    select_streams,
    spread,
    to_scale,
)
from tests.models.cells import SIGNATURE, small_detector


def random_streams(rng, samples=2, steps=5, shape=(3, 4)):
    """Physical values and ages of every stream, a fifth of the pixels never seen."""
    streams = {}
    for stream in SIGNATURE.streams:
        age_days = rng.integers(0, 40, (samples, steps, *shape)).astype(np.int16)
        age_days[rng.random(age_days.shape) < 0.2] = -1
        values = rng.random((*age_days.shape, len(stream.bands)), np.float32)
        streams[stream.role] = (values * (age_days >= 0)[..., None], age_days)
    return streams


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_raw_inputs_are_the_values_in_the_order_of_the_signature(rng):
    streams = random_streams(rng)
    steps = np.ones((2, 5), bool)
    expected = np.concatenate([values for values, _ in streams.values()], axis=-1)
    np.testing.assert_array_equal(Inputs.raw(SIGNATURE).values(streams, steps), expected)


def test_radar_is_standardised_in_decibels_and_cut_off():
    scale = StreamScale("radar_a", "decibel", (-10.0,), (2.0,))
    power = np.array([[0.1], [0.01], [10.0], [0.0], [0.5]], np.float32)
    known = np.array([True, True, True, True, False])
    levels = scale.levels(power, known, limit=4)
    np.testing.assert_allclose(levels.ravel(), [0, -4, 4, -4, 0], atol=1e-5)
    assert to_scale(power, "decibel").min() == pytest.approx(10 * np.log10(FLOOR))


def test_padding_and_pixels_never_seen_are_zero(rng):
    streams = random_streams(rng)
    steps = np.array([[True] * 5, [True] * 3 + [False] * 2])
    values = small_detector(features=tuple(FEATURES)).inputs.values(streams, steps)
    assert not values[1, 3:].any()
    never = streams["optical"][1][0] < 0
    optical = values[0, ..., -10:]
    assert not optical[never].any()
    assert optical[~never].any(axis=-1).all()


def test_anomalies_are_levels_less_their_mean_over_known_real_steps(rng):
    streams = random_streams(rng)
    steps = np.array([[True] * 5, [True] * 4 + [False]])
    inputs = small_detector(features=("level", "anomaly")).inputs
    optical = inputs.branch("optical", streams, steps)
    levels, anomalies = optical[..., :3], optical[..., 3:]
    known = streams["optical"][1] >= 0
    for sample in range(2):
        for y in range(3):
            for x in range(4):
                seen = known[sample, :, y, x]
                series = levels[sample, :, y, x]
                counted = seen & steps[sample]
                mean = series[counted].mean(axis=0) if counted.any() else 0
                expected = np.where(seen[:, None], series - mean, 0)
                np.testing.assert_allclose(anomalies[sample, :, y, x], expected, atol=1e-5)


def test_rise_is_measured_from_the_first_third():
    steps = np.ones((1, 6), bool)
    ages = np.zeros((1, 6, 1, 1), np.int16)
    optical = np.array([0.1, 0.3, 0.5, 0.5, 0.5, 0.5], np.float32).reshape(1, 6, 1, 1, 1)
    inputs = Inputs((StreamScale("optical", "linear", (0.0,), (1.0,)),), ("rise",))
    rise = inputs.values({"optical": (optical, ages)}, steps)
    np.testing.assert_allclose(rise.ravel(), optical.ravel() - 0.2, atol=1e-6)


def test_recency_fades_with_age():
    ages = np.array([0, 30, -1], np.int16).reshape(1, 3, 1, 1)
    values = np.ones((1, 3, 1, 1, 1), np.float32)
    inputs = Inputs((StreamScale("optical", "linear", (0.0,), (1.0,)),), ("recency",))
    recency = inputs.values({"optical": (values, ages)}, np.ones((1, 3), bool))
    np.testing.assert_allclose(recency.ravel(), [1, np.exp(-1), 0], atol=1e-6)


@pytest.mark.parametrize(
    ("features", "scope", "radar", "optical"),
    [
        (("level",), "frame", 4, 3),
        (("level", "recency"), "step", 6, 4),
        (("level", "anomaly", "recency"), "window", 10, 7),
    ],
)
def test_channels_and_scope_follow_from_the_features(features, scope, radar, optical, rng):
    inputs = small_detector(features=features).inputs
    assert inputs.scope == scope
    assert (inputs.channels("radar"), inputs.channels("optical")) == (radar, optical)
    values = inputs.values(random_streams(rng), np.ones((2, 5), bool))
    assert values.shape[-1] == radar + optical == len(inputs.level_channels)
    assert inputs.level_channels.sum() == SIGNATURE.channels


def test_scales_are_those_of_the_looks_at_training_patches(indexed):
    samples, cube = indexed
    patches = samples.splits[samples.splits["split"] == "training"]
    inputs = fit_inputs(cube.signature, cube.cells, patches)
    for stream, scale in zip(cube.signature.streams, inputs.streams, strict=True):
        looks = []
        for patch in patches.itertuples():
            cell = cube.cells[patch.cell]
            place = (slice(patch.y0, patch.y1), slice(patch.x0, patch.x1))
            frames = cell.read(cell.roles[stream.role], 0, len(cell.times), *place)
            looks.append(frames.values[frames.fresh])
        levels = to_scale(np.concatenate(looks), scale.scale)
        levels = np.clip(levels, *np.percentile(levels, (0.5, 99.5), axis=0))
        np.testing.assert_allclose(scale.mean, levels.mean(axis=0), rtol=1e-3)
        np.testing.assert_allclose(scale.deviation, levels.std(axis=0), rtol=1e-3)
    assert [scale.scale for scale in inputs.streams] == ["decibel", "decibel", "linear"]


def test_inputs_survive_json():
    inputs = small_detector(features=("level", "anomaly")).inputs
    assert Inputs.from_dict(json.loads(json.dumps(inputs.to_dict()))) == inputs


def test_unknown_features_and_missing_streams_are_refused():
    with pytest.raises(SettingsError, match="expected some of level, anomaly"):
        Inputs((), ("levels",))
    radar = select_streams(SIGNATURE, "radar")
    assert [stream.role for stream in radar.streams] == ["radar_a", "radar_b"]
    with pytest.raises(
        SettingsError, match="expected a stream of that kind in the cube, found radar_a"
    ):
        select_streams(radar, "optical")


def test_streams_without_a_look_are_refused():
    never = Frames(
        np.zeros((2, 3, 3, 1), np.float32),
        np.zeros((2, 3, 3), bool),
        np.full((2, 3, 3), -1, np.int16),
    )
    with pytest.raises(SettingsError, match="radar_b: expected looks"):
        spread([never], "decibel", place="radar_b")
    with pytest.raises(SettingsError, match="expected looks"):
        fit_inputs(SIGNATURE, {}, pd.DataFrame({"cell": []}))


def test_a_context_is_how_the_ground_went_on():
    scale = StreamScale("optical", "linear", (0.0,), (0.5,))
    inputs = Inputs((scale,), neighbours=True)
    values = np.zeros((1, 7, 1, 3, 1), np.float32)
    values[0, :6, 0, :, 0] = np.array([1, 3, 9, 9, 4, 6])[:, None] / 10
    ages = np.zeros((1, 7, 1, 3), np.int16)
    ages[0, 0, 0, 1] = -1  # unseen at the first step
    steps = np.array([[True] * 6 + [False]])
    around = np.array([0.1, 0.6], np.float32).reshape(1, 2, 1, 1, 1).repeat(3, axis=3)
    known = np.zeros((1, 2, 1, 3), np.int16)
    known[0, 1, 0, 2] = -1  # no look after the window
    streams = {"optical": (values, ages), "optical_beside": (around, known)}
    found = inputs.context(streams, steps)
    expected = [[0.2, 0.6, 0.2], [0.4, 0.4, 0.2], [0.2, 0.6, 0.0]]
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-6)
    assert found.shape[-1] == inputs.context_channels == 3
    assert inputs.arrays == ("optical", "optical_beside")
    assert inputs.scope == "window"
    assert Inputs.from_dict(json.loads(json.dumps(inputs.to_dict()))) == inputs


def test_without_neighbours_there_is_no_context(rng):
    inputs = small_detector().inputs
    steps = np.ones((2, 5), bool)
    assert inputs.context(random_streams(rng), steps).shape == (2, 3, 4, 0)
    assert (inputs.context_channels, inputs.arrays) == (0, inputs.roles)
    assert list(inputs.to_dict()) == ["streams", "features", "limit"]
