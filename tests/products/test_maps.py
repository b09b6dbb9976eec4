"""Maps: valid COGs on the cell's core, the same bytes every time, aggregates as they come."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from groundshift.artifacts import ValueHash
from groundshift.domain.cells import Cell
from groundshift.domain.time import DAY
from groundshift.errors import ContractError
from groundshift.products import maps
from groundshift.products.maps import CellMaps, MapWindow
from tests.products.conftest import make_cell

TAGS = {"MODEL": "abc", "TIFFTAG_COPYRIGHT": "contains modified Copernicus Sentinel data 2017"}


def _write(
    folder: Path, cell: Cell, windows: tuple[MapWindow, ...], scores: np.ndarray
) -> tuple[CellMaps, ValueHash]:
    values = ValueHash()
    writer = CellMaps(folder, cell, tags=TAGS, values=values)
    for window, score in zip(windows, scores, strict=True):
        writer.add(window, score)
    return writer, values


def test_every_window_gets_a_valid_cog_on_the_core(
    tmp_path: Path, cells: tuple[Cell, ...], windows: tuple[MapWindow, ...], scores: np.ndarray
) -> None:
    cell = cells[0]
    _write(tmp_path, cell, windows, scores)[0].finish()
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.tif"))
    assert files == [
        "aggregates/west/date_of_maximum.tif",
        "aggregates/west/maximum.tif",
        "scores/west/20170801T000000_20171129T000000.tif",
        "scores/west/20170901T000000_20171230T000000.tif",
        "scores/west/20180101T000000_20180501T000000.tif",
    ]
    for name in files:
        assert cog_validate(tmp_path / name, strict=True) == (True, [], [])
        with rasterio.open(tmp_path / name) as raster:
            assert raster.transform == cell.core.transform
            assert raster.shape == tuple(cell.core.shape)
            assert raster.crs.to_epsg() == 32631
    with rasterio.open(maps.score_path(tmp_path, cell, windows[1])) as raster:
        np.testing.assert_array_equal(raster.read(1), scores[1])
        assert np.isnan(raster.nodata)
        tags = raster.tags()
    assert tags["WINDOW_START"] == "2017-09-01T00:00:00Z"
    assert tags["WINDOW_END"] == "2017-12-30T00:00:00Z"
    assert tags["UNITS"] == "score"
    assert tags["MODEL"] == "abc"
    assert tags["TIFFTAG_COPYRIGHT"] == TAGS["TIFFTAG_COPYRIGHT"]


def test_large_maps_have_overviews(tmp_path: Path) -> None:
    cell = make_cell("large", 501000, size=(600, 700))
    score = np.linspace(0, 1, 600 * 700, dtype=np.float32).reshape(600, 700)
    path = CellMaps(tmp_path, cell, tags=TAGS, values=ValueHash()).add(MapWindow(0, DAY), score)
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as raster:
        assert raster.overviews(1) == [2, 4]
        assert raster.block_shapes == [(256, 256)]
    quarter = maps.read_map(path, 4)
    assert quarter.shape == (150, 175)
    assert abs(quarter[0, 0] - score[:4, :4].mean()) < 1e-3


def test_aggregates_are_those_of_all_windows_at_once(
    tmp_path: Path, cells: tuple[Cell, ...], windows: tuple[MapWindow, ...], scores: np.ndarray
) -> None:
    scores[1, 20, 20] = scores[0, 20, 20] = 1.0  # of equals the first counts
    maximum, day = _write(tmp_path, cells[0], windows, scores)[0].finish()
    known = np.isfinite(scores[0])
    np.testing.assert_array_equal(maximum[known], scores.max(axis=0)[known])
    middles = np.array([(w.start + w.end) // 2 // DAY for w in windows])
    np.testing.assert_array_equal(day[known], middles[scores.argmax(axis=0)][known])
    assert np.isnan(maximum[~known]).all()
    assert (day[~known] == maps.NO_DATE).all()
    path = maps.aggregate_path(tmp_path, cells[0], maps.DATE_OF_MAXIMUM)
    np.testing.assert_array_equal(maps.read_map(path), day)
    with rasterio.open(path) as raster:
        assert (raster.nodata, raster.dtypes) == (maps.NO_DATE, ("int32",))


def test_the_same_scores_give_the_same_bytes_and_value_hash(
    tmp_path: Path, cells: tuple[Cell, ...], windows: tuple[MapWindow, ...], scores: np.ndarray
) -> None:
    hashes = []
    for name in ("one", "two"):
        writer, values = _write(tmp_path / name, cells[0], windows, scores)
        writer.finish()
        hashes.append(values.hexdigest())
    assert hashes[0] == hashes[1]
    for path in (tmp_path / "one").rglob("*.tif"):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes()


def test_a_finished_map_is_shared_or_copied_where_links_can_t_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "one.tif"
    source.write_bytes(b"map")
    maps.share_file(source, tmp_path / "linked" / "two.tif")
    assert source.samefile(tmp_path / "linked" / "two.tif")

    def refuse(*_: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(maps.os, "link", refuse)
    maps.share_file(source, tmp_path / "copied" / "two.tif")
    assert (tmp_path / "copied" / "two.tif").read_bytes() == b"map"
    assert not source.samefile(tmp_path / "copied" / "two.tif")


def test_the_value_hash_takes_scores_to_a_thousandth(
    tmp_path: Path, cells: tuple[Cell, ...], windows: tuple[MapWindow, ...]
) -> None:
    score = np.full((1, 40, 50), 0.25, np.float32)
    _, values = _write(tmp_path, cells[0], windows[:1], score)
    _, near = _write(tmp_path, cells[0], windows[:1], score + 1e-5)
    _, far = _write(tmp_path, cells[0], windows[:1], score + 2e-3)
    assert values.hexdigest() == near.hexdigest() != far.hexdigest()


def test_scores_off_the_core_are_refused(tmp_path: Path, cells: tuple[Cell, ...]) -> None:
    writer = CellMaps(tmp_path, cells[0], tags={}, values=ValueHash())
    with pytest.raises(ContractError, match=r"expected scores on the core \(40, 50\)"):
        writer.add(MapWindow(0, DAY), np.zeros((46, 56), np.float32))


def test_windows_out_of_order_are_refused(tmp_path: Path, cells: tuple[Cell, ...]) -> None:
    writer = CellMaps(tmp_path, cells[0], tags={}, values=ValueHash())
    writer.add(MapWindow(DAY, 2 * DAY), np.zeros((40, 50), np.float32))
    with pytest.raises(ContractError, match="windows in order"):
        writer.add(MapWindow(0, DAY), np.zeros((40, 50), np.float32))


def test_a_map_tells_its_statistics(
    tmp_path: Path, cells: tuple[Cell, ...], windows: tuple[MapWindow, ...], scores: np.ndarray
) -> None:
    writer = CellMaps(tmp_path, cells[0], tags={}, values=ValueHash())
    with rasterio.open(writer.add(windows[0], scores[0])) as raster:
        told = {name: float(value) for name, value in raster.tags(1).items() if "STAT" in name}
        assert raster.units == ("score",)
        assert raster.overviews(1) is not None
    assert told["STATISTICS_MEAN"] == pytest.approx(np.nanmean(scores[0]), rel=1e-5)
    assert told["STATISTICS_MAXIMUM"] == pytest.approx(np.nanmax(scores[0]), rel=1e-5)
    assert told["STATISTICS_VALID_PERCENT"] == pytest.approx(100 * (1 - 24 / 2000), rel=1e-5)
    writer.add(windows[1], np.full_like(scores[0], np.nan))
    _, day = writer.finish()
    with rasterio.open(tmp_path / "aggregates" / "west" / "date_of_maximum.tif") as raster:
        assert float(raster.tags(1)["STATISTICS_MINIMUM"]) == day.max()
