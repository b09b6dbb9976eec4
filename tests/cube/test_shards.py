import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from groundshift.cube.layout import SensorArrays, SensorIndex, write_group
from groundshift.cube.shards import CHUNK, SLOTS, TILE, Sharded, ShardFile, encode_shard, pieces
from groundshift.errors import ContractError
from tests.cube.conftest import SENSORS, grid

SHAPE = (TILE + 40, 70)
COUNT = SLOTS + 5


@pytest.fixture(scope="module", params=list(SENSORS))
def written(request, tmp_path_factory):
    """A sensor's arrays with random content, written by Zarr itself."""
    folder = tmp_path_factory.mktemp("shards") / "group.zarr"
    sensor = SENSORS[request.param]
    rng = np.random.default_rng(3)
    index = SensorIndex(
        np.zeros(2, np.int32), np.zeros(COUNT, np.int64), np.zeros((COUNT, 2, 1, 16), np.uint8)
    )
    times = np.array([5, 9], np.int64)
    write_group(folder, grid(*SHAPE), times, {sensor.name: (sensor, index)}, {})
    group = zarr.open_group(folder)
    content = []
    for array in SensorArrays.of(folder, sensor):
        bands = (array.bands,) if array.bands else ()
        values = rng.integers(0, 2, (COUNT, *SHAPE, *bands)).astype(array.dtype)
        if array.dtype != "bool":
            values *= rng.integers(1, 900, values.shape).astype(array.dtype)
        group[array.folder.name][...] = values
        content.append((array, values))
    return content


def test_shards_that_zarr_wrote_are_read(written, rng):
    for array, values in written:
        for _ in range(20):
            slots = rng.integers(0, COUNT, rng.integers(1, 8))
            (top, bottom), (left, right) = (
                np.sort(rng.choice(size + 1, 2, replace=False)).tolist() for size in SHAPE
            )
            found = array.read(slots, slice(top, bottom), slice(left, right))
            np.testing.assert_array_equal(found, values[slots, top:bottom, left:right])


def test_bands_are_read_in_the_order_wanted(written):
    array, values = written[0]
    slots = np.array([3, 18, 0])
    found = array.read(slots, slice(250, 262), slice(5, 40), [1, 0])
    np.testing.assert_array_equal(found, values[slots, 250:262, 5:40][..., [1, 0]])


def test_zarr_reads_the_shards_that_are_encoded_here(written):
    for array, values in written:
        for tile, rows in pieces(slice(0, SHAPE[0]), TILE):
            counts = (-(-(rows.stop - rows.start) // CHUNK), -(-SHAPE[1] // CHUNK))
            chunks = np.full((*counts, *array.chunk_shape), array.fill, array.dtype)
            for y, x in np.ndindex(*counts):
                top, left = rows.start + y * CHUNK, x * CHUNK
                part = values[:SLOTS, top : min(top + CHUNK, rows.stop), left : left + CHUNK]
                part = np.moveaxis(part, -1, 1) if array.bands else part
                chunks[y, x][..., : part.shape[-2], : part.shape[-1]] = part
            array.path(0, (tile, 0)).write_bytes(b"".join(encode_shard(array.codec, chunks)))
        found = zarr.open_group(array.folder.parent, mode="r")[array.folder.name]
        np.testing.assert_array_equal(found[:], values)


def test_what_was_never_written_reads_as_nothing(tmp_path):
    array = Sharded(tmp_path, 0, "int16", -1)
    found = array.read(np.array([0, 40]), slice(0, 3), slice(0, 4))
    np.testing.assert_array_equal(found, np.full((2, 3, 4), -1))


@pytest.mark.parametrize(
    ("position", "message"),
    [(-6, "expected an index that fits its checksum"), (0, "expected whole chunks")],
)
def test_a_damaged_shard_is_refused(tmp_path, position, message):
    array = Sharded(tmp_path, 0, "int16", -1)
    chunks = np.zeros((1, 1, *array.chunk_shape), np.int16)
    content = bytearray(b"".join(encode_shard(array.codec, chunks)))
    content[position] ^= 0xFF
    path = array.path(0, (0, 0))
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(ContractError, match=message):
        array.read(np.array([0]), slice(0, 2), slice(0, 2))
    path.write_bytes(content[:100])
    with pytest.raises(ContractError, match="bytes"), ShardFile(path):
        pass


@given(st.integers(0, 90), st.integers(0, 90), st.integers(1, 40))
def test_pieces_join_to_the_span_and_lie_in_one_unit_each(start, length, unit):
    found = list(pieces(slice(start, start + length), unit))
    joined = [i for _, piece in found for i in range(piece.start, piece.stop)]
    assert joined == list(range(start, start + length))
    for number, piece in found:
        assert number * unit <= piece.start < piece.stop <= (number + 1) * unit
