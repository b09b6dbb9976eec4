"""Events and samples as GeoPackages: written, filled in as with QGIS, read back."""

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from groundshift.artifacts import ArtifactStore, writing
from groundshift.artifacts.store import Reference
from groundshift.artifacts.writing import link_tree
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.events.reviews import CLASSES, VERDICTS, read_reviews, reviews_of
from groundshift.events.table import typed
from groundshift.events.tracking import quieten
from groundshift.products.events_io import write_events
from groundshift.products.published import Published
from groundshift.products.review_package import (
    read_events_package,
    write_events_package,
    write_layer,
)
from groundshift.products.sampling import JudgedSample, read_sample, strata_of
from pipelines.cli import app
from tests.products.test_survey import make_survey


@pytest.fixture
def maps(cube: Cube, tmp_path: Path) -> Path:
    """Published maps beside their cube, with the one event that there is."""
    folder = tmp_path / "town" / "maps"
    with writing(folder, "maps", area="town", settings={}, inputs={}) as draft:
        survey = make_survey(cube, draft.folder, draft.scratch)
        write_events(draft.folder, survey.table)
        draft.summary["cells"] = [found.cell.to_dict() for found in survey.findings]
    link_tree(cube.folder, tmp_path / "town" / "cube")
    return folder


def invoke(*words: object) -> str:
    """Run a command that succeeds."""
    done = CliRunner().invoke(app, ["review", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refused(*words: object) -> str:
    done = CliRunner().invoke(app, ["review", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 2
    return done.output


def opened(path: Path) -> sqlite3.Connection:
    """A package opened as by GDAL, which knows the functions that its triggers call."""
    database = sqlite3.connect(path)
    for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
        database.create_function(name, 1, lambda _: 0)
    return database


def fill_in(path: Path, layer: str, **values: object) -> None:
    """What an analyst does: set columns of all rows and save."""
    with closing(opened(path)) as database, database:
        for name, value in values.items():
            database.execute(f'UPDATE {layer} SET "{name}" = ?', (value,))


def test_a_package_opens_with_its_style_form_and_pictures(maps: Path, tmp_path: Path) -> None:
    path = tmp_path / "out" / "town.gpkg"
    assert "1 events to review" in invoke("export", maps, "--to", path)
    table = gpd.read_file(path, layer="events")
    assert table.crs.to_epsg() == 32631
    [row] = table.itertuples()
    assert (row.rank, row.area_m2, row.verdict) == (1, 15000, None)
    assert row.geometry.geom_type == "MultiPolygon"
    with closing(sqlite3.connect(path)) as database:
        [(chip,)] = database.execute("SELECT chip FROM events")
        styles = database.execute("SELECT f_table_name, styleQML, useAsDefault FROM layer_styles")
        [(layer, qml, default)] = styles
        contents = dict(database.execute("SELECT table_name, data_type FROM gpkg_contents"))
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert contents == {
        "events": "features",
        "layer_styles": "attributes",
        "groundshift": "attributes",
    }
    assert (layer, default) == ("events", 1)
    style = ET.fromstring(qml.split("\n", 1)[1])
    assert style.find("renderer-v2").get("attr") == "verdict"
    symbols = {symbol.get("name") for symbol in style.iter("symbol")}
    assert {category.get("symbol") for category in style.iter("category")} == symbols
    lists = {
        field.get("name"): [
            option.get("value") for option in field.iter("Option") if option.get("value")
        ]
        for field in style.iter("field")
        if field.find("editWidget").get("type") == "ValueMap"
    }
    assert lists == {"verdict": list(VERDICTS), "class": list(CLASSES)}
    picture = np.asarray(Image.open(io.BytesIO(chip)))
    before, after = picture[:, : picture.shape[1] // 2], picture[:, picture.shape[1] // 2 :]
    # A dark field became a bright roof.
    assert after[70:100, 70:100].mean() > before[70:100, 70:100].mean() + 50


def test_verdicts_come_back_survive_and_keep_events_quiet(maps: Path, tmp_path: Path) -> None:
    path, table = tmp_path / "town.gpkg", tmp_path / "reviews.json"
    invoke("export", maps, "--to", path)
    fill_in(path, "events", verdict="rejected", **{"class": "farming", "at": "2018-02-03T10:00:00"})
    assert "1 rejected; 1 reviews in all" in invoke("import", path, "--to", table, "--by", "ada")
    reviews = reviews_of(read_reviews(table), "")
    [review] = reviews.itertuples()
    assert (review.verdict, review.by) == ("rejected", "ada")
    assert review.at == pd.Timestamp("2018-02-03T10:00")
    events = Published.open(maps).events
    assert review.geometry.equals(events.geometry.item())
    assert review.date == events["date"].item()
    quiet = quieten(events, reviews, 0)
    assert (quiet["review_verdict"].item(), bool(quiet["news"].item())) == ("rejected", False)
    # Exported again, what was said is filled in; an empty package changes nothing.
    fill_in(path, "events", verdict=None)
    assert "no verdict; 1 reviews in all" in invoke("import", path, "--to", table)


def test_rows_that_make_no_sense_change_nothing(maps: Path, tmp_path: Path) -> None:
    path, table = tmp_path / "town.gpkg", tmp_path / "reviews.json"
    invoke("export", maps, "--to", path)
    fill_in(path, "events", verdict="maybe")
    message = refused("import", path, "--to", table, "--by", "ada")
    assert "row 1 (ev-" in message
    assert "found 'maybe'" in message
    fill_in(path, "events", verdict="accepted", id="ev-other")
    assert "unknown id" in refused("import", path, "--to", table, "--by", "ada")
    assert not table.exists()


def test_other_files_are_refused(maps: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.gpkg"
    assert "expected a GeoPackage" in refused("import", path)
    write_layer(path, "events", [], {"id": "str"}, "EPSG:32631", geometry="Polygon")
    assert "expected a package that groundshift" in refused("import", path)
    invoke("export", maps, "--to", path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute('ALTER TABLE events DROP COLUMN "verdict"')
    with pytest.raises(ContractError, match="found no verdict"):
        read_events_package(path)
    assert "expected a folder of maps" in refused("export", tmp_path / "no", "--to", path)


def test_an_area_of_a_store_is_reviewed_in_the_store(maps: Path, tmp_path: Path) -> None:
    store = ArtifactStore.open(str(tmp_path / "store"))
    with store.incoming() as incoming:
        link_tree(maps, incoming / "maps")
        reference: Reference = store.adopt(incoming / "maps", "maps")
    store.publish("town", {}, (), reference)
    path = tmp_path / "town.gpkg"
    said = invoke("export", "town", "--store", store.root, "--to", path)
    assert "without pictures" in said
    fill_in(path, "events", verdict="accepted", by="bo")
    invoke("import", path, "--store", store.root)
    assert reviews_of(store.reviews("town"), "")["by"].tolist() == ["bo"]
    assert "expected published maps" in refused(
        "export", "village", "--store", store.root, "--to", path
    )


def test_a_sample_is_drawn_blind_and_stands_for_an_area(maps: Path, tmp_path: Path) -> None:
    path = tmp_path / "sample.gpkg"
    published = Published.open(maps)
    said = invoke("sample", maps, "--to", path, "--units", 200, "--least", 40)
    assert said.endswith("120 of no change, 40 of beside change, 40 of 2017\n")
    table = gpd.read_file(path, layer="sample")
    assert set(table.columns) == {"unit", "year", "by", "geometry"}
    assert (table.area == 100).all()
    assert not table.geometry.duplicated().any()
    inside = table.within(published.events.geometry.item())
    assert inside.sum() == 40
    assert not inside.iloc[: inside.sum()].all()  # in random order
    with closing(opened(path)) as database, database:
        for unit, changed in zip(table["unit"], inside, strict=True):
            answer = "2017" if changed else "none"
            database.execute("UPDATE sample SET year = ? WHERE unit = ?", (answer, unit))
    kept = tmp_path / "reviews.json"
    document = json.loads(invoke("import", path, "--to", kept).splitlines()[-1])
    assert document["units"] == len(table)
    assert document["square_metres"]["2017"]["area"] == pytest.approx(15000)
    sample = JudgedSample.of(read_reviews(kept))
    assert (sample.units, sample.maps) == (len(table), published.manifest.content_hash)
    # Reviews of events and the sample's areas lie side by side, and neither drives the other out.
    invoke("export", maps, "--to", tmp_path / "events.gpkg")
    fill_in(tmp_path / "events.gpkg", "events", verdict="rejected", by="ada")
    invoke("import", tmp_path / "events.gpkg", "--to", kept)
    assert JudgedSample.of(read_reviews(kept)) == sample
    invoke("import", path, "--to", kept)
    assert len(reviews_of(read_reviews(kept), "")) == 1
    strata = strata_of(published.folder, published.cells, published.events)
    assert strata.pixels()["2017"] == 150
    assert sum(strata.pixels().values()) == 2 * 40 * 50


def test_answers_to_a_sample_are_checked(maps: Path, tmp_path: Path) -> None:
    path = tmp_path / "sample.gpkg"
    invoke("sample", maps, "--to", path, "--units", 60, "--least", 10)
    with pytest.raises(ContractError, match="judged units per stratum"):
        read_sample(path)
    fill_in(path, "sample", year="last year")
    assert "expected a year, none or unsure, found 'last year'" in refused("import", path)


def test_the_same_seed_draws_the_same_pixels(maps: Path, tmp_path: Path) -> None:
    drawn = []
    for seed in (0, 0, 1):
        path = tmp_path / "sample.gpkg"
        invoke("sample", maps, "--to", path, "--units", 60, "--least", 10, "--seed", seed)
        drawn.append(gpd.read_file(path).geometry.to_wkt().tolist())
    assert drawn[0] == drawn[1] != drawn[2]


def test_of_two_alike_the_more_uncertain_event_comes_first(maps: Path, tmp_path: Path) -> None:
    [event] = gpd.read_parquet(maps / "events.parquet").to_dict("records")
    doubts = {"sure": 0.02, "unsure": 0.2}
    rows = [event | {"id": name, "uncertainty": doubt} for name, doubt in doubts.items()]
    crs = gpd.read_parquet(maps / "events.parquet").crs
    path = tmp_path / "two.gpkg"
    write_events_package(path, typed(gpd.GeoDataFrame(rows, crs=crs)), about={}, cubes={})
    table = gpd.read_file(path, layer="events").sort_values("rank")
    assert table["id"].tolist() == ["unsure", "sure"]
    assert table["uncertainty"].tolist() == [0.2, 0.02]
