import numpy as np
import pytest

from groundshift.cube import fill
from groundshift.cube.fill import NEVER, Image, PixelState, chunked

SHAPE = (41, 71)


@pytest.fixture(params=["compiled", "numpy"], autouse=True)
def way(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(fill, "_kernel", lambda: None)
    elif fill._kernel() is None:
        pytest.skip("no kernel was compiled")


def flat(chunks, shape=SHAPE):
    """Chunks [chunk y, chunk x, ..., y, x] as an image [y, x, ...]; nothing may lie beyond it."""
    moved = np.moveaxis(chunks, (0, 1, -2, -1), (0, 2, 1, 3))
    image = moved.reshape(moved.shape[0] * moved.shape[1], -1, *moved.shape[4:])
    assert not image[shape[0] :].any()
    assert not image[:, shape[1] :].any()
    return image[: shape[0], : shape[1]]


def look(rng, bands, dtype):
    values = (rng.random((*SHAPE, bands)) * 1000).astype(dtype)
    return values, rng.random(SHAPE) < 0.5


@pytest.mark.parametrize(
    ("bands", "dtype"),
    [(1, "float32"), (2, "float32"), (3, "uint16"), (13, "uint16"), (2, "float64")],
)
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
        np.testing.assert_array_equal(flat(state.values), expected)
        np.testing.assert_array_equal(flat(state.fresh), valid)
    ages = flat(state.image(20).age_days)
    np.testing.assert_array_equal(ages, np.where(seen == NEVER, NEVER, 20 - seen))
    assert ages.dtype == np.int16


def test_parts_of_larger_images_are_taken_as_they_lie(rng):
    values, valid = look(rng, 3, "uint16")
    part = (slice(2, 40), slice(1, 67))
    state = PixelState((38, 66), 3, "uint16")
    state.take(values[part], valid[part], 1, fresh=True)
    expected = np.where(valid[..., None], values, 0)
    np.testing.assert_array_equal(flat(state.values, (38, 66)), expected[part])


def test_images_are_taken_however_they_lie(rng):
    values, valid = look(rng, 3, "uint16")
    turned = np.asfortranarray(values), np.asfortranarray(valid)
    every_other = np.repeat(values, 2, axis=1)[:, ::2], np.repeat(valid, 2, axis=1)[:, ::2]
    for given in (turned, every_other, (values.astype(np.int64), valid)):
        state = PixelState(SHAPE, 3, "uint16")
        state.take(*given, 1, fresh=True)
        expected = np.where(valid[..., None], values, 0)
        np.testing.assert_array_equal(flat(state.values), expected)


def test_a_look_before_the_period_is_seen_but_not_fresh(rng):
    state = PixelState(SHAPE, 2, "float32")
    state.take(*look(rng, 2, "float32"), 5, fresh=False)
    assert not state.fresh.any()
    assert (flat(state.image(7).age_days) == 2).any()


def test_what_both_looks_of_a_step_saw_is_fresh(rng):
    state = PixelState(SHAPE, 2, "float32")
    (first, left), (second, right) = look(rng, 2, "float32"), look(rng, 2, "float32")
    state.take(first, left, 5, fresh=True)
    state.take(second, right, 6, fresh=True)
    np.testing.assert_array_equal(flat(state.fresh), left | right)


def test_ages_beyond_what_is_stored_stay_at_the_most(rng):
    state = PixelState(SHAPE, 2, "float32")
    state.take(*look(rng, 2, "float32"), 0, fresh=True)
    assert state.image(40_000).age_days.max() == 32_767


def test_a_stored_frame_gives_back_its_state(rng):
    state = PixelState(SHAPE, 3, "uint16")
    state.take(*look(rng, 3, "uint16"), 5, fresh=True)
    state.take(*look(rng, 3, "uint16"), 8, fresh=True)
    image = state.image(11)
    stored = Image.of(flat(image.values), flat(image.fresh), flat(image.age_days), 11)
    np.testing.assert_array_equal(stored.digest(), image.digest())
    restored = stored.state()
    np.testing.assert_array_equal(restored.values, state.values)
    np.testing.assert_array_equal(restored.look_day, state.look_day)


def test_any_difference_changes_the_digest(rng):
    values, valid = look(rng, 3, "uint16")
    state = PixelState(SHAPE, 3, "uint16")
    state.take(values, valid, 5, fresh=True)
    digests = [state.image(8).digest(), state.image(9).digest()]
    place = tuple(np.argwhere(chunked(valid))[-1])
    state.fresh[place] = False
    digests.append(state.image(8).digest())
    state.look_day[place] += 1
    digests.append(state.image(8).digest())
    y, x, *pixel = place
    state.values[y, x, 1, *pixel] ^= 1
    digests.append(state.image(8).digest())
    assert len({digest.tobytes() for digest in digests}) == 5


def test_digests_are_the_same_without_a_compiler(rng, monkeypatch):
    state = PixelState(SHAPE, 3, "uint16")
    state.take(*look(rng, 3, "uint16"), 5, fresh=True)
    digest = state.image(8).digest()
    monkeypatch.setattr("groundshift.artifacts.digests._kernel", lambda: None)
    np.testing.assert_array_equal(state.image(8).digest(), digest)
