import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundshift.models.augmentation import paste, shift_levels


def numbered(samples=4, steps=6, shape=(10, 12)):
    """Samples whose every value and label tells which sample, step and pixel it is."""
    index = np.arange(samples * steps * shape[0] * shape[1], dtype=np.float32)
    values = index.reshape(samples, steps, *shape, 1).repeat(2, axis=-1)
    labels = np.broadcast_to(np.arange(samples, dtype=np.float32)[:, None, None], (samples, *shape))
    context = values[:, 0] + 0.5
    return values, context, labels.copy()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_rectangles_bring_series_and_label_of_one_other_sample(seed):
    values, context, labels = numbered()
    steps = np.ones((4, 6), bool)
    steps[1, 4:] = False
    values[~steps] = 0
    given_values, given_labels = values.copy(), labels.copy()
    paste(values, steps, context, labels, np.random.default_rng(seed), share=1.0)
    assert not values[~steps].any()
    for sample in range(4):
        moved = labels[sample] != sample
        others = np.unique(labels[sample][moved])
        assert len(others) <= 1
        untouched = given_values[sample][:, ~moved]
        np.testing.assert_array_equal(values[sample][:, ~moved], untouched)
        for other in others.astype(int):
            rows, columns = np.flatnonzero(moved.any(axis=1)), np.flatnonzero(moved.any(axis=0))
            assert moved.sum() == len(rows) * len(columns)
            assert 3 <= len(rows) <= 8
            length, source = steps[sample].sum(), given_values[other][steps[other]]
            from_step = np.rint(np.linspace(0, len(source) - 1, length)).astype(int)
            np.testing.assert_array_equal(
                values[sample][:length][:, moved], source[from_step][:, moved]
            )
    source = numbered()[1][labels.astype(int), *np.indices(labels.shape)[1:]]
    np.testing.assert_array_equal(context, source)
    np.testing.assert_array_equal(given_labels, numbered()[2])


def test_no_share_no_rectangle():
    values, context, labels = numbered()
    paste(values, np.ones((4, 6), bool), context, labels, np.random.default_rng(0), share=0.0)
    for found, given_first in zip((values, context, labels), numbered(), strict=True):
        np.testing.assert_array_equal(found, given_first)


def test_levels_shift_by_one_constant_per_sample_and_channel():
    values = np.zeros((3, 4, 5, 5, 3), np.float32)
    steps = np.ones((3, 4), bool)
    steps[0, 2:] = False
    levels = np.array([True, False, True])
    shift_levels(values, steps, levels, np.random.default_rng(0), deviation=0.5)
    assert not values[..., 1].any()
    assert not values[0, 2:].any()
    for sample, channel in ((0, 0), (1, 0), (2, 2)):
        assert len(np.unique(values[sample, steps[sample], ..., channel])) == 1
    offsets = values[:, 0, 0, 0][:, levels]
    assert len(np.unique(offsets)) == 6
    assert 0.1 < offsets.std() < 1
