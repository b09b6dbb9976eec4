"""Drift: images that stay what they were, and images that don't."""

import json
from dataclasses import replace

import numpy as np
import pytest

from groundshift.assessment.drift import measure_drift, trained_until
from groundshift.domain.time import DAY
from groundshift.errors import ContractError
from groundshift.models.inputs import StreamScale, to_scale
from groundshift.settings import DriftSettings
from tests.models.cells import SIGNATURE, memory_cell, small_detector

LENGTH = 40
WINDOWS = {"length": f"{LENGTH}d", "min_steps": 5, "max_steps": 60}
STEPS = 100


def cells():
    """Two cells alike but for their noise; every image is new."""
    return {
        f"cell-{seed}": memory_cell(SIGNATURE, steps=STEPS, shape=(40, 40), seed=seed)
        for seed in (1, 2)
    }


def detector():
    """A detector whose scales are those of the cells."""
    made = small_detector()
    streams = []
    for scale in made.inputs.streams:
        values = np.concatenate([cell.images[scale.role] for cell in cells().values()])
        levels = to_scale(values, scale.scale).reshape(-1, values.shape[-1])
        streams.append(
            StreamScale(
                scale.role,
                scale.scale,
                tuple(levels.mean(axis=0).tolist()),
                tuple(levels.std(axis=0).tolist()),
            )
        )
    return replace(made, inputs=replace(made.inputs, streams=tuple(streams)), windows=WINDOWS)


def shifted(cell, role, band, by):
    """A cell whose last images of a stream are brighter in one band."""
    images = cell.images[role].copy()
    images[-STEPS // 4 :, ..., band] += by
    return replace(cell, images=cell.images | {role: images})


def measured(found, *, until=0, **settings):
    return measure_drift(detector(), found, DriftSettings(**settings), trained_until=until)


def test_steady_ground_does_not_drift():
    found = measured(cells())
    assert found.value < 0.3
    assert not found.retrain
    assert [(band.role, band.band) for band in found.bands] == [
        (stream.role, band) for stream in SIGNATURE.streams for band in stream.bands
    ]


def test_one_band_that_moves_is_found_in_deviations_of_the_training():
    by = 2 * detector().inputs.streams[2].deviation[1]
    found = measured({name: shifted(cell, "optical", 1, by) for name, cell in cells().items()})
    highest = max(found.bands, key=lambda band: band.difference)
    assert (highest.role, highest.band) == ("optical", "B08")
    assert found.value == highest.difference == pytest.approx(2, abs=0.3)
    assert found.retrain


def test_more_spread_is_drift_too():
    noisy = {}
    for name, cell in cells().items():
        images = cell.images["optical"]
        noisy[name] = replace(
            cell, images=cell.images | {"optical": images + 3 * (images - images.mean())}
        )
    found = {band.band: band.difference for band in measured(noisy).bands if band.role == "optical"}
    assert min(found.values()) > 1.5


def test_one_cell_of_many_that_changed_is_no_drift():
    found = cells() | {"third": memory_cell(SIGNATURE, steps=STEPS, shape=(40, 40), seed=3)}
    found["third"] = shifted(found["third"], "optical", 0, 5.0)
    assert not measured(found).retrain


def test_only_the_newest_window_counts():
    early = {}
    for name, cell in cells().items():
        images = cell.images["optical"].copy()
        images[: STEPS // 2] += 9
        early[name] = replace(cell, images=cell.images | {"optical": images})
    assert not measured(early).retrain


@pytest.mark.parametrize(("minimum", "expected"), [(10, True), (11, False)])
def test_training_needs_enough_new_windows(minimum, expected):
    moved = {name: shifted(cell, "optical", 1, 1.0) for name, cell in cells().items()}
    last = int(next(iter(moved.values())).times[-1])
    # One window ends every two days.
    until = last - 10 * 2 * DAY
    found = measured(moved, until=until, minimum_windows=minimum)
    assert found.new_windows == 10
    assert found.retrain is expected


def test_a_stream_without_a_look_is_named():
    silent = {}
    for name, cell in cells().items():
        images = cell.images["radar_b"].copy()
        images[-STEPS // 2 :] = 0  # what a memory cell takes for never seen
        silent[name] = replace(cell, images=cell.images | {"radar_b": images})
    found = measured(silent)
    assert found.unseen == ("radar_b",)
    assert {band.role for band in found.bands} == {"radar_a", "optical"}


def test_other_numbers_are_refused():
    other = replace(SIGNATURE, resolution=20)
    cell = memory_cell(other, steps=STEPS, shape=(40, 40))
    with pytest.raises(ContractError, match="resolution: expected 10, found 20"):
        measured({"one": cell})


def test_training_ends_with_its_period_or_when_it_ran():
    settings = {"period": {"end": "2018-01-01T00:00:00Z"}}
    end = int(np.datetime64("2018-01-01", "s").astype(int))
    assert trained_until(settings, end + 5.5) == end
    assert trained_until(settings, end - 5.0) == end - 5


def test_files_say_what_was_measured(tmp_path):
    moved = {name: shifted(cell, "optical", 1, 1.0) for name, cell in cells().items()}
    found = measured(moved)
    found.write(tmp_path)
    document = json.loads((tmp_path / "drift.json").read_text())
    assert document["drift"] == found.value
    assert document["retrain"] is True
    assert len(document["bands"]) == 7
    page = (tmp_path / "drift.html").read_text()
    assert page.count("<tr") == 1 + 7
    assert 'class="high"' in page
    assert "optical B08" in page
