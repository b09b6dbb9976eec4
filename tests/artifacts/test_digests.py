import hashlib

import numpy as np
import pytest

from groundshift.artifacts import digests
from groundshift.artifacts.digests import LANES, READ, file_digests, row_digests

SIZES = (0, 1, 55, 56, 63, 64, 65, 119, 120, READ - 9, READ - 8, READ - 1, READ, READ + 1, 3 * READ)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=["compiled", "hashlib"])
def way(request, monkeypatch):
    if request.param == "hashlib":
        monkeypatch.setattr(digests, "_kernel", lambda: None)
    elif digests._kernel() is None:
        pytest.skip("no kernel was compiled")


def made(folder, rng, sizes):
    paths = [folder / str(number) for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(rng.bytes(size))
    return paths


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("count", [1, 2, LANES, 3 * LANES + 5])
def test_digests_are_those_of_hashlib_whatever_lies_beside(tmp_path, rng, count):
    paths = made(tmp_path, rng, rng.choice(SIZES, count).tolist())
    expected = [
        (hashlib.sha256(content).hexdigest(), hashlib.md5(content).hexdigest())
        for content in (path.read_bytes() for path in paths)
    ]
    assert file_digests(paths) == expected


@pytest.mark.usefixtures("way")
def test_every_length_is_closed_as_md5_wants_it(tmp_path, rng):
    paths = made(tmp_path, rng, SIZES)
    expected = [hashlib.md5(path.read_bytes()).hexdigest() for path in paths]
    assert [md5 for _, md5 in file_digests(paths)] == expected


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("count", "size"), [(0, 64), (1, 64), (LANES + 3, 1024), (5, 100)])
def test_rows_have_the_digests_of_hashlib(rng, count, size):
    rows = rng.integers(0, 256, (count, size), np.uint8)
    found = [row.tobytes().hex() for row in row_digests(rows)]
    assert found == [hashlib.md5(row.tobytes()).hexdigest() for row in rows]


@pytest.mark.usefixtures("way")
def test_a_file_that_is_gone_is_an_error(tmp_path, rng):
    paths = made(tmp_path, rng, np.full(3, 100).tolist())
    paths[1].unlink()
    with pytest.raises(FileNotFoundError):
        file_digests(paths)
    assert file_digests([]) == []
