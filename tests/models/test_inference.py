import dataclasses

import numpy as np
import pandas as pd
import pytest

from groundshift.errors import ContractError, SettingsError
from groundshift.models.inference import (
    blocks_of,
    map_cell,
    map_members,
    score_place,
    score_window,
)
from groundshift.models.neighbours import read_beside, steps_of
from groundshift.reference import published_detector
from tests.models.cells import SIGNATURE, memory_cell, small_detector


def windows(*ranges):
    return pd.DataFrame(ranges, columns=["first", "stop"]).assign(id=range(100, 100 + len(ranges)))


def mapped(*args, **options):
    return dict(map_cell(*args, **options))


def whole(detector, cell, first, stop):
    """A window's score [y, x] over the whole grid at once, by the networks themselves."""
    rows, columns = (slice(0, size) for size in cell.shape)
    streams = {}
    for role in detector.inputs.roles:
        frames = cell.read(role, first, stop, rows, columns)
        streams[role] = (frames.values[np.newaxis], frames.age_days[np.newaxis])
    steps = np.ones((1, stop - first), bool)
    return detector.score_streams(streams, steps).mean(axis=0)[0]


@pytest.mark.parametrize("era", ["s12", "ers12ls5"])
def test_tiled_equals_whole_for_the_published_networks(era):
    detector = published_detector(era)
    cell = memory_cell(detector.signature, steps=24, shape=(96, 96))
    chosen = windows((0, 24))
    expected = whole(detector, cell, 0, 24)
    tiled = mapped(detector, cell, chosen, block=40)[100]
    assert len(list(blocks_of(cell, 40, detector.radius))) == 9
    assert np.abs(tiled - expected).max() <= 1e-4
    too_narrow = mapped(detector, cell, chosen, block=40, halo=4)[100]
    assert np.abs(too_narrow - expected).max() > 1e-3


@pytest.mark.parametrize(
    "features", [("level",), ("level", "recency"), ("level", "anomaly", "rise")]
)
def test_maps_are_the_same_whatever_the_blocks_and_the_memory(features):
    detector = small_detector(features=features, radius=16)
    cell = memory_cell(SIGNATURE, steps=14, shape=(40, 52), carried=2)
    chosen = windows((0, 6), (1, 8), (3, 9), (4, 12), (8, 14), (9, 14))
    at_once = mapped(detector, cell, chosen, block=64)
    assert list(at_once) == list(range(100, 106))
    for window, (first, stop) in zip(at_once, ((0, 6), (1, 8)), strict=False):
        np.testing.assert_allclose(at_once[window], whole(detector, cell, first, stop), atol=1e-5)
    for options in ({"block": 33, "memory": 3 << 20}, {"block": 64, "memory": 1}):
        found = mapped(detector, cell, chosen, **options)
        assert list(found) == list(at_once)
        for window in at_once:
            np.testing.assert_allclose(found[window], at_once[window], atol=1e-4)


def test_maps_with_neighbours_are_the_same_whatever_the_blocks_and_the_memory():
    detector = small_detector(radius=16, neighbours=True)
    cell = memory_cell(SIGNATURE, steps=20, shape=(40, 52), carried=2)
    chosen = windows((4, 8), (6, 11), (9, 14)).assign(
        previous_first=[0, 1, 4],
        previous_stop=[4, 6, 9],
        next_first=[8, 11, 14],
        next_stop=[12, 16, 20],
    )
    at_once = mapped(detector, cell, chosen, block=64)
    everywhere = (slice(0, 40), slice(0, 52))
    for (window, scores), steps in zip(
        at_once.items(), steps_of(chosen, detector.inputs), strict=True
    ):
        streams = {
            role: (frames.values[np.newaxis], frames.age_days[np.newaxis])
            for role in detector.inputs.roles
            for frames in [cell.read(role, *map(int, steps[:2]), *everywhere)]
        }
        around = read_beside(cell, detector.inputs.roles, steps, *everywhere)
        real = np.ones((1, steps[1] - steps[0]), bool)
        expected = detector.score_streams({**streams, **around}, real)[0, 0]
        np.testing.assert_allclose(scores, expected, atol=1e-5)
        np.testing.assert_array_equal(
            score_window(detector, cell, steps, *everywhere, block=64), at_once[window]
        )
    for options in ({"block": 33, "memory": 3 << 20}, {"block": 64, "memory": 1}):
        for window, scores in mapped(detector, cell, chosen, **options).items():
            np.testing.assert_allclose(scores, at_once[window], atol=1e-4)
    cell.images["optical"][8:] = 0.5  # the last window's next one, and nothing before
    changed = mapped(detector, cell, chosen, block=64)
    np.testing.assert_array_equal(changed[100], at_once[100])
    assert np.abs(changed[102] - at_once[102]).max() > 1e-3


