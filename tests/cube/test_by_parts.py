"""A cube in S3 that is read by parts: the same frames, and no more bytes than they need."""

import numpy as np
import pytest

from groundshift.artifacts import ArtifactStore, ranged, writing
from groundshift.artifacts.bucket_objects import BucketObjects
from groundshift.artifacts.manifest import read_single
from groundshift.cube.build import build
from groundshift.cube.layout import is_shard
from groundshift.cube.store import Cube
from groundshift.domain.time import DAY
from groundshift.errors import ContractError
from tests.cube.conftest import START, scenes, settings, source
from tests.s3 import s3, seaweed

__all__ = ["s3", "seaweed"]

SHAPE = (300, 280)  # four shards


@pytest.fixture
def kept(s3, tmp_path, monkeypatch):
    """A store with a cube in it, and its reference."""
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    times = {name: START + DAY * np.arange(40) for name in ("s1_asc", "s2")}
    observations = source(scenes(np.random.default_rng(1), times, SHAPE), shape=SHAPE)
    chosen = settings()
    store = ArtifactStore.open(s3)
    with store.incoming() as incoming:
        inputs = {"observations": "0"}
        with writing(
            incoming / "cube", "cube", area="t", settings=chosen.affecting(), inputs=inputs
        ) as draft:
            build(observations, draft, chosen)
        return store, store.adopt(incoming / "cube", "cube")


def test_a_part_reads_as_it_does_here_at_the_cost_of_that_part(kept, tmp_path):
    store, reference = kept
    here = Cube.open(store.folder(reference)).cells["c"]
    whole = sum(entry.size for entry in store.manifest(reference).files)
    elsewhere = BucketObjects(store.objects.bucket, tmp_path / "elsewhere")
    with elsewhere.lent(reference, is_shard) as folder:
        there = Cube.open(folder).cells["c"]
        for rows, columns in ((slice(0, 32), slice(0, 32)), (slice(250, 262), slice(255, 258))):
            for sensor in ("s1_asc", "s2"):
                expected = here.read(sensor, 3, 9, rows, columns)
                for _ in range(2):
                    found = there.read(sensor, 3, 9, rows, columns)
                    for name in ("values", "fresh", "age_days"):
                        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert 0 < ranged.give_back(folder) < whole / 5
    assert not folder.exists()


def test_what_is_no_shard_comes_whole(kept):
    store, reference = kept
    folder = store.folder(reference)
    shards = {e.path for e in read_single(folder, "cube").files if is_shard(e.path)}
    arrays = {path.split("/")[3] for path in shards}
    names = ("s1_asc", "s2")
    assert arrays == {f"{name}{part}" for name in names for part in ("", "_fresh", "_age_days")}
    assert not any(path.endswith(("zarr.json", ".parquet")) for path in shards)


def test_an_object_that_was_cut_off_is_refused(kept, tmp_path):
    store, reference = kept
    elsewhere = BucketObjects(store.objects.bucket, tmp_path / "elsewhere")
    with elsewhere.lent(reference, is_shard) as folder:
        for item in list(elsewhere.bucket.listed("dvc/stack/")):
            if item.size > 100_000:
                elsewhere.bucket.write(item.name, b"short")
        cube = Cube.open(folder).cells["c"]
        with pytest.raises(ContractError, match=r"expected \d+ bytes at"):
            cube.read("s1_asc", 0, 5, slice(0, 32), slice(0, 32))
