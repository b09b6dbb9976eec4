from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from groundshift.artifacts import Draft, ValueHash
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.errors import SourceError
from groundshift.observations.intake import (
    NO_OVERLAP,
    Intake,
    hash_values,
    require_observations,
)
from groundshift.observations.planting import Plan, PlantedChange
from groundshift.observations.sources.base import Acquisition, Image
from groundshift.observations.store import NO_VALID_PIXEL, observation_path

GRID = GeoBox.from_bbox((600000, 5600000, 600080, 5600060), crs="EPSG:32631", resolution=10)
CELLS = (Cell("west", GRID[:, :4], 0), Cell("east", GRID[:, 4:], 0))
SENSOR = Sensor("s1", "radar", "sentinel1", ("VV",), units="linear power")
DAY = 86400


@dataclass
class Scene:
    """An image of one value over some columns of both cells."""

    value: float
    columns: range
    footprint: str = "600000, 5600000, 600080, 5600060 in EPSG:32631"

    def read(self, grid):
        first = 0 if grid.boundingbox.left < 600040 else 4
        valid = np.zeros(grid.shape, bool)
        valid[:, [c - first for c in self.columns if first <= c < first + 4]] = True
        values = np.full((*grid.shape, 1), self.value, np.float32) + np.arange(4)[:, None] / 100
        return Image(values * valid[..., None], valid) if self.columns else None

    def mask_numbers(self, grid):
        return "8, 9"


@dataclass
class Source:
    scenes: dict[Acquisition, Scene]
    sensors: dict[str, Sensor] = field(default_factory=lambda: {"s1": SENSOR})
    opened: int = 0
    settings_key: str = "fetch.files"

    @property
    def acquisitions(self):
        return sorted(self.scenes, key=lambda item: (item.sensor, item.time, item.source))

    def open(self, acquisition):
        self.opened += 1
        return nullcontext(self.scenes[acquisition])


def acquisition(day, source="a.tif", **values):
    return Acquisition("s1", day * DAY, source, **values)


@pytest.fixture
def draft(tmp_path):
    for name in ("content", "scratch"):
        (tmp_path / name).mkdir()
    return Draft(tmp_path / "content", tmp_path / "scratch")


def take(source, draft, plan=None, workers=1):
    intake = Intake(source, CELLS, draft, plan)
    return [record for instant in intake.run(workers) for record in instant]


def load(draft, cell, day):
    folder = draft.folder / observation_path(cell, "s1", day * DAY)
    return np.load(folder / "data" / "BANDS.npy")[0, ..., 0]


