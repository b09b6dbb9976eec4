import numpy as np
import pytest

from groundshift.cube.source import Amended
from tests.cube.conftest import scene, scenes, source

PLACE, OTHER, NEW = ("c", "s2", 10), ("c", "s2", 20), ("c", "s2", 15)


@pytest.fixture
def base(rng):
    return source(scenes(rng, {"s2": [10, 20], "s1_asc": [10]}, (6, 5)), shape=(6, 5))


def places(observations):
    rows = observations.table[["cell", "sensor", "time"]]
    return [tuple(row) for row in rows.to_numpy().tolist()]


def test_changes_lie_over_the_observations(base, rng):
    inserted, replacing = scene(rng, "s2", (6, 5)), scene(rng, "s2", (6, 5))
    found = Amended(base, put={NEW: inserted, OTHER: replacing}, drop=[PLACE])
    assert places(found) == [("c", "s1_asc", 10), NEW, OTHER]
    assert found.acquisitions("c", "s2").tolist() == [15, 20]
    assert found.acquisitions("c", "s1_asc").tolist() == [10]
    np.testing.assert_array_equal(found.read(*OTHER)[0], replacing[0])
    np.testing.assert_array_equal(found.read("c", "s1_asc", 10)[0], base.read("c", "s1_asc", 10)[0])
    assert places(base) == [("c", "s1_asc", 10), PLACE, OTHER]


def test_identities_differ_by_content(base, rng):
    one, two = scene(rng, "s2", (6, 5)), scene(rng, "s2", (6, 5))
    hashes = {
        Amended(base, put={NEW: look}, drop=drop).manifest.content_hash
        for look in (one, two)
        for drop in ((), [PLACE])
    }
    assert len(hashes | {base.manifest.content_hash}) == 5
    again = Amended(base, put={NEW: one}).manifest
    assert again.content_hash == Amended(base, put={NEW: one}).manifest.content_hash


def test_a_change_of_the_mask_alone_is_a_change(base):
    values, valid = base.read(*PLACE)
    flipped = valid.copy()
    flipped[0, 0] ^= True
    changed = Amended(base, put={PLACE: (values, flipped)})
    before, after = (o.table.set_index(["sensor", "time"]).digest for o in (base, changed))
    assert before["s2", 10] != after["s2", 10]
    assert before["s2", 20] == after["s2", 20]
