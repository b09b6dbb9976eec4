import numpy as np
import pytest

from groundshift.cube.fill import NEVER, PixelState

SHAPE = (9, 7)


def look(rng, bands, dtype):
    values = (rng.random((*SHAPE, bands)) * 1000).astype(dtype)
    return values, rng.random(SHAPE) < 0.5


@pytest.mark.parametrize(("bands", "dtype"), [(1, "float32"), (2, "float32"), (13, "uint16")])
def test_valid_pixels_replace_what_was_there(rng, bands, dtype):
    state = PixelState(SHAPE, bands, dtype)
    expected = np.zeros((*SHAPE, bands), dtype)
    seen = np.full(SHAPE, NEVER)
    for day in (3, 4, 9):
        values, valid = look(rng, bands, dtype)
        state.begin_step()
        state.take(values, valid, day, fresh=True)
        expected = np.where(valid[..., None], values, expected)
        seen = np.where(valid, day, seen)
        np.testing.assert_array_equal(state.values, expected)
        np.testing.assert_array_equal(state.fresh, valid)
    ages = state.image(20).age_days
    np.testing.assert_array_equal(ages, np.where(seen == NEVER, NEVER, 20 - seen))
    assert ages.dtype == np.int16


def test_parts_of_larger_images_are_taken_as_they_lie(rng):
    values, valid = look(rng, 3, "uint16")
    part = (slice(2, 8), slice(1, 6))
    state = PixelState((6, 5), 3, "uint16")
    state.take(values[part], valid[part], 1, fresh=True)
    np.testing.assert_array_equal(state.values, np.where(valid[..., None], values, 0)[part])


def test_a_look_before_the_period_is_seen_but_not_fresh(rng):
    state = PixelState(SHAPE, 2, "float32")
    state.take(*look(rng, 2, "float32"), 5, fresh=False)
    assert not state.fresh.any()
    assert (state.image(7).age_days == 2).any()


def test_what_both_looks_of_a_step_saw_is_fresh(rng):
    state = PixelState(SHAPE, 2, "float32")
    (first, left), (second, right) = look(rng, 2, "float32"), look(rng, 2, "float32")
    state.take(first, left, 5, fresh=True)
    state.take(second, right, 6, fresh=True)
    np.testing.assert_array_equal(state.fresh, left | right)


def test_ages_beyond_what_is_stored_stay_at_the_most(rng):
    state = PixelState(SHAPE, 2, "float32")
    state.take(*look(rng, 2, "float32"), 0, fresh=True)
    assert state.image(40_000).age_days.max() == 32_767


def test_a_stored_frame_gives_back_its_state(rng):
    state = PixelState(SHAPE, 3, "uint16")
    state.take(*look(rng, 3, "uint16"), 5, fresh=True)
    state.take(*look(rng, 3, "uint16"), 8, fresh=True)
    restored = state.image(11).state()
    np.testing.assert_array_equal(restored.values, state.values)
    np.testing.assert_array_equal(restored.look_day, state.look_day)


def test_any_difference_changes_the_digest(rng):
    values, valid = look(rng, 3, "uint16")
    state = PixelState(SHAPE, 3, "uint16")
    state.take(values, valid, 5, fresh=True)
    digests = [state.image(8).digest(), state.image(9).digest()]
    place = tuple(np.argwhere(valid)[0])
    state.fresh[place] = False
    digests.append(state.image(8).digest())
    state.look_day[place] += 1
    digests.append(state.image(8).digest())
    state.values[place][1] ^= 1
    digests.append(state.image(8).digest())
    assert len({digest.tobytes() for digest in digests}) == 5