def test_each_cell_gets_its_own_observation_or_reason(draft):
    source = Source(
        {
            acquisition(1): Scene(0.1, range(8)),
            acquisition(2): Scene(0.2, range(2)),
            acquisition(3): Scene(0.3, range(0)),
            acquisition(4, problem="no file b.tif"): Scene(0.4, range(8)),
        }
    )
    records = take(source, draft)
    assert [(r.cell, r.time // DAY, r.valid_share, r.reason) for r in records] == [
        ("west", 1, 1.0, ""),
        ("east", 1, 1.0, ""),
        ("west", 2, 0.5, ""),
        ("east", 2, 0.0, NO_VALID_PIXEL),
        ("west", 3, 0.0, NO_OVERLAP),
        ("east", 3, 0.0, NO_OVERLAP),
        ("west", 4, 0.0, "no file b.tif"),
        ("east", 4, 0.0, "no file b.tif"),
    ]
    assert source.opened == 3
    np.testing.assert_allclose(load(draft, "west", 2)[0], [0.2, 0.21, 0, 0], rtol=1e-6)
    assert not (draft.folder / observation_path("east", "s1", 2 * DAY)).exists()


def test_of_two_images_of_one_instant_the_fuller_one_is_kept_in_each_cell(draft):
    source = Source(
        {
            acquisition(1, "left.tif"): Scene(0.1, range(5)),
            acquisition(1, "right.tif"): Scene(0.2, range(3, 8)),
        }
    )
    records = take(source, draft)
    reasons = {(r.cell, r.source): r.reason for r in records}
    assert reasons["west", "left.tif"] == reasons["east", "right.tif"] == ""
    assert reasons["west", "right.tif"].startswith("duplicate: same time as left.tif")
    assert reasons["east", "left.tif"].startswith("duplicate: same time as right.tif")
    assert load(draft, "east", 1)[0, 0] == np.float32(0.2)


def test_of_equals_the_first_is_kept(draft):
    scenes = {acquisition(1, name): Scene(0.1, range(8)) for name in ("b.tif", "a.tif")}
    kept = [record.source for record in take(Source(scenes), draft) if not record.reason]
    assert kept == ["a.tif", "a.tif"]


def test_a_second_run_continues_where_the_first_was_stopped(draft):
    scenes = {acquisition(day): Scene(day / 100, range(8)) for day in range(1, 21)}
    source = Source(scenes)
    intake = Intake(source, CELLS, draft).run(1)
    first = [next(intake), next(intake)]
    intake.close()
    done = source.opened
    records = take(source, draft)
    assert records[:4] == [record for instant in first for record in instant]
    assert 2 <= done < 20  # a few are read ahead
    assert source.opened == 20  # none twice
    assert len(records) == 40


def test_a_half_written_observation_is_written_again(draft):
    source = Source({acquisition(1): Scene(0.1, range(8))})
    stale = draft.folder / observation_path("west", "s1", DAY) / "data"
    stale.mkdir(parents=True)
    (stale / "BANDS.npy").write_bytes(b"half")
    take(source, draft)
    assert load(draft, "west", 1).shape == (6, 4)


def test_the_number_of_threads_does_not_show(draft, tmp_path):
    scenes = {acquisition(day): Scene(day / 10, range(day)) for day in range(1, 9)}
    one = take(Source(scenes), draft)
    other = Draft(tmp_path / "other", tmp_path / "other_scratch")
    for folder in (other.folder, other.scratch):
        folder.mkdir()
    assert take(Source(scenes), other, workers=4) == one


def test_the_value_hash_depends_on_values_and_not_on_order(draft):
    scenes = {acquisition(day): Scene(day / 10, range(8)) for day in (1, 2)}
    records = take(Source(scenes), draft)

    def hashed(rows):
        values = ValueHash()
        hash_values(rows, values)
        return values.hexdigest()

    assert hashed(records) == hashed(records[::-1])
    assert hashed(records) != hashed([replace(records[0], digest="x"), *records[1:]])
    assert hashed([replace(records[0], checks="odd"), *records[1:]]) == hashed(records)


def test_changes_are_planted_before_anything_is_counted(draft):
    target = box(600000, 5600040, 600020, 5600060)  # upper left 2 x 2 pixels of the west cell
    plan = Plan(
        (PlantedChange("c", "urban", target, 20, 0, date(1970, 1, 3), date(1970, 1, 3), 1.0, 0),),
        "EPSG:32631",
    )
    scenes = {acquisition(day): Scene(0.1, range(8)) for day in (1, 2)}
    take(Source(scenes), draft, plan)
    before, after = load(draft, "west", 1), load(draft, "west", 2)
    np.testing.assert_allclose(before[0], [0.1, 0.11, 0.12, 0.13], rtol=1e-6)
    np.testing.assert_allclose(after[0], [0.12, 0.13, 0.12, 0.13], rtol=1e-6)
    np.testing.assert_array_equal(after[2:], before[2:])


def test_a_sensor_without_an_overlapping_image_is_an_error_that_names_both_places(draft):
    source = Source({acquisition(1): Scene(0.1, range(0))})
    with pytest.raises(
        SourceError, match=r"no image overlaps .*a\.tif covers 600000.*600000, 5\.6"
    ):
        require_observations(source, CELLS, take(source, draft))


def test_a_sensor_without_a_valid_pixel_is_an_error_that_tells_what_the_mask_holds(draft):
    source = Source({acquisition(1): Scene(0.1, range(8, 9))})
    with pytest.raises(SourceError, match=r"none of 1 acquisitions .*1970-01-02.*8, 9"):
        require_observations(source, CELLS, take(source, draft))


def test_a_sensor_without_a_complete_acquisition_is_an_error(draft):
    source = Source({acquisition(1, problem="no file b.tif"): Scene(0.1, range(8))})
    with pytest.raises(SourceError, match=r"no acquisition is complete: no file b\.tif"):
        require_observations(source, CELLS, take(source, draft))


def test_a_damaged_image_stops_the_run(draft):
    @contextmanager
    def damaged(_):
        raise SourceError("a.tif can't be read")
        yield

    source = Source({acquisition(day): Scene(0.1, range(8)) for day in (1, 2)})
    source.open = damaged
    with pytest.raises(SourceError, match=r"a\.tif can't be read"):
        take(source, draft, workers=2)
