import json
import warnings

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from groundshift.artifacts import writing
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.errors import ContractError
from groundshift.observations.store import (
    NO_VALID_PIXEL,
    Observations,
    Record,
    write_observation,
    write_tables,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from eolearn.core import EOPatch

GRID = GeoBox.from_bbox((600000, 5600000, 600060, 5600050), crs="EPSG:32631", resolution=10)
CELL = Cell("c", GRID, 1)
S2 = Sensor("s2", "optical", "sentinel2", ("B02", "B03"), dtype="uint16", scale=1e-4)
STORED, CLOUDY, LATE = 1577959200, 1578045600, 1578132000
VALUES = np.random.default_rng(0).integers(1, 9000, (7, 8, 2), dtype=np.uint16)
VALID = VALUES[..., 0] < 8000


def record(time, **values):
    return Record("c", "s2", time, f"s2/{time}.tif", **values)


def write(folder, records, *, truth=None):
    """An artifact whose stored records all hold the same values."""
    with writing(folder, "observations", area="t", settings={}, inputs={}) as draft:
        for item in records:
            if not item.reason:
                values = np.where(VALID[..., None], VALUES, 0)
                write_observation(draft.folder, draft.scratch, CELL.grid, item, values, VALID)
        write_tables(draft.folder, records, truth)
        draft.summary.update(cells=[CELL.to_dict()], sensors={"s2": S2.to_dict()})
    return folder


@pytest.fixture
def artifact(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    records = [
        record(LATE, valid_share=0.5),
        record(CLOUDY, reason=NO_VALID_PIXEL),
        record(STORED, valid_share=0.5, orbit="022", checks="odd", digest="d"),
        record(STORED, reason="same time as another"),
    ]
    return write(tmp_path / "observations", records)


def test_what_was_written_is_read(artifact):
    observations = Observations.open(artifact)
    assert observations.cells == (CELL,)
    assert observations.sensors == {"s2": S2}
    values, valid = observations.read("c", "s2", STORED)
    np.testing.assert_array_equal(valid, VALID)
    np.testing.assert_array_equal(values, np.where(VALID[..., None], VALUES, 0))
    assert not values.flags.owndata  # mapped, not read


def test_the_tables_are_sorted_and_typed(artifact):
    observations = Observations.open(artifact)
    assert observations.table["time"].tolist() == [STORED, LATE]
    assert observations.table["time"].dtype == np.int64
    assert observations.table.loc[0, ["orbit", "checks"]].tolist() == ["022", "odd"]
    assert "reason" not in observations.table
    expected = ["same time as another", NO_VALID_PIXEL]
    assert observations.quarantine["reason"].tolist() == expected
    assert observations.truth is None


def test_acquisitions_without_a_valid_pixel_stay_on_the_time_line(artifact):
    observations = Observations.open(artifact)
    assert observations.times("c", "s2").tolist() == [STORED, LATE]
    assert observations.acquisitions("c", "s2").tolist() == [STORED, CLOUDY, LATE]
    assert observations.acquisitions("c", "other").tolist() == []


def test_eo_learn_reads_an_observation(artifact):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no format that eo-learn calls old
        patch = EOPatch.load(artifact / "cells" / "c" / "s2" / "20200102T100000")
    np.testing.assert_array_equal(patch.data["BANDS"], np.where(VALID[..., None], VALUES, 0)[None])
    np.testing.assert_array_equal(patch.mask["VALID"][0, ..., 0], VALID)
    assert [stamp.isoformat() for stamp in patch.timestamps] == ["2020-01-02T10:00:00"]
    assert tuple(patch.bbox) == CELL.grid.boundingbox.bbox
    assert patch.bbox.crs.value == "32631"
    assert patch.meta_info["observation"]["source"] == f"s2/{STORED}.tif"


def test_two_writings_are_equal_byte_by_byte(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    records = [record(STORED, valid_share=0.5), record(CLOUDY, reason=NO_VALID_PIXEL)]
    truth = gpd.GeoDataFrame(
        {"start": [pd.Timestamp("2020-01-01")], "end": [pd.Timestamp("2020-02-01")]},
        geometry=[box(0, 0, 1, 1)],
        crs="EPSG:32631",
    )
    one = write(tmp_path / "one", records, truth=truth)
    two = write(tmp_path / "two", records[::-1], truth=truth)
    hashes = [Observations.open(folder).manifest.content_hash for folder in (one, two)]
    assert hashes[0] == hashes[1]
    names = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    for name in names:
        if name.name != "manifest.json":  # it also holds a record of the run
            assert (one / name).read_bytes() == (two / name).read_bytes(), name
    read = Observations.open(one).truth
    assert read["start"].dtype == "datetime64[ms]"
    assert read.crs.to_epsg() == 32631


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record(STORED, valid_share=0.5)] * 2, "times that are unique"),
        ([record(STORED, valid_share=0.0)], "valid shares above 0"),
    ],
)
def test_broken_invariants_are_refused(tmp_path, monkeypatch, records, message):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    with pytest.raises(ContractError, match=message):
        Observations.open(write(tmp_path / "broken", records))


def test_a_missing_observation_is_named(artifact):
    observations = Observations.open(artifact)
    with pytest.raises(ContractError, match=r"20200103T100000.*python -m components\.fetch"):
        observations.read("c", "s2", CLOUDY)


def test_arrays_that_do_not_fit_the_cell_are_refused(artifact):
    observations = Observations.open(artifact)
    mask = artifact / "cells" / "c" / "s2" / "20200102T100000" / "mask" / "VALID.npy"
    np.save(mask, np.ones((1, 3, 3, 1), bool))
    with pytest.raises(ContractError, match=r"expected shape \(7, 8, 2\)"):
        observations.read("c", "s2", STORED)
    with pytest.raises(ContractError, match=r"VALID\.npy: expected \d+ bytes"):
        Observations.open(artifact)


def test_the_manifest_is_json_without_surprises(artifact):
    content = json.loads((artifact / "manifest.json").read_text())["content"]
    assert content["contract"] == "observations"
    assert {"observations.parquet", "quarantine.parquet"} <= {name for name, *_ in content["files"]}
