import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from groundshift.cube.fill import Image
from groundshift.cube.layout import SensorArrays
from groundshift.cube.shards import SLOTS, TILE
from groundshift.cube.tiles import TileWriter, tiles_of
from tests.cube.conftest import SENSORS

ROWS, COLUMNS = slice(0, 37), slice(0, 70)
(TILE_OF_ALL,) = tiles_of((37, 70))


def arrays_of(rng):
    shape = (37, 70)
    return (
        rng.integers(0, 9000, (*shape, 3)).astype(np.uint16),
        rng.random(shape) < 0.5,
        rng.integers(-1, 30, shape).astype(np.int16),
    )


def image(rng):
    return Image.of(*arrays_of(rng), 3)


def stored(folder, slots):
    arrays = SensorArrays.of(folder, SENSORS["s2"])
    return [array.read(np.array(slots), ROWS, COLUMNS) for array in arrays]


def same(found, images):
    for number, frame in enumerate(images):
        again = Image.of(*(array[number] for array in found), 3)
        np.testing.assert_array_equal(again.chunks, frame.chunks)


@given(st.integers(1, 3 * TILE), st.integers(1, 3 * TILE))
def test_tiles_cover_every_pixel_once(rows, columns):
    covered = np.zeros((rows, columns), int)
    for tile in tiles_of((rows, columns)):
        covered[tile.rows, tile.columns] += 1
        assert tile.place == (tile.rows.start // TILE, tile.columns.start // TILE)
        assert max(tile.shape) <= TILE
    assert (covered == 1).all()


def test_each_shard_is_written_once_when_frames_come_in_order(tmp_path, rng):
    images = [image(rng) for _ in range(SLOTS + 3)]
    arrays = SensorArrays.of(tmp_path, SENSORS["s2"])
    with TileWriter(arrays, TILE_OF_ALL) as writer:
        for slot, frame in enumerate(images):
            writer.put(slot, frame)
    assert len(writer.written) == len(set(writer.written)) == 2 * 3
    same(stored(tmp_path, range(len(images))), images)


def test_frames_in_any_order_are_kept_though_few_shards_stay_open(tmp_path, rng):
    slots = rng.permutation(4 * SLOTS)[:20].tolist()
    images = [image(rng) for _ in slots]
    with TileWriter(SensorArrays.of(tmp_path, SENSORS["s2"]), TILE_OF_ALL, hold=2) as writer:
        for slot, frame in zip(slots, images, strict=True):
            writer.put(slot, frame)
    same(stored(tmp_path, slots), images)


def test_a_slot_without_a_frame_holds_nothing_of_the_shard_before(tmp_path, rng):
    arrays = SensorArrays.of(tmp_path, SENSORS["s2"])
    with TileWriter(arrays, TILE_OF_ALL) as writer:
        for slot in range(SLOTS + 1):
            writer.put(slot, image(rng))
    for array, found in zip(arrays, stored(tmp_path, range(SLOTS + 1, 2 * SLOTS)), strict=True):
        assert (found == array.fill).all()


def test_a_revision_keeps_the_other_frames_and_writes_only_what_differs(tmp_path, rng):
    first = [arrays_of(rng) for _ in range(4)]
    old = SensorArrays.of(tmp_path / "old", SENSORS["s2"])
    with TileWriter(old, TILE_OF_ALL) as writer:
        for slot, frame in enumerate(first):
            writer.put(slot, Image.of(*frame, 3))
    other = arrays_of(rng)[0]
    new = SensorArrays.of(tmp_path / "new", SENSORS["s2"])
    with TileWriter(new, TILE_OF_ALL, old=old) as writer:
        writer.put(2, Image.of(other, *first[2][1:], 3))
        writer.put(1, Image.of(*first[1], 3))
    assert writer.written == [new.values.path(0, (0, 0))]
    np.testing.assert_array_equal(
        new.values.read(np.arange(4), ROWS, COLUMNS),
        [first[0][0], first[1][0], other, first[3][0]],
    )


def test_nothing_is_written_after_an_error(tmp_path, rng):
    try:
        with TileWriter(SensorArrays.of(tmp_path, SENSORS["s2"]), TILE_OF_ALL) as writer:
            writer.put(0, image(rng))
            raise KeyError("unreadable")
    except KeyError:
        assert writer.written == []
    assert not list(tmp_path.rglob("*"))
