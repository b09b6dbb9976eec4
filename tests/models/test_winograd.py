import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundshift.models.winograd import KINDS, State, Tiling, kernel, kinds

SIZES = st.one_of(st.integers(1, 9), st.integers(60, 70))


@pytest.fixture(scope="module", params=[kind.name for kind in KINDS])
def compiled(request):
    if request.param not in [kind.name for kind in kinds()]:
        pytest.skip(f"the kernel was not compiled here, or the processor is not {request.param}")
    return kernel(request.param, threads=3)


def plain(image, weights):
    """A convolution as it is written, in float64."""
    rows, columns = image.shape[:2]
    padded = np.pad(image.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    return sum(
        padded[y : y + rows, x : x + columns] @ weights[y, x] for y in range(3) for x in range(3)
    )


def plain_step(gates, memory):
    """A step as method section 8.1 has it; gates [y, x, gate, filter]."""
    hard = np.clip(0.2 * gates + 0.5, 0, 1)
    memory = hard[:, :, 1] * memory + hard[:, :, 0] * np.tanh(gates[:, :, 2])
    return hard[:, :, 3] * np.tanh(memory), memory


@given(SIZES, SIZES, st.integers(1, 5), st.integers(1, 11), st.booleans(), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_convolution_is_the_plain_one(compiled, rows, columns, inputs, outputs, cut, seed):
    rng = np.random.default_rng(seed)
    tiling = Tiling(compiled, (rows, columns))
    image = rng.normal(size=(rows, columns, inputs)).astype(np.float32)
    weights = rng.normal(size=(3, 3, inputs, outputs)).astype(np.float32) / inputs / 3
    shifts = rng.normal(size=outputs).astype(np.float32)
    stored = compiled.convolve(
        tiling, tiling.enter(image), compiled.weights(weights), shifts, positive=cut
    )
    expected = plain(image, weights) + shifts
    wanted = np.maximum(expected, 0) if cut else expected
    # A tile's sums cancel: of numbers up to 4 the rounding was 3.4e-5 once in thousands of images.
    np.testing.assert_allclose(tiling.leave(stored), wanted, atol=1e-4)
    # What lies outside of the image must be no neighbour of the next convolution.
    if cut:
        assert not stored[np.broadcast_to(tiling.mask == 0, stored.shape)].any()


@given(SIZES, SIZES, st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_a_step_is_the_plain_one(compiled, rows, columns, filters, windows, seed):
    rng = np.random.default_rng(seed)
    tiling = Tiling(compiled, (rows, columns))
    weights = rng.normal(size=(3, 3, filters, 4, filters)).astype(np.float32) / filters
    gates = 3 * rng.normal(size=(rows, columns, 4, filters)).astype(np.float32)
    before = rng.uniform(-1, 1, (windows, 2, rows, columns, filters)).astype(np.float32)
    states = compiled.advance(
        tiling,
        tiling.enter(np.swapaxes(gates, -1, -2).reshape(rows, columns, -1)),
        compiled.weights(np.swapaxes(weights, -1, -2).reshape(3, 3, filters, -1)),
        [State(tiling.enter(output), tiling.enter(memory)) for output, memory in before],
        [tiling.zeros(filters) for _ in before],
    )
    for state, (output, memory) in zip(states, before, strict=True):
        recurrent = plain(output, weights.reshape(3, 3, filters, -1)).reshape(gates.shape)
        for found, wanted in zip(state, plain_step(gates + recurrent, memory), strict=True):
            np.testing.assert_allclose(tiling.leave(found), wanted, atol=2e-5)


def test_what_is_no_number_stays_none(compiled):
    tiling = Tiling(compiled, (5, 5))
    gates = np.zeros((5, 5, 4), np.float32)
    gates[2, 3] = np.nan
    weights = compiled.weights(np.zeros((3, 3, 1, 4), np.float32))
    state = State(*(tiling.zeros(1) for _ in range(2)))
    ((output, _),) = compiled.advance(
        tiling, tiling.enter(gates), weights, [state], [tiling.zeros(1)]
    )
    assert np.isnan(tiling.leave(output)[2, 3, 0])
