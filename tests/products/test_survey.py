"""A pass over cells' scores: maps, events with dates, what a page needs."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

from groundshift.artifacts import ValueHash
from groundshift.cube.store import CellCube, Cube
from groundshift.domain.time import DAY
from groundshift.errors import ContractError
from groundshift.events.objects import EventRule
from groundshift.products.canvas import Canvas
from groundshift.products.findings import LISTED, CellFindings, ScoredMap, strongest, survey_cell
from groundshift.products.maps import (
    MapWindow,
    aggregate_path,
    read_layers,
    read_map,
    score_path,
)
from groundshift.products.objects_io import read_objects, write_objects
from groundshift.products.survey import Survey
from tests.products.conftest import CHANGE, CHANGED, PERIOD, seconds

LENGTH = 90 * DAY
WINDOWS = {
    7 + number: MapWindow(start, start + LENGTH)
    for number, start in enumerate(range(seconds(PERIOD[0]), seconds(PERIOD[1]) - LENGTH, 20 * DAY))
}
"""Windows by id, which need not begin at 0."""


def scores_of(cell_cube: CellCube, spread: float | None = None) -> Iterator[ScoredMap]:
    """High scores where the ground changed, in the windows that hold the date.

    Of an ensemble with a spread, which is five times as large there.
    """
    for window_id, window in WINDOWS.items():
        score = np.full(cell_cube.cell.core.shape, 0.1, np.float32)
        if cell_cube.cell.id == "west" and window.start <= seconds(CHANGE) < window.end:
            score[CHANGED] = 0.9
        layers = {} if spread is None else {"spread": np.where(score > 0.5, 5 * spread, spread)}
        yield ScoredMap(window_id, score, layers=layers)


def find(
    cell_cube: CellCube,
    folder: Path,
    scratch: Path,
    scores: Iterable[ScoredMap] | None = None,
    threshold: float = 0.5,
) -> CellFindings:
    """What is found in one cell."""
    return survey_cell(
        cell_cube,
        scores_of(cell_cube) if scores is None else scores,
        WINDOWS,
        folder=folder,
        scratch=scratch,
        tags={},
        values=ValueHash(),
        rule=EventRule(threshold, 0.7 * threshold, 4, confirm=2),
    )


def make_survey(
    cube: Cube,
    folder: Path,
    scratch: Path,
    threshold: float = 0.5,
    spread: float | None = None,
) -> Survey:
    """A survey of both cells."""
    cells = cube.cells.values()
    findings = [
        find(cell_cube, folder, scratch, scores_of(cell_cube, spread), threshold)
        for cell_cube in cells
    ]
    canvas = Canvas.over((cell_cube.cell for cell_cube in cells), 100)
    return Survey(folder, findings, canvas, threshold)


def test_an_event_is_outlined_and_dated(cube: Cube, tmp_path: Path) -> None:
    survey = make_survey(cube, tmp_path / "maps", tmp_path)
    events = survey.events
    [(_, event)] = events.iterrows()
    assert event["cells"] == "west"
    assert event["direction"] == "builtup_gain"
    assert event["date_from"] <= pd.Timestamp(CHANGE) <= event["date_to"]
    assert event["pixels"] == 150
    assert event["area_m2"] == 15000
    assert abs(event["date"] - pd.Timestamp(CHANGE)) <= pd.Timedelta(days=6)
    west = cube.cells["west"].cell.core.transform
    rows, columns = CHANGED
    corners = [west * (columns.start, rows.stop), west * (columns.stop, rows.start)]
    assert event.geometry.equals(shapely.box(*corners[0], *corners[1]))


def test_every_map_is_written_and_nothing_is_left_over(cube: Cube, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    survey = make_survey(cube, tmp_path / "maps", scratch)
    for cell_cube in cube.cells.values():
        assert survey.windows[cell_cube.cell] == tuple(WINDOWS.values())
        for scored in scores_of(cell_cube):
            path = score_path(tmp_path / "maps", cell_cube.cell, WINDOWS[scored.window])
            np.testing.assert_array_equal(read_map(path), scored.score)
        assert aggregate_path(tmp_path / "maps", cell_cube.cell, "maximum").is_file()
    assert list(scratch.iterdir()) == []


def test_the_spread_of_an_ensemble_makes_events_uncertain(cube: Cube, tmp_path: Path) -> None:
    survey = make_survey(cube, tmp_path / "maps", tmp_path, spread=0.02)
    assert survey.events["uncertainty"].item() == pytest.approx(0.1)
    path = aggregate_path(tmp_path / "maps", cube.cells["west"].cell, "maximum")
    greatest = read_layers(path)["spread"]
    assert greatest[CHANGED] == pytest.approx(0.1)
    assert greatest[0, 0] == pytest.approx(0.02)
    assert list(tmp_path.glob("*.npy")) == []
    alone = make_survey(cube, tmp_path / "single", tmp_path)
    assert np.isnan(alone.events["uncertainty"].item())
    path = aggregate_path(tmp_path / "single", cube.cells["west"].cell, "maximum")
    assert read_layers(path) == {}


def test_what_is_known_of_objects_is_read_back(cube: Cube, tmp_path: Path) -> None:
    west = cube.cells["west"]
    objects = find(west, tmp_path / "maps", tmp_path, scores_of(west, 0.02)).objects
    assert objects is not None
    write_objects(tmp_path, objects, "EPSG:32631")
    [part], [again] = objects.parts, read_objects(tmp_path).parts
    np.testing.assert_array_equal(again.course.mean, part.course.mean)
    np.testing.assert_array_equal(again.course.layer("spread"), part.course.layer("spread"))
    assert np.isfinite(again.course.layer("spread")).all()


def test_pictures_and_courses_follow_the_scores(cube: Cube, tmp_path: Path) -> None:
    survey = make_survey(cube, tmp_path / "maps", tmp_path)
    rows, columns = CHANGED
    assert (survey.score[rows, columns] == np.float32(0.9)).all()
    assert (survey.score[:, 50:] == np.float32(0.1)).all()
    [course] = survey.courses.values()
    assert list(survey.courses) == list(survey.events["id"])
    expected = [0.9 if w.start <= seconds(CHANGE) < w.end else 0.1 for w in course.windows]
    np.testing.assert_allclose(course.scores, expected, rtol=1e-5)
    held = [w for w in WINDOWS.values() if w.start <= seconds(CHANGE) < w.end]
    assert {w for w, area in survey.hectares.items() if area} == set(held)
    assert survey.hectares[held[0]] == pytest.approx(1.5)


def test_scores_of_other_windows_are_refused(cube: Cube, tmp_path: Path) -> None:
    cell_cube = cube.cells["west"]
    *fewer, last = scores_of(cell_cube)
    for wrong in (fewer, [last, *fewer], [*fewer, last, last]):
        with pytest.raises(ContractError, match="expected scores of windows"):
            find(cell_cube, tmp_path / "maps", tmp_path, wrong)


def test_a_map_that_is_written_already_is_shared(cube: Cube, tmp_path: Path) -> None:
    cell_cube = cube.cells["west"]
    first = find(cell_cube, tmp_path / "first", tmp_path)
    paths = [score_path(tmp_path / "first", cell_cube.cell, w) for w in WINDOWS.values()]
    again = (
        replace(scored, written=path)
        for scored, path in zip(scores_of(cell_cube), paths, strict=True)
    )
    second = find(cell_cube, tmp_path / "second", tmp_path, again)
    assert second.value_hash == first.value_hash
    for path in paths:
        assert path.samefile(tmp_path / "second" / path.relative_to(tmp_path / "first"))


def test_the_strongest_events_come_first(cube: Cube, tmp_path: Path) -> None:
    event = make_survey(cube, tmp_path / "maps", tmp_path).events
    many = event.loc[event.index.repeat(LISTED + 5)].reset_index(drop=True)
    many["pixels"] = np.arange(len(many)) + 1
    listed = strongest(many)
    assert len(listed) == LISTED
    assert list(listed["pixels"]) == list(range(len(many), len(many) - LISTED, -1))
