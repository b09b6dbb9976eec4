from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from groundshift.models import layers
from groundshift.models.convblock import ConvBlockKernel, convblock
from groundshift.models.layers import EPSILON
from groundshift.models.winograd import kernel, library

SIZES = st.integers(1, 9)

pytestmark = pytest.mark.skipif(convblock() is None, reason="the kernel was not compiled here")


def plain(images, weights, bias, gamma, beta):
    """The same as it is written, in the precision of what is given."""
    images = tf.nn.conv2d(images, weights, 1, "SAME") + bias
    mean, variance = tf.nn.moments(images, (0, 1, 2))
    result = tf.nn.relu((images - mean) / tf.sqrt(variance + EPSILON) * gamma + beta)
    count = np.prod(images.shape[:3])
    return result, mean, variance * count / max(count - 1, 1)


def compiled(images, weights, *others, kernel=None):
    kernel = kernel or convblock()
    return kernel.normalise(kernel.convolve(images, weights), *others, EPSILON)


def drawn(seed, shape, outputs, mean=0.0):
    """Images, weights, bias, gamma and beta."""
    rng = np.random.default_rng(seed)
    images = rng.normal(mean, 1, shape)
    weights = rng.normal(size=(3, 3, shape[-1], outputs)) / np.sqrt(9 * shape[-1])
    values = (images, weights, *rng.normal(size=(3, outputs)))
    return [value.astype(np.float32) for value in values]


def found(block, given_, dtype=tf.float32):
    """What comes out, and the gradients of what goes in."""
    sources = [tf.constant(value, dtype) for value in given_]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        results = block(*sources)
        weights = np.random.default_rng(7).normal(size=results[0].shape).astype(np.float32)
        loss = tf.reduce_sum(results[0] * weights)
    return [*results, *tape.gradient(loss, sources)]


def distances(ours, theirs):
    """Of the results' and gradients' arrays, each relative to its largest value."""
    pairs = [map(np.asarray, pair) for pair in zip(ours, theirs, strict=True)]
    return [
        np.abs(one - other).max(initial=0) / np.abs(other).max(initial=1) for one, other in pairs
    ]


@given(st.integers(1, 40), SIZES, SIZES, st.integers(1, 5), st.integers(1, 40))
@settings(max_examples=12, deadline=None)
def test_result_statistics_and_gradients_are_those_of_float64(
    images, rows, columns, inputs, outputs
):
    given_ = drawn(images, (images, rows, columns, inputs), outputs)
    assert max(distances(found(compiled, given_), found(plain, given_, tf.float64))) < 1e-5


def test_sums_over_a_large_batch_lose_no_digit():
    given_ = drawn(0, (184, 32, 32, 4), 10, mean=3.0)
    exact = plain(*(tf.constant(value, tf.float64) for value in given_))
    single = [tf.constant(value) for value in given_]
    ours, theirs = (distances(block(*single), exact)[0] for block in (compiled, plain))
    assert ours < 2e-7
    assert 10 * ours < theirs  # what the kernel is there to be better than


def test_a_compiled_graph_gives_the_same():
    given_ = drawn(1, (5, 8, 8, 2), 3)
    graph = tf.function(lambda: found(compiled, given_))
    for one, other in zip(graph(), found(compiled, given_), strict=True):
        np.testing.assert_array_equal(one, other)


def test_threads_change_no_bit():
    given_ = drawn(2, (50, 9, 7, 3), 5)
    one, three = (
        found(partial(compiled, kernel=ConvBlockKernel(library("_convblock"), shared)), given_)
        for shared in (kernel(None, 1), kernel(None, 3))
    )
    for alone, shared in zip(one, three, strict=True):
        np.testing.assert_array_equal(alone, shared)


def test_no_images_give_none():
    given_ = drawn(0, (0, 4, 4, 2), 3)
    result, mean, variance, *gradients = found(compiled, given_)
    assert result.shape == (0, 4, 4, 3)
    assert not np.any(mean - given_[2])
    assert not np.any(variance)
    assert not any(np.any(gradient) for gradient in gradients)


def test_what_is_no_number_stays_none():
    given_ = drawn(3, (2, 4, 4, 1), 3)
    given_[0][1, 2, 3, 0] = np.nan
    result, *_ = found(compiled, given_)
    assert np.isnan(result).all()


def test_tensorflow_does_the_same_where_nothing_was_compiled(monkeypatch):
    images = tf.constant(drawn(4, (3, 8, 8, 2), 3)[0])
    block = layers.ConvBlock(3, seed=0, name="block")
    block(images)
    ours = block(images, training=True)
    monkeypatch.setattr(layers, "convblock", lambda: None)
    np.testing.assert_allclose(block(images, training=True), ours, atol=1e-5)
