"""All scores as one Zarr group, opened by xarray."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from groundshift.artifacts import ValueHash
from groundshift.domain.cells import Cell
from groundshift.products.maps import CellMaps, MapWindow
from groundshift.products.series import write_series

Cells = tuple[Cell, Cell]
Windows = tuple[MapWindow, ...]


@pytest.fixture
def maps(tmp_path: Path, cells: Cells, windows: Windows, scores: np.ndarray) -> dict[Cell, Windows]:
    """Maps of two cells, of which the eastern one lacks the first window."""
    west, east = cells
    own = {west: windows, east: windows[1:]}
    for cell, mine in own.items():
        writer = CellMaps(tmp_path, cell, tags={}, values=ValueHash())
        for window in mine:
            writer.add(window, scores[windows.index(window)])
        writer.finish()
    return own


def test_xarray_opens_it_with_times_places_and_scores(
    tmp_path: Path, maps: dict[Cell, Windows], windows: Windows, scores: np.ndarray
) -> None:
    path = write_series(tmp_path, maps, title="Scores", attribution="someone")
    with xr.open_zarr(path) as opened:
        assert opened.attrs["Conventions"] == "CF-1.11"
        score = opened["score"]
        assert score.dims == ("time", "y", "x")
        assert score.shape == (3, 40, 100)
        np.testing.assert_allclose(score[:, :, :50], scores, atol=6e-5)
        assert score[0, :, 50:].isnull().all()
        np.testing.assert_allclose(score[1:, :, 50:], scores[1:], atol=6e-5)
        assert list(opened.indexes["time"]) == [pd.Timestamp(w.middle, unit="s") for w in windows]
        bounds = opened["time_bounds"].values.astype("datetime64[s]").astype(np.int64)
        assert bounds.tolist() == [[w.start, w.end] for w in windows]
        assert opened["x"][[0, -1]].values.tolist() == [501005, 501995]
        assert opened["y"][[0, -1]].values.tolist() == [5629395, 5629005]
        assert "WGS 84 / UTM zone 31N" in opened["spatial_ref"].attrs["crs_wkt"]
        one = score.sel(x=501205, y=5629205, method="nearest")
        assert score.attrs["grid_mapping"] == "spatial_ref"
        np.testing.assert_allclose(one, scores[:, 19, 20], atol=6e-5)


def test_the_same_scores_give_the_same_bytes(tmp_path: Path, maps: dict[Cell, Windows]) -> None:
    def written() -> dict[str, bytes]:
        path = write_series(tmp_path, maps, title="Scores", attribution="someone")
        return {str(file): file.read_bytes() for file in path.rglob("*") if file.is_file()}

    first = written()
    assert written() == first
