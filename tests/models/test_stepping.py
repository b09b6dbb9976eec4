import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundshift.models.compiled import CompiledStepper, stepper
from groundshift.models.networks import NetworkSpec, build
from groundshift.models.stepping import CHUNK, Stepper
from groundshift.models.walk import Images
from groundshift.models.winograd import KINDS, kernel, kinds
from groundshift.reference import published_detector

CHANNELS = {"radar": 2, "optical": 3}


def made(radar=2, optical=3, context=0):
    spec = NetworkSpec.of_preset(
        "tiny", radar_channels=radar, optical_channels=optical, context_channels=context
    )
    return build(spec, seed=3)


WAYS = ("tensorflow", *(kind.name for kind in KINDS))


def stepper_of(network, way):
    """A stepper of one way, if this machine has it."""
    if way == "tensorflow":
        return Stepper(network)
    if way not in [kind.name for kind in kinds()]:
        pytest.skip(f"the kernel was not compiled here, or the processor is not {way}")
    return CompiledStepper(network, kernel(way, threads=2))


def spans_of(parts, first=0, length=5):
    """What the branches see, `parts` of [image, y, x, channel] and image of each step, in spans."""
    for begin in range(first, len(parts[0][1]), length):
        yield [Images(values.__getitem__, shown[begin : begin + length]) for values, shown in parts]


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


@pytest.mark.parametrize("way", WAYS)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, CHUNK, 2 * CHUNK + 1]))
@settings(max_examples=4, deadline=None)
def test_every_window_gets_the_score_of_the_whole_network(network, way, seed, count):
    rng = np.random.default_rng(seed)
    parts, shown = [], []
    for channels in CHANNELS.values():
        images = rng.normal(size=(5, 6, 7, channels)).astype(np.float32)
        image_of_step = np.sort(rng.integers(0, 5, 12))
        parts.append((images, image_of_step))
        shown.append(images[image_of_step])
    first = rng.integers(0, 11, count)
    windows = np.stack([first, rng.integers(first + 1, 13)], axis=1)
    expected = whole(network, np.concatenate(shown, axis=-1), windows)
    spans = spans_of(parts, first.min())
    found = stepper_of(network, way).score(spans, windows)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_gaps_between_windows_are_skipped(network, way):
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(20, 5, 5, 5)).astype(np.float32)
    every = np.arange(20)
    parts = [(frames[..., :2], every), (frames[..., 2:], every)]
    windows = np.array([[0, 3], [15, 20], [14, 17]])
    expected = whole(network, frames, windows)
    found = stepper_of(network, way).score(spans_of(parts), windows)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("way", ["tensorflow", "plain"])
@pytest.mark.parametrize(("radar", "optical", "context"), [(2, 3, 0), (2, 0, 0), (0, 3, 4)])
def test_windows_with_their_own_channels_get_the_same_score(radar, optical, context, way):
    network = made(radar, optical, context)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 6, 5, 4, radar + optical)).astype(np.float32)
    lengths = np.array([6, 2, 4])
    steps = np.arange(6) < lengths[:, None]
    contexts = rng.normal(size=(3, 5, 4, context)).astype(np.float32)
    seen = {"context": contexts} if context else {}
    expected = network({"values": values, "steps": steps, **seen})
    found = stepper_of(network, way).score_apart(values, lengths, contexts)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("era", ["s12", "ers12ls5"])
def test_the_published_networks_score_the_same_at_the_full_length(era):
    detector = published_detector(era)
    (network,) = detector.networks
    rng = np.random.default_rng(0)
    frames = rng.random((92, 21, 34, detector.spec.channels), np.float32)
    frames[:, :8] *= 0.2
    radar = detector.spec.radar_channels
    every = np.arange(len(frames))
    parts = [(frames[..., :radar], every), (frames[..., radar:], every)]
    windows = np.array([[0, 92], [5, 90]])
    found = stepper_of(network, KINDS[-1].name).score(spans_of(parts), windows)
    np.testing.assert_allclose(found, whole(network, frames, windows), atol=1e-5)


def test_windows_score_the_same_to_the_last_bit_whatever_is_beside_them_and_who_works(network):
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(9, 30, 50, 5)).astype(np.float32)
    parts = [(frames[..., :2], np.arange(9)), (frames[..., 2:], np.arange(9))]
    windows = np.array([[0, 6], [1, 7], [2, 8], [2, 9], [3, 9], [3, 9]])
    alone, together = (stepper_of(network, "plain") for _ in range(2))
    expected = together.score(spans_of(parts), windows)
    for number, window in enumerate(windows):
        spans = spans_of(parts, window[0], 4)
        assert np.array_equal(alone.score(spans, windows[number : number + 1])[0], expected[number])
    one_thread = CompiledStepper(network, kernel("plain", threads=1))
    assert np.array_equal(one_thread.score(spans_of(parts), windows), expected)


def test_the_compiled_kernel_is_used_where_there_is_one(network):
    expected = Stepper if kernel() is None else CompiledStepper
    assert isinstance(stepper(network), expected)
