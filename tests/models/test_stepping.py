import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundshift.models.networks import NetworkSpec, build
from groundshift.models.stepping import CHUNK, Images, Stepper

CHANNELS = {"radar": 2, "optical": 3}


def made(radar=2, optical=3):
    spec = NetworkSpec.of_preset("tiny", radar_channels=radar, optical_channels=optical)
    return build(spec, seed=3)


@pytest.fixture(scope="module")
def network():
    return made()


def whole(network, frames, windows):
    """Scores of each window by the network itself."""
    longest = (windows[:, 1] - windows[:, 0]).max()
    values = np.zeros((len(windows), longest, *frames.shape[1:]), np.float32)
    steps = np.zeros((len(windows), longest), bool)
    for number, (first, stop) in enumerate(windows):
        values[number, : stop - first] = frames[first:stop]
        steps[number, : stop - first] = True
    return np.asarray(network({"values": values, "steps": steps}))


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, CHUNK, 2 * CHUNK + 1]))
@settings(max_examples=6, deadline=None)
def test_every_window_gets_the_score_of_the_whole_network(network, seed, count):
    rng = np.random.default_rng(seed)
    parts, shown = [], []
    for channels in CHANNELS.values():
        images = rng.normal(size=(5, 6, 7, channels)).astype(np.float32)
        image_of_step = np.sort(rng.integers(0, 5, 12))
        parts.append(Images(images, image_of_step))
        shown.append(images[image_of_step])
    first = rng.integers(0, 11, count)
    windows = np.stack([first, rng.integers(first + 1, 13)], axis=1)
    expected = whole(network, np.concatenate(shown, axis=-1), windows)
    np.testing.assert_allclose(Stepper(network).score(parts, windows), expected, atol=1e-6)


def test_gaps_between_windows_are_skipped(network):
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(20, 5, 5, 5)).astype(np.float32)
    every = np.arange(20)
    parts = [Images(frames[..., :2], every), Images(frames[..., 2:], every)]
    windows = np.array([[0, 3], [15, 20], [14, 17]])
    expected = whole(network, frames, windows)
    np.testing.assert_allclose(Stepper(network).score(parts, windows), expected, atol=1e-6)


@pytest.mark.parametrize(("radar", "optical"), [(2, 3), (2, 0), (0, 3)])
def test_windows_with_their_own_channels_get_the_same_score(radar, optical):
    network = made(radar, optical)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 6, 5, 4, radar + optical)).astype(np.float32)
    lengths = np.array([6, 2, 4])
    steps = np.arange(6) < lengths[:, None]
    expected = network({"values": values, "steps": steps})
    np.testing.assert_allclose(Stepper(network).score_apart(values, lengths), expected, atol=1e-6)
