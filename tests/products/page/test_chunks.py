"""Numbers travel to the browser and back whole."""

from pathlib import Path

import numpy as np
import pytest

from groundshift.products.page.chunks import NOTHING, quantise, read_chunk, write_chunk


def test_bytes_come_back_as_they_were_and_files_repeat(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9
    path = write_chunk(tmp_path, "series/west/0_1", content)
    assert path == tmp_path / "series/west/0_1.js"
    assert read_chunk(tmp_path, "series/west/0_1") == content
    before = path.read_bytes()
    assert write_chunk(tmp_path, "series/west/0_1", content).read_bytes() == before
    assert before.isascii()


def test_a_chunk_under_another_name_is_refused(tmp_path: Path) -> None:
    write_chunk(tmp_path, "one", b"1").rename(tmp_path / "two.js")
    with pytest.raises(ValueError, match="expected the key two, found one"):
        read_chunk(tmp_path, "two")


def test_values_become_bytes_and_nothing_stays_nothing() -> None:
    values = np.array([np.nan, -5.0, 0.0, 0.5, 1.0, 7.0], np.float32)
    np.testing.assert_array_equal(quantise(values, 0, 1), [NOTHING, 1, 1, 128, 255, 255])
    levels = (quantise(np.linspace(0, 1, 1000), 0, 1) - 1) / 254
    assert np.abs(levels - np.linspace(0, 1, 1000)).max() <= 0.5 / 254 + 1e-6
