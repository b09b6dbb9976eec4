import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from groundshift.errors import SettingsError
from groundshift.models.losses import tanimoto_with_complement
from groundshift.models.networks import NetworkSpec, build, weights
from groundshift.reference import load_network
from tests.reference.conftest import GOLDEN, Archive, load

ERAS = ("s12", "ers12ls5")
CASES = (
    "full_32",
    "padded_16",
    "corner_zero_16",
    "one_step_16",
    "no_step_16",
    "taps_24x40",
    "wide_93",
)
TAPS = {
    "convlstm_sar": "radar_memory",
    "convlstm_opt": "optical_memory",
    "concat_sar_opt": "merged",
    "conv_concat_1_8_seq": "head_1",
    "conv_concat_2_8_seq": "head_2",
    "conv_sigmoid": "output",
}
STEP_TAPS = {
    "td_sar": "radar_block_1",
    "td_opt_1": "optical_block_1",
    "td_opt_2": "optical_block_2",
}
LAYERS = {
    "td_sar": "radar_block_1",
    "td_opt_1": "optical_block_1",
    "td_opt_2": "optical_block_2",
    "convlstm_sar": "radar_memory",
    "convlstm_opt": "optical_memory",
    "head_1": "head_1",
    "head_2": "head_2",
    "out": "output",
}


def padded(codes: NDArray[np.uint8], lengths: NDArray[np.int32]) -> NDArray[np.float32]:
    """Windows [b, t, y, x, channel] with every step after a window's length set to -1."""
    values = codes.astype(np.float32) / 256
    for window, length in zip(values, lengths, strict=True):
        window[length:] = -1
    return values


def case(era: str, name: str) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """A case's windows, and the published outputs by name."""
    archive = load(f"model/model_{era}")
    arrays = {
        key.removeprefix(f"{name}/"): value
        for key, value in archive.items()
        if key.startswith(f"{name}/")
    }
    return padded(arrays.pop("codes"), arrays.pop("lengths")), arrays


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", CASES)
def test_scores_are_the_published_ones(era: str, name: str) -> None:
    values, expected = case(era, name)
    network = load_network(era, shape=values.shape[2:4])
    np.testing.assert_allclose(network(values), expected["output"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("era", ERAS)
def test_every_block_gives_the_published_features(era: str) -> None:
    values, expected = case(era, "taps_24x40")
    network = load_network(era, shape=(24, 40))
    names = [*TAPS.values(), *STEP_TAPS.values()]
    taps = keras.Model(network.input, {n: network.get_layer(n).output for n in names})
    found = taps(values)
    for published, name in TAPS.items():
        np.testing.assert_allclose(found[name], expected[published], atol=1e-4, rtol=0)
    for published, name in STEP_TAPS.items():
        features = np.reshape(found[name], (*values.shape[:2], 24, 40, -1))
        for place, step in (("step0", 0), ("laststep", -1)):
            np.testing.assert_allclose(
                features[:, step], expected[f"{published}_{place}"], atol=1e-4, rtol=0
            )


@pytest.mark.parametrize("era", ERAS)
def test_windows_of_a_tile_give_the_published_predictions(era: str) -> None:
    archive = load(f"windows/infer_{era}")
    frames = archive["codes"].astype(np.float32) / 256
    ranges = archive["ranges"]
    values = np.full((len(ranges), np.diff(ranges).max(), *frames.shape[1:]), -1, np.float32)
    for window, (first, stop) in zip(values, ranges, strict=True):
        window[: stop - first] = frames[first:stop]
    scores = load_network(era, shape=frames.shape[1:3]).predict(values, verbose=0)
    np.testing.assert_allclose(scores, archive["predictions"], atol=1e-4, rtol=0)


def test_draws_of_a_period_give_the_published_outputs_and_loss() -> None:
    archive = load("transfer/aggregate")
    network = load_network("s12", shape=(16, 16))
    outputs = np.stack(
        [
            network(padded(codes, lengths))
            for codes, lengths in zip(archive["codes"], archive["lengths"], strict=True)
        ]
    )
    np.testing.assert_allclose(outputs, archive["outputs"], atol=1e-4, rtol=0)
    losses = tanimoto_with_complement(archive["ground_truth"], outputs.max(axis=0), per_sample=True)
    np.testing.assert_allclose(losses, archive["per_sample_loss"], atol=1e-4)
    assert float(tf.reduce_mean(losses)) == pytest.approx(float(archive["loss"]), abs=1e-4)


@pytest.mark.parametrize("era", ERAS)
def test_three_training_steps_are_the_published_ones(era: str) -> None:
    archive = load(f"model/train_step_{era}")
    values = padded(archive["codes"], archive["lengths"])
    network = load_network(era, shape=(16, 16))
    optimiser = keras.optimizers.SGD(0.001, momentum=0.8)
    for number in range(3):
        with tf.GradientTape() as tape:
            scores = network(values, training=True)
            loss = tanimoto_with_complement(archive["label"], scores)
        gradients = tape.gradient(loss, network.trainable_variables)
        optimiser.apply(gradients, network.trainable_variables)
        assert float(loss) == pytest.approx(archive["losses"][number], abs=1e-5)
        np.testing.assert_allclose(scores, archive[f"train_output_{number}"], atol=1e-4, rtol=0)
    check_weights(weights(network), archive)
    np.testing.assert_allclose(network(values), archive["output_after"], atol=1e-4, rtol=0)


def check_weights(found: dict[str, NDArray[np.float32]], archive: Archive) -> None:
    published = [key for key in archive if key.startswith("after3/")]
    assert len(published) == len(found)
    for key in published:
        _, role, weight = key.split("/")
        followed_twice = role.startswith("td_") and weight.startswith("moving")
        tolerance = {"rtol": 1e-3, "atol": 0} if followed_twice else {"rtol": 0, "atol": 1e-5}
        np.testing.assert_allclose(
            found[f"{LAYERS[role]}/{weight}"], archive[key], err_msg=key, **tolerance
        )


@pytest.mark.parametrize("era", ERAS)
def test_networks_have_the_published_number_of_parameters(era: str) -> None:
    published = json.loads((GOLDEN / "model" / "meta.json").read_text())[era]["param_counts"]
    whole = NetworkSpec.of_era(era)
    specs = {
        "ensemble": whole,
        "sar_only": NetworkSpec(whole.radar_channels, 0, whole.radar_filters, 0),
        "opt_only": NetworkSpec(0, whole.optical_channels, 0, whole.optical_filters),
    }
    for name, spec in specs.items():
        network = build(spec, (8, 8))
        trainable = sum(np.prod(variable.shape) for variable in network.trainable_weights)
        assert {"total": network.count_params(), "trainable": trainable} == published[name]
    assert load_network(era, shape=(8, 8)).count_params() == published["ensemble"]["total"]


@pytest.mark.parametrize("era", ERAS)
def test_our_network_agrees_where_no_quirk_is_in_play(era: str) -> None:
    values, expected = case(era, "padded_16")
    published = load_network(era, shape=(16, 16))
    ours = build(NetworkSpec.of_era(era), (16, 16))
    ours.set_weights(published.get_weights())
    steps = (values != -1).any(axis=(2, 3, 4))
    scores = ours({"values": values, "steps": steps})
    np.testing.assert_allclose(scores, expected["output"], atol=1e-4, rtol=0)


def test_unknown_eras_are_refused() -> None:
    with pytest.raises(SettingsError, match="unknown era 's3'"):
        load_network("s3", shape=(8, 8))
