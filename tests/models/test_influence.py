import dataclasses

import numpy as np
import pytest

from groundshift.models.influence import EDGE, cut_errors, measure_radius, scenes
from groundshift.models.inputs import Inputs


def streams(rng, shape=(40, 36), steps=3):
    values = rng.random((1, steps, *shape, 2), np.float32)
    return {"optical": (values, np.zeros((1, steps, *shape), np.int16))}


def blurring(reach, weight=1.0):
    """A score that looks exactly `reach` pixels to every side, with zeros beyond the image."""

    def score(scene, steps):
        image = scene["optical"][0].mean(axis=(1, -1))
        padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach)))
        height, width = image.shape[1:]
        ends = (0, 2 * reach)
        far = sum(
            padded[:, y : y + height, x : x + width] for y in (*ends, reach) for x in (*ends, reach)
        )
        return (image + weight * far)[np.newaxis]

    return score


@pytest.mark.parametrize("reach", [1, 5, 9])
def test_radius_is_how_far_the_model_looks(reach):
    rng = np.random.default_rng(0)
    assert measure_radius(blurring(reach), iter([streams(rng), streams(rng)])) == reach


def test_what_changes_a_score_by_less_than_the_tolerance_is_no_influence():
    rng = np.random.default_rng(0)
    assert measure_radius(blurring(9, weight=1e-6), iter([streams(rng)])) == 0


def test_errors_are_counted_from_the_cut_on_all_four_sides():
    errors = cut_errors(blurring(4), streams(np.random.default_rng(0)))
    assert (errors[:4] > 0).all()
    assert (errors[4:] == 0).all()


def test_scenes_are_real_windows(indexed):
    samples, cube = indexed
    windows = samples.windows_of("validation")
    streams_of = [s for s in cube.signature.streams if s.role in ("radar_a", "optical")]
    inputs = Inputs.raw(dataclasses.replace(cube.signature, streams=tuple(streams_of)))
    found = list(scenes(cube, windows, inputs, count=3))
    assert len(found) == 3
    for scene in found:
        values, age_days = scene["optical"]
        assert values.shape[:4] == age_days.shape
        assert values.shape[2:] == (32, 32, 4)
        assert max(values.shape[2:4]) <= EDGE
        assert values.any()
