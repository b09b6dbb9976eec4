"""The analyst's loop by its commands: 200 events, 40 rejected, late scenes, a judged sample.

Everything is real but the network's scores, which are made up: a map of blocks that change, as a
trained network would see them.
"""

import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from odc.geo.geobox import GeoBox
from shapely import box
from typer.testing import CliRunner

from components.evaluate import stage as evaluate
from components.infer.__main__ import app as infer
from components.stack import stage as stack
from components.window import stage as window
from groundshift.artifacts import ArtifactStore, read_manifest, writing
from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.domain.time import DAY
from groundshift.events.objects import EventRule
from groundshift.events.table import WITHDRAWN
from groundshift.observations.store import Record, write_observation, write_tables
from groundshift.products.findings import ScoredMap, survey_cell
from groundshift.products.maps import MapWindow
from groundshift.products.published import Published
from groundshift.settings import parse
from groundshift.tasks.change.infer import summary_of
from pipelines.cli import app as groundshift
from tests.components.made_up import SENSORS, START, WINDOW, make_model
from tests.products.test_review_package import opened

pytestmark = pytest.mark.usefixtures("own_places")

PITCH, EDGE, PER_SIDE = 7, 5, 15
PIXELS = PITCH * PER_SIDE + 7  # whole patches of 8
DAYS, LATE, LENGTH = 300, 350, 60
"""Days of the first run and with late scenes; days of a window."""
EVENTS, REJECTED, LATER = 200, 40, 12
"""Changes of the first run, those of them that an analyst rejects, and changes that come later."""
EVERY = 8  # days from look to look

CORNER = (600_000, 5_600_000)
AREA = {"bounds": [CORNER[0], CORNER[1] - 10 * PIXELS, CORNER[0] + 10 * PIXELS, CORNER[1]],
        "bounds_crs": "EPSG:32631", "halo": 0}  # fmt: skip


def settings_of(stage: str, days: int, **values: Any) -> Any:
    period = {"start": "2017-01-01", "end": str(np.datetime64("2017-01-01") + days)}
    return parse(stage, {"name": "town", "area": AREA, "period": period, stage: values})


def blocks() -> list[tuple[slice, slice, int]]:
    """Rows, columns and day of every change: those of the first run, then the later ones."""
    generator = np.random.default_rng(4)
    places = generator.permutation(PER_SIDE**2)[: EVENTS + LATER]
    days = [*generator.integers(80, 220, EVENTS), *generator.integers(302, 315, LATER)]
    found = []
    for place, day in zip(places.tolist(), days, strict=True):
        top, left = (PITCH * i + 1 for i in divmod(place, PER_SIDE))
        found.append((slice(top, top + EDGE), slice(left, left + EDGE), int(day)))
    return found


def truth() -> gpd.GeoDataFrame:
    """The changes as dated polygons."""
    x, y = CORNER
    shapes = [
        box(x + 10 * columns.start, y - 10 * rows.stop, x + 10 * columns.stop, y - 10 * rows.start)
        for rows, columns, _ in blocks()
    ]
    dates = pd.to_datetime([START + day * DAY for *_, day in blocks()], unit="s")
    known = {"id": [f"block-{n}" for n in range(len(shapes))], "kind": "urban"}
    return gpd.GeoDataFrame(known | {"start": dates, "end": dates}, geometry=shapes,
                            crs="EPSG:32631")  # fmt: skip


def make_observations(folder: Path, days: int) -> None:
    """Looks of both sensors; a block is brighter from the day of its change on."""
    grid = GeoBox.from_bbox(tuple(AREA["bounds"]), crs="EPSG:32631", resolution=10, tight=True)
    cell = Cell(f"town_{PIXELS}x{PIXELS}", grid, 0)
    records = []
    with writing(folder, "observations", area="town", settings={}, inputs={}) as draft:
        for name, sensor in SENSORS.items():
            for day in range(0, days, EVERY):
                generator = np.random.default_rng([day, len(sensor.bands)])
                shape = (PIXELS, PIXELS, len(sensor.bands))
                values = generator.gamma(8, 0.05 / 8, shape).astype(np.float32)
                for rows, columns, since in blocks():
                    if day >= since:
                        values[rows, columns] *= 4
                time = START + day * DAY + 3600
                record = Record(cell.id, name, time, "made up", valid_share=1.0, digest="x")
                valid = np.ones((PIXELS, PIXELS), bool)
                write_observation(draft.folder, draft.scratch, cell.grid, record, values, valid)
                records.append(record)
        write_tables(draft.folder, records, truth())
        draft.summary["cells"] = [cell.to_dict()]
        draft.summary["sensors"] = {n: sensor.to_dict() for n, sensor in SENSORS.items()}


def make_scores(folder: Path, given: dict[str, Path], days: int, seed: int) -> None:
    """The cell's scores artifact, as the network would leave it: high where windows hold a date."""
    (cube,) = Cube.open(given["cube"]).cells.values()
    generator = np.random.default_rng(seed)
    starts = range(START, START + (days - LENGTH) * DAY + 1, 10 * DAY)
    spans = [MapWindow(start, start + LENGTH * DAY) for start in starts]

    def scores() -> Any:
        for number, span in enumerate(spans):
            values = generator.normal(0.05, 0.03, (PIXELS, PIXELS)).clip(0, 1).astype(np.float32)
            for rows, columns, day in blocks():
                if span.start <= START + day * DAY < span.end:
                    values[rows, columns] += 0.8
            yield ScoredMap(number, values)

    contracts = {name: read_manifest(path, name).content_hash for name, path in given.items()}
    rule = EventRule.of(settings_of("infer", days).infer, 0.5)
    with writing(folder, "scores", area="town", settings={}, inputs=contracts) as draft:
        found = survey_cell(
            cube, scores(), dict(enumerate(spans)), folder=draft.folder, scratch=draft.scratch,
            tags={}, values=draft.values, rule=rule,
        )  # fmt: skip
        found.write(draft.folder, [str(seed)] * len(spans))
        draft.summary.update(summary_of([found], found.events, 0.5))


