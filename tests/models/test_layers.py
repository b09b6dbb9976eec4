from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from groundshift.models.layers import EPSILON, ConvBlock, ConvLSTM, PackSteps
from groundshift.models.recurrence import Layout

FILTERS, CHANNELS, SHAPE = 3, 2, (5, 6)


def random_steps(generator: np.random.Generator, samples: int, steps: int) -> NDArray[np.bool_]:
    """Which steps are real: anything, one sample of none and one of all included."""
    real = generator.random((samples, steps)) < 0.6
    real[0], real[-1] = False, True
    return real


def keras_layer(ours: ConvLSTM) -> keras.layers.ConvLSTM2D:
    """Keras's own layer with the same weights and the published hard sigmoid."""
    layer = keras.layers.ConvLSTM2D(
        FILTERS,
        3,
        padding="same",
        recurrent_activation=lambda z: keras.ops.clip(0.2 * z + 0.5, 0, 1),
    )
    layer.build((None, None, *SHAPE, CHANNELS))
    layer.set_weights([variable.numpy() for variable in ours.weights])
    return layer


def built(**options: float) -> ConvLSTM:
    layer = ConvLSTM(FILTERS, seed=1, name="memory", **options)
    layer.build((None, *SHAPE, CHANNELS), (None, None))
    # Large kernels reach the flat parts of the hard sigmoid.
    layer.recurrent_kernel.assign(layer.recurrent_kernel * 4)
    return layer


@pytest.fixture(scope="module", params=["kernel", "tensorflow"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Training with the compiled kernel, if it is there, and without it."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "tensorflow":
            patch.setattr("groundshift.models.layers.folding", lambda: None)
        yield


@pytest.mark.usefixtures("way")
@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=10, deadline=None)
def test_recurrence_and_its_gradient_equal_keras_own(seed: int, training: bool) -> None:
    generator = np.random.default_rng(seed)
    steps = tf.constant(random_steps(generator, 4, 6))
    values = tf.constant(generator.normal(size=(4, 6, *SHAPE, CHANNELS)).astype(np.float32) * 3)
    ours = built()
    theirs = keras_layer(ours)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(values)
        found = ours(PackSteps()(values, steps), steps, training=training)
        expected = theirs(values, mask=steps)
        loss, expected_loss = (tf.reduce_sum(output**2) for output in (found, expected))
    assert not np.any(found[0])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    sources = [values, *(variable.value for variable in ours.weights)]
    targets = [values, *(variable.value for variable in theirs.weights)]
    for mine, other in zip(
        tape.gradient(loss, sources), tape.gradient(expected_loss, targets), strict=True
    ):
        np.testing.assert_allclose(mine, other, atol=2e-4, rtol=1e-4)


def test_dropout_masks_every_gate_for_itself_and_its_gradient_is_exact() -> None:
    layer = built(dropout=0.4)
    generator = np.random.default_rng(0)
    steps = tf.ones((2, 4), tf.bool)
    frames = tf.constant(generator.normal(size=(8, *SHAPE, CHANNELS)).astype(np.float32))
    state = layer.masks.state.numpy()
    kernel = layer.recurrent_kernel.numpy()

    def loss(recurrent_kernel: NDArray[np.float32]) -> tf.Tensor:
        layer.masks.state.assign(state)
        layer.recurrent_kernel.assign(recurrent_kernel)
        return tf.reduce_sum(layer(frames, steps, training=True) ** 2)

    with tf.GradientTape() as tape:
        start = loss(kernel)
    gradient = tape.gradient(start, layer.recurrent_kernel.value)
    direction = generator.normal(size=kernel.shape).astype(np.float32)
    ahead, behind = loss(kernel + 1e-3 * direction), loss(kernel - 1e-3 * direction)
    slope = float(ahead - behind) / 2e-3
    assert float(tf.reduce_sum(gradient * direction)) == pytest.approx(slope, rel=0.02)


def test_dropout_keeps_the_share_of_outputs_it_should() -> None:
    layer = ConvLSTM(8, dropout=0.4, seed=3, name="memory")
    steps = tf.ones((6, 2), tf.bool)
    frames = tf.random.stateless_normal((12, 16, 16, 2), (1, 2))
    layer(frames, steps, training=True)
    masks = layer._dropout_masks(layer.gate_inputs(frames), Layout.of(steps)).numpy()
    assert masks.shape == (4, 6, 16, 16, 8)
    np.testing.assert_allclose(np.unique(masks), [0, 1 / 0.6], rtol=1e-6)
    assert (masks > 0).mean() == pytest.approx(0.6, abs=0.01)
    assert not np.array_equal(masks[0], masks[1])


def test_block_follows_the_statistics_of_its_images() -> None:
    generator = np.random.default_rng(0)
    images = generator.normal(2, 3, (7, 8, 9, 4)).astype(np.float32)
    block = ConvBlock(5, seed=0, name="block")
    features = block(images, training=True)
    convolved = tf.nn.conv2d(images, block.kernel.value, 1, "SAME").numpy() + block.bias.numpy()
    mean, variance = convolved.mean((0, 1, 2)), convolved.var((0, 1, 2))
    expected = np.maximum((convolved - mean) / np.sqrt(variance + EPSILON), 0)
    np.testing.assert_allclose(features, expected, atol=1e-4)
    count = 7 * 8 * 9
    np.testing.assert_allclose(block.moving_mean.numpy(), 0.01 * mean, rtol=1e-3)
    np.testing.assert_allclose(
        block.moving_variance.numpy(), 0.99 + 0.01 * variance * count / (count - 1), rtol=1e-4
    )


def test_block_folds_its_normalisation_into_the_kernel() -> None:
    generator = np.random.default_rng(0)
    images = generator.normal(size=(2, 6, 7, 3)).astype(np.float32)
    block = ConvBlock(4, seed=0, name="block")
    block.build(images.shape)
    for variable in block.weights[1:]:
        variable.assign(generator.uniform(0.5, 2, variable.shape).astype(np.float32))
    convolved = tf.nn.conv2d(images, block.kernel.value, 1, "SAME").numpy() + block.bias.numpy()
    normalised = (convolved - block.moving_mean.numpy()) / np.sqrt(
        block.moving_variance.numpy() + EPSILON
    )
    expected = np.maximum(normalised * block.gamma.numpy() + block.beta.numpy(), 0)
    np.testing.assert_allclose(block(images, training=False), expected, atol=1e-5)


def test_packing_keeps_real_steps_by_sample_then_time() -> None:
    steps = np.array([[True, False, True], [False, False, False], [True, True, False]])
    values = np.arange(9, dtype=np.float32).reshape(3, 3, 1, 1, 1)
    assert PackSteps()(values, steps).numpy().ravel().tolist() == [0, 2, 6, 7]
