"""Series of blocks of pixels: what the cube and the maps say, in bytes."""

import json
from pathlib import Path

import numpy as np
import pytest

from groundshift.cube.store import Cube
from groundshift.products.maps import read_map, score_path
from groundshift.products.page import series
from groundshift.products.page.chunks import DATA, read_chunk
from groundshift.products.page.series import EDGE, block_mean, write_series
from tests.products.conftest import CHANGE, CHANGED, seconds
from tests.products.test_survey import make_survey


def read_all(maps: Path, cell: str) -> tuple[dict, np.ndarray]:
    """A cell's description, and all its blocks' bytes, [series and time, y, x]."""
    about = json.loads(read_chunk(maps / DATA, f"series/{cell}/about"))
    height, width = about["shape"]
    length = sum(len(line["times"]) for line in about["series"])
    whole = np.zeros((length, height, width), np.uint8)
    for row in range(-(-height // EDGE)):
        for column in range(-(-width // EDGE)):
            content = read_chunk(maps / DATA, f"series/{cell}/{row}_{column}")
            part = whole[:, row * EDGE : (row + 1) * EDGE, column * EDGE : (column + 1) * EDGE]
            part[:] = np.frombuffer(content, np.uint8).reshape(part.shape)
    return about, whole


def values_of(line: dict, stored: np.ndarray) -> np.ndarray:
    low, high = line["span"]
    return np.where(stored == 0, np.nan, low + (stored - 1.0) / 254 * (high - low))


def test_block_means_leave_out_what_was_not_seen() -> None:
    values = np.arange(15, dtype=np.float32).reshape(3, 5)
    values[0, 0] = np.nan
    np.testing.assert_allclose(block_mean(values, 2), [[4, 5, 6.5], [10.5, 12.5, 14]], rtol=1e-6)
    assert np.isnan(block_mean(np.full((2, 2), np.nan, np.float32), 2)).all()


def test_series_are_those_of_maps_and_cube(maps: Path, cube: Cube) -> None:
    west = cube.cells["west"]
    about, stored = read_all(maps, "west")
    assert about["block"] == 1
    names = [line["name"] for line in about["series"]]
    assert names == ["score", "VV s1", "VH s1"]  # no near infrared, so no index
    score, vv, _ = about["series"]
    first = next(iter(sorted((maps / "scores/west").iterdir())))
    np.testing.assert_allclose(
        values_of(score, stored[0]), read_map(first), atol=0.003, equal_nan=True
    )
    looks = stored[len(score["times"]) : len(score["times"]) + len(vv["times"])]
    roof = values_of(vv, looks)[(slice(None), *CHANGED)].mean(axis=(1, 2))
    times = np.array(vv["times"])
    assert np.isin(times, west.times).all()
    np.testing.assert_allclose(roof[times < seconds(CHANGE)], 10 * np.log10(0.05), atol=0.1)
    np.testing.assert_allclose(roof[times > seconds(CHANGE)], 10 * np.log10(0.6), atol=0.1)


def test_large_cells_are_averaged_to_keep_to_the_budget(
    cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey = make_survey(cube, tmp_path / "maps", tmp_path)
    (found, *_) = [found for found in survey.findings if found.cell.id == "west"]
    monkeypatch.setattr(series, "BUDGET", 40 * 50 * 200 // 9)
    monkeypatch.setattr(series, "_VALUE_BYTES", 50 * 55 * 2 * 4 * 7)  # strips of a few rows
    write_series(tmp_path / "maps", cube.cells["west"], found.windows)
    about, stored = read_all(tmp_path / "maps", "west")
    assert about["block"] == 3
    assert stored.shape[1:] == (14, 17)
    scores = read_map(score_path(tmp_path / "maps", found.cell, found.windows[0]))
    np.testing.assert_allclose(
        values_of(about["series"][0], stored[0]), block_mean(scores, 3), atol=0.003
    )