def test_members_are_mapped_one_by_one():
    detector = small_detector(members=3)
    cell = memory_cell(SIGNATURE, steps=6, shape=(20, 24))
    (window, scores), *rest = map_members(detector, cell, windows((0, 6)))
    assert (window, scores.shape, rest) == (100, (3, 20, 24), [])
    np.testing.assert_allclose(
        mapped(detector, cell, windows((0, 6)))[100], scores.mean(axis=0), atol=1e-7
    )
    assert scores.std(axis=0).max() > 1e-3


@pytest.mark.parametrize(
    ("rows", "columns"), [(slice(0, 10), slice(0, 10)), (slice(17, 30), slice(40, 52))]
)
def test_a_place_scores_as_the_map_does_there(rows, columns):
    detector = small_detector(radius=16, members=2)
    cell = memory_cell(SIGNATURE, steps=9, shape=(40, 52))
    chosen = windows((0, 6), (2, 9))
    found = score_place(detector, cell, chosen, rows, columns)
    for number, (_, members) in enumerate(map_members(detector, cell, chosen, block=64)):
        expected = members[:, rows, columns]
        np.testing.assert_allclose(found.mean[number], expected.mean(axis=0), atol=1e-4)
        np.testing.assert_allclose(found.spread[number], expected.std(axis=0), atol=1e-4)


def test_a_single_network_has_no_spread():
    detector = small_detector(members=1)
    cell = memory_cell(SIGNATURE, steps=6, shape=(20, 20))
    assert score_place(detector, cell, windows((0, 6)), slice(0, 9), slice(0, 9)).spread is None


def test_a_cells_halo_is_context_and_not_mapped():
    detector = small_detector(radius=12)
    large = memory_cell(SIGNATURE, steps=6, shape=(60, 70))
    inner = dataclasses.replace(
        memory_cell(SIGNATURE, steps=6, shape=(60, 70), halo=12, own_size=False),
        images=large.images,
    )
    scores = mapped(detector, inner, windows((0, 6)), block=32)[100]
    expected = mapped(detector, large, windows((0, 6)), block=70)[100]
    np.testing.assert_allclose(scores, expected[12:-12, 12:-12], atol=1e-4)


def test_too_narrow_a_halo_of_the_cells_is_refused():
    detector = small_detector(radius=12)
    cell = memory_cell(SIGNATURE, steps=6, shape=(60, 60), halo=8, own_size=False)
    with pytest.raises(SettingsError, match=r"Set area\.halo=12"):
        list(map_cell(detector, cell, windows((0, 6))))
    with pytest.raises(SettingsError, match=r"Set area\.halo=12"):
        score_place(detector, cell, windows((0, 6)), slice(8, 20), slice(8, 20))


def test_other_numbers_than_the_models_are_refused():
    streams = (*SIGNATURE.streams[:2], dataclasses.replace(SIGNATURE.streams[2], level="L1C"))
    signature = dataclasses.replace(SIGNATURE, streams=streams, resolution=20)
    cell = memory_cell(signature, steps=6, shape=(20, 20))
    with pytest.raises(ContractError, match="resolution: expected 10, found 20"):
        list(map_cell(small_detector(), cell, windows((0, 6))))


def test_blocks_cover_the_core_once_and_have_one_shape():
    cell = memory_cell(SIGNATURE, steps=2, shape=(70, 45), halo=5, own_size=False)
    blocks = list(blocks_of(cell, 16, 5))
    covered = np.zeros((60, 35), int)
    for block in blocks:
        covered[block.target] += 1
        read = np.zeros(cell.shape, bool)
        read[block.rows, block.columns] = True
        kept = np.argwhere(read)[0] + [block.core[0].start, block.core[1].start]
        assert (kept - 5).tolist() == [block.target[0].start, block.target[1].start]
    assert (covered == 1).all()
    assert (
        len({(b.rows.stop - b.rows.start, b.columns.stop - b.columns.start) for b in blocks}) == 1
    )