class Town:
    """An area in a store, and the commands that work on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "store"
        ArtifactStore.open(str(self.store))
        self.runs: dict[str, dict[str, Path]] = {}

    def prepare(self, name: str, days: int, seed: int) -> None:
        """The inputs of a run: a cube, its index, and the scores of its cell."""
        own = self.folder / name
        observations, cube, samples = (own / kind for kind in ("observations", "cube", "samples"))
        make_observations(observations, days)
        chosen = settings_of("stack", days, step="8d", radar=["s1"], optical="s2")
        stack.run(chosen, observations=observations, cube=cube)
        split = {"block": 56, "buffer": 0}
        settings = settings_of("window", days, **WINDOW | {"min_steps": 6, "split": split})
        window.run(settings, observations=observations, cube=cube, samples=samples)
        given = {"cube": cube, "samples": samples}
        if self.runs:
            first = next(iter(self.runs.values()))
            given |= {kind: first[kind] for kind in ("model", "evaluation")}
        else:
            given["model"] = make_model(self.folder / "model", cube, samples)
            given["evaluation"] = self.folder / "evaluation"
            judged = settings_of(
                "evaluate", days, threshold=0.5, baselines=False, bootstrap=2, stride=500
            )
            evaluate.run(judged, **given)
        make_scores(own / "scores", given, days, seed)
        self.runs[name] = given | {"scores": own / "scores"}

    def run(self, name: str, days: int) -> gpd.GeoDataFrame:
        """The infer stage's command, which publishes: all events that it tells of, by id."""
        chosen = settings_of("infer", days, page=False, series=False).model_dump_json()
        options = [part for kind in ("cube", "samples", "model", "evaluation", "scores")
                   for part in (f"--{kind}", str(self.runs[name][kind]))]  # fmt: skip
        maps = ["--store", str(self.store), "--maps", str(self.folder / name / "maps")]
        command(infer, "--settings", chosen, *options, *maps)
        return self.published.events.set_index("id")

    @property
    def published(self) -> Published:
        return Published.of(ArtifactStore.open(str(self.store)), "town")

    def review(self, *words: object) -> str:
        return command(groundshift, "review", *map(str, words), "--store", str(self.store))


def command(app: Any, *words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return Town(tmp_path_factory.mktemp("town"))


def judge(path: Path, changed: Callable[[Any], str]) -> None:
    """Fill in a sample: the year in which each pixel changed, as somebody would who knows."""
    table = gpd.read_file(path, layer="sample")
    with closing(opened(path)) as database, database:
        for unit, geometry in zip(table["unit"], table.geometry, strict=True):
            answer = (changed(geometry.centroid), unit)
            database.execute("UPDATE sample SET year = ? WHERE unit = ?", answer)


def test_rejected_events_stay_quiet_ids_last_and_a_sample_tells_the_area(town: Town) -> None:
    town.prepare("first", DAYS, seed=1)
    first = town.run("first", DAYS)
    assert len(first) == EVENTS
    assert first["news"].all()

    # An analyst rejects 40 of them in QGIS.
    package = town.folder / "review.gpkg"
    cube = town.runs["first"]["cube"]
    assert "200 events to review" in town.review("export", "town", "--to", package, "--cube", cube)
    rewarding = gpd.read_file(package, layer="events").sort_values("rank")
    weight = rewarding["area_m2"] * rewarding["score"] * rewarding["uncertainty"].fillna(1)
    assert weight.is_monotonic_decreasing
    assert rewarding["chip"].map(len).min() > 1000
    rejected = set(rewarding["id"].sample(REJECTED, random_state=2))
    with closing(opened(package)) as database, database:
        for event in rejected:
            database.execute("UPDATE events SET verdict = 'rejected' WHERE id = ?", (event,))
    assert "40 rejected; 40 reviews in all" in town.review("import", package, "--by", "ada")

    # The next monitoring run sees late scenes, by which every score is another.
    town.prepare("second", LATE, seed=2)
    second = town.run("second", LATE)
    standing = second[second["state"] != WITHDRAWN]
    assert set(first.index) <= set(standing.index), "every event is found again under its id"
    assert len(standing) == EVENTS + LATER
    assert set(standing.index[standing["news"]]) == set(standing.index) - set(first.index)
    assert set(standing.index[standing["review_verdict"] == "rejected"]) == rejected
    assert not standing.loc[list(rejected), "news"].any()
    shift = (standing.loc[first.index, "date"] - first["date"]).abs().dt.days
    assert shift.median() <= EVERY

    # A sample of pixels is judged; the next run's report tells the true area beside the mapped one.
    sample, known = town.folder / "sample.gpkg", truth()
    town.review("sample", "town", "--to", sample, "--units", 300)
    judge(sample, lambda place: "2017" if known.contains(place).any() else "none")
    said = json.loads(town.review("import", sample).splitlines()[-1])
    area = said["square_metres"]["2017"]
    assert area["low"] <= known.area.sum() <= area["high"]
    before = (town.published.folder / "report.html").read_text()
    assert "needs a sample that somebody judged" in before
    town.run("second", LATE)
    report = re.sub(r"<[^>]+>", " ", (town.published.folder / "report.html").read_text())
    assert f"{area['low'] / 1e4:.2f} to {area['high'] / 1e4:.2f}" in report
    assert "judged pixels of a stratified random sample" in report
