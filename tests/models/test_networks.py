from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from groundshift.errors import ContractError, SettingsError
from groundshift.models.layers import SHORTEST_SPAN
from groundshift.models.networks import NetworkSpec, assign_weights, build, weights

SPEC = NetworkSpec.of_preset("tiny", radar_channels=2, optical_channels=3)


@pytest.fixture(scope="module")
def network():
    return build(SPEC, seed=4)


def sample(seed, steps=5, shape=(6, 7), samples=2):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, steps, *shape, SPEC.channels)).astype(np.float32)


def scores(network, values, steps, training=False):
    return np.asarray(network({"values": values, "steps": steps}, training=training))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_padding_is_never_looked_at(seed):
    network = build(SPEC, seed=4)
    rng = np.random.default_rng(seed)
    steps = rng.random((3, 6)) < 0.7
    steps[:, 0] = True
    values = sample(seed, 6, samples=3)
    other = np.where(steps[..., None, None, None], values, rng.normal(size=values.shape) * 1e3)
    other = other.astype(np.float32)
    np.testing.assert_array_equal(scores(network, values, steps), scores(network, other, steps))
    state = network.get_weights()
    first = scores(network, values, steps, training=True)
    followed = network.get_weights()
    network.set_weights(state)
    np.testing.assert_array_equal(scores(network, other, steps, training=True), first)
    for one, two in zip(followed, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_steps_left_out_change_nothing(network):
    values = sample(0, 6)
    steps = np.ones((2, 6), bool)
    steps[:, [1, 4]] = False
    kept = values[:, [0, 2, 3, 5]]
    np.testing.assert_allclose(
        scores(network, values, steps), scores(network, kept, np.ones((2, 4), bool)), atol=1e-6
    )


def test_order_of_steps_matters(network):
    values, steps = sample(0), np.ones((2, 5), bool)
    there, back = scores(network, values, steps), scores(network, values[:, ::-1], steps)
    assert np.abs(there - back).max() > 1e-3


def test_one_network_takes_images_of_any_shape(network):
    fixed = build(SPEC, (4, 9))
    assign_weights(fixed, weights(network))
    values, steps = sample(1, shape=(4, 9)), np.ones((2, 5), bool)
    np.testing.assert_array_equal(scores(network, values, steps), scores(fixed, values, steps))
    assert scores(network, sample(2, shape=(11, 3)), steps).shape == (2, 11, 3)


@pytest.mark.parametrize(("radar", "optical"), [(2, 0), (0, 3)])
def test_a_branch_without_channels_is_left_out(radar, optical):
    spec = NetworkSpec.of_preset("tiny", radar_channels=radar, optical_channels=optical)
    network = build(spec, seed=0)
    names = {name.split("_")[0] for name in weights(network)} - {"head", "output/kernel"}
    assert ("radar" in names, "optical" in names) == (radar > 0, optical > 0)
    values = sample(0)[..., : radar + optical]
    assert scores(network, values, np.ones((2, 5), bool)).shape == (2, 6, 7)
    assert spec.filters == (4 if radar else 8)


def test_networks_without_channels_are_refused():
    with pytest.raises(SettingsError, match="radar or optical channels, found neither"):
        NetworkSpec(0, 0, 4, 8)


def test_seeds_settle_initial_weights():
    first, again, other = (weights(build(SPEC, seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    kernels = [name for name in first if name.endswith("kernel")]
    assert not any(np.array_equal(first[name], other[name]) for name in kernels)
    shapes = [first[name].tobytes() for name in kernels]
    assert len(set(shapes)) == len(shapes)


def test_forget_gates_begin_open():
    bias = weights(build(SPEC, seed=0))["optical_memory/bias"]
    assert bias.tolist() == [0] * 8 + [1] * 8 + [0] * 16


def test_memories_with_a_span_begin_as_means_over_steps():
    bias = weights(build(replace(SPEC, span=30), seed=0))["optical_memory/bias"]
    entry, forget, candidate, exit_ = np.clip(0.2 * bias + 0.5, 0, 1).reshape(4, -1)
    spans = 1 / (1 - forget)
    assert spans[[0, -1]] == pytest.approx([SHORTEST_SPAN, 30], rel=1e-4)
    assert spans[1:] / spans[:-1] == pytest.approx([spans[1] / spans[0]] * 7, rel=1e-3)
    # A memory of 1 stays 1 as long as 1 enters: it is a mean.
    assert entry + forget == pytest.approx(np.ones(8))
    assert candidate.tolist() == exit_.tolist() == [0.5] * 8


def test_weights_that_do_not_fit_are_refused(network):
    arrays = weights(network)
    missing = {name: array for name, array in arrays.items() if name != "head_1/kernel"}
    with pytest.raises(ContractError, match="head_1/kernel"):
        assign_weights(network, missing)
    with pytest.raises(ContractError, match=r"head_1/bias: expected shape \(8,\), found \(7,\)"):
        assign_weights(network, arrays | {"head_1/bias": np.zeros(7, np.float32)})


def test_training_lowers_the_loss():
    rng = np.random.default_rng(0)
    values = sample(3, steps=4, shape=(8, 8), samples=4)
    labels = (rng.random((4, 8, 8)) < 0.3).astype(np.float32)
    values[:, 2:, ..., 0] += 3 * labels[:, None]
    given = {"values": tf.constant(values), "steps": tf.ones((4, 4), tf.bool)}
    model = build(SPEC, seed=0)
    optimiser = keras.optimizers.Adam(0.02)
    optimiser.build(model.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            found = model(given, training=True)
            loss = tf.reduce_mean((found - labels) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimiser.apply(gradients, model.trainable_variables)
        return loss

    losses = [float(step()) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]
