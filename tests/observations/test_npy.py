import gc
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from groundshift.observations.npy import map_array, read_header


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_header_tells_shape_order_and_type_and_leaves_the_values(tmp_path, version, order):
    array = np.asarray(np.arange(12, dtype=np.uint16).reshape(3, 4), order=order)
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, array, version=version)
    with (tmp_path / "a.npy").open("rb") as file:
        assert read_header(file) == ((3, 4), order == "F", np.dtype(np.uint16))
        values = np.frombuffer(file.read(), np.uint16).reshape((3, 4), order=order)
    np.testing.assert_array_equal(values, array)


def test_python_objects_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object))
    with (tmp_path / "a.npy").open("rb") as file, pytest.raises(ValueError, match="objects"):
        read_header(file)
    with pytest.raises(ValueError, match="Python objects"):
        map_array(tmp_path / "a.npy")


def test_an_array_is_mapped_as_numpy_reads_it(tmp_path):
    for order in "CF":
        array = np.asarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4), order=order)
        np.save(tmp_path / "a.npy", array)
        mapped = map_array(tmp_path / "a.npy")
        np.testing.assert_array_equal(mapped, array)
        assert not mapped.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            mapped[0] = 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "magic|EOF|end"),
        (b"no array at all", "magic"),
        (b"\x93NUMPY\x09\x00", "version"),
        (b"\x93NUMPY\x01\x00\x76\x00{", "EOF|header"),
    ],
)
def test_what_is_no_whole_array_is_refused(tmp_path, content, message):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        map_array(tmp_path / "a.npy")


def test_an_array_that_was_cut_off_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(100))
    content = (tmp_path / "a.npy").read_bytes()
    for size in (len(content) - 1, 128):
        (tmp_path / "a.npy").write_bytes(content[:size])
        with pytest.raises(ValueError, match="cut off"):
            map_array(tmp_path / "a.npy")


@pytest.fixture
def threads_change_places_often():
    """Between any two steps: what makes Python before 3.11.8 fail with `numpy.load` alone."""
    interval, threshold, run_code = sys.getswitchinterval(), gc.get_threshold(), lambda *_: sum([1])
    sys.setswitchinterval(1e-6)
    gc.callbacks.append(run_code)
    gc.set_threshold(1)
    yield
    gc.set_threshold(*threshold)
    gc.callbacks.remove(run_code)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("threads_change_places_often")
def test_many_threads_open_files_at_once(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(4))
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(lambda _: int(map_array(tmp_path / "a.npy").sum()), range(1000)))
    assert sums == [6] * 1000
