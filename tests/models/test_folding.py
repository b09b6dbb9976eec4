import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from groundshift.models.folding import folding
from groundshift.models.recurrence import Layout, recur_with_gradient
from groundshift.models.winograd import KINDS, kinds

SIZES = st.one_of(st.integers(1, 9), st.integers(31, 35))


@pytest.fixture(scope="module", params=[kind.name for kind in KINDS])
def compiled(request):
    if request.param not in [kind.name for kind in kinds()]:
        pytest.skip(f"the kernel was not compiled here, or the processor is not {request.param}")
    return folding(request.param, threads=3)


def plain(frames, steps, weights, bias):
    """The same by TensorFlow's convolutions."""
    seen = weights.shape[2] - bias.shape[0] // 4
    inputs = tf.nn.conv2d(frames, weights[:, :, :seen], 1, "SAME") + bias
    return recur_with_gradient(inputs, weights[:, :, seen:], Layout.of(steps), None)


def drawn(seed, samples, shape, seen, filters, length=5, strength=0.15):
    """Frames, steps, weights and bias; one sample without any step, one with all.

    Gates so weak are seldom near the bends of the hard sigmoid, where its slope depends on the
    last digit.
    """
    rng = np.random.default_rng(seed)
    steps = rng.random((samples, length)) < 0.6
    steps[0], steps[-1] = False, True
    inputs = seen + filters
    values = (
        rng.normal(size=(steps.sum(), *shape, seen)),
        rng.normal(size=(3, 3, inputs, 4 * filters)) * strength / np.sqrt(inputs),
        rng.normal(size=4 * filters) * strength,
    )
    frames, weights, bias = (tf.constant(value.astype(np.float32)) for value in values)
    return frames, tf.constant(steps), weights, bias


def found(fold, frames, steps, weights, bias):
    """The outputs, and the gradients of frames, weights and bias."""
    with tf.GradientTape() as tape:
        tape.watch([frames, weights, bias])
        last = fold(frames, steps, weights, bias)
        loss = tf.reduce_sum(last * tf.random.stateless_normal(tf.shape(last), (1, 2)))
    return [last, *tape.gradient(loss, [frames, weights, bias])]


def assert_close(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        scale = np.abs(other).max(initial=1e-6)
        np.testing.assert_allclose(one / scale, other / scale, atol=1e-4)


@given(SIZES, SIZES, st.integers(1, 3), st.integers(1, 9), st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=6, deadline=None)
def test_outputs_and_gradients_are_tensorflows(
    compiled, rows, columns, samples, seen, filters, seed
):
    given_ = drawn(seed, samples, (rows, columns), seen, filters)
    assert_close(found(compiled, *given_), found(plain, *given_))


def test_so_they_are_where_gates_are_shut_or_open(compiled):
    given_ = drawn(3, 3, (6, 5), 2, 3, strength=1.5)
    assert_close(found(compiled, *given_), found(plain, *given_))


@pytest.mark.parametrize("filters", [10, 26])
def test_so_are_those_of_the_published_filters(compiled, filters):
    given_ = drawn(filters, 2, (32, 32), filters, filters)
    assert_close(found(compiled, *given_), found(plain, *given_))


def test_a_compiled_graph_gives_the_same(compiled):
    given_ = drawn(0, 3, (8, 8), 4, 4)
    graph = tf.function(lambda *values: found(compiled, *values))
    for one, other in zip(graph(*given_), found(compiled, *given_), strict=True):
        np.testing.assert_array_equal(one, other)


def test_threads_change_no_bit(compiled):
    given_ = drawn(1, 7, (9, 12), 3, 2)
    alone = folding(compiled.kind, threads=1)
    for one, other in zip(found(alone, *given_), found(compiled, *given_), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_batch_without_any_step_gives_zeros(compiled):
    _, _, weights, bias = drawn(0, 1, (4, 4), 2, 3)
    frames, steps = tf.zeros((0, 4, 4, 2)), tf.zeros((2, 3), tf.bool)
    last, *gradients = found(compiled, frames, steps, weights, bias)
    assert last.shape == (2, 4, 4, 3)
    assert not any(np.any(value) for value in (last, *gradients))


def test_what_is_no_number_stays_none(compiled):
    frames, steps, weights, bias = drawn(2, 2, (6, 6), 2, 2)
    broken = frames.numpy()
    broken[0, 2, 3] = np.nan
    last, *_ = found(compiled, tf.constant(broken), steps, weights, bias)
    assert np.isnan(last[1, 2, 3]).all()
