"""The fetch stage on a STAC API: complete, resumed, repeated, planned, secret."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from components.fetch import planning
from components.fetch.__main__ import app
from components.fetch.stage import run
from components.stack import stage as stack
from groundshift.cube.store import Cube
from groundshift.domain.signature import Stream
from groundshift.errors import BudgetError, SourceError
from groundshift.observations.sources.stac.offers import PLANETARY_COMPUTER
from groundshift.observations.store import Observations
from groundshift.settings import parse
from tests.stac import city
from tests.stac.fixtures import BANDS, RADAR, S2, settings_for
from tests.stac.service import KEY, SECRET

pytestmark = pytest.mark.usefixtures("own_work")

ROOT = Path(__file__).parents[2]
SENSORS = RADAR | {"s2": S2}


@pytest.fixture
def planetary(api):
    """The Planetary Computer with some scenes of three sensors."""
    api.products = [*city.sentinel1(days=2), *city.sentinel2(PLANETARY_COMPUTER, days=3)]
    api.signed = True
    return api


def asked(api, **changes):
    return settings_for(api, "planetary_computer", SENSORS, **changes)


def fetch(folder, settings, **options):
    run(settings, observations=folder, **options)
    return Observations.open(folder)


def test_all_sensors_become_observations_and_a_cube_with_their_signature(planetary, tmp_path):
    settings = asked(planetary)
    planetary.faults, planetary.stall = (lambda: "slow"), 0.01
    observations = fetch(tmp_path / "observations", settings)
    (cell,) = observations.cells
    assert {name: len(observations.times(cell.id, name)) for name in observations.sensors} == {
        "s1_asc": 2,
        "s1_des": 2,
        "s2": 3,
    }
    assert set(Counter(planetary.asked).values()) == {1}
    assert planetary.most_at_once > 1
    values = json.loads(settings.model_dump_json(exclude={"fetch"}))
    values["stack"] = {"radar": ["s1_asc", "s1_des"], "optical": "s2"}
    cube = tmp_path / "cube"
    stack.run(parse("stack", values), observations=tmp_path / "observations", cube=cube)
    radar = {"mission": "sentinel1", "bands": ("VV", "VH"), "level": "RTC"}
    radar |= {"units": "linear power", "coefficient": "gamma0_terrain"}
    assert Cube.open(cube).signature.streams == (
        Stream("radar_a", **radar),
        Stream("radar_b", **radar),
        Stream("optical", "sentinel2", tuple(BANDS), level="L2A", units="reflectance"),
    )


def test_a_later_run_asks_only_for_what_is_new(planetary, tmp_path):
    folder, held = tmp_path / "observations", planetary.products
    new = [product for product in held if product.collection == "sentinel-2-l2a"][-2:]
    planetary.products = [product for product in held if product not in new]
    before = fetch(folder, asked(planetary))
    planetary.asked.clear()

    planetary.products = held
    after = fetch(folder, asked(planetary), earlier=folder)
    assert {path.split("/")[1] for path, _ in planetary.asked} == {each.id for each in new}
    assert set(before.table["digest"]) < set(after.table["digest"])
    whole = fetch(tmp_path / "whole", asked(planetary))
    assert after.manifest.content_hash == whole.manifest.content_hash


def test_what_was_reprocessed_is_loaded_again_and_what_was_withdrawn_is_gone(planetary, tmp_path):
    folder = tmp_path / "observations"
    fetch(folder, asked(planetary))
    planetary.asked.clear()
    again = [product for product in planetary.products if "S2B_" in product.id][:2]
    for product in again:
        later = product.id.replace("_N0500_", "_N0511_")
        product.id = later
        product.properties |= {"s2:product_uri": later, "s2:processing_baseline": "05.11"}
        product.files["B02"].pixels = product.files["B02"].pixels + np.uint16(1)
    gone = [product for product in planetary.products if product.collection == "sentinel-1-rtc"]
    gone = [product for product in gone if product.properties["sat:orbit_state"] == "descending"]
    planetary.products = [each for each in planetary.products if each not in gone[:2]]
    after = fetch(folder, asked(planetary), earlier=folder)
    assert {path.split("/")[1] for path, _ in planetary.asked} == {each.id for each in again}
    assert after.table.groupby("sensor").size().to_dict() == {"s1_asc": 2, "s1_des": 1, "s2": 3}
    fresh = fetch(tmp_path / "fresh", asked(planetary))
    assert after.manifest.value_hash == fresh.manifest.value_hash


def test_an_older_processing_is_in_quarantine_with_the_newer_ones_name(planetary, tmp_path):
    first, *_ = [each for each in planetary.products if each.collection == "sentinel-2-l2a"]
    (older,) = [
        each
        for each in city.sentinel2(PLANETARY_COMPUTER, days=1)
        if each.properties["grid:code"] == first.properties["grid:code"]
    ]
    older.id = older.id.replace("_N0500_", "_N0300_")
    older.properties |= {"s2:product_uri": older.id, "s2:processing_baseline": "03.00"}
    planetary.products.append(older)
    observations = fetch(tmp_path / "observations", asked(planetary))
    (row,) = observations.quarantine.to_dict("records")
    assert row["product_id"] == older.id
    assert row["reason"] == f"a newer processing is {first.id}"
    assert not any(older.id in path for path, _ in planetary.asked)


def test_an_image_that_is_gone_or_damaged_is_left_out_with_the_reason(planetary, tmp_path):
    one, two = [each for each in planetary.products if "S2B_" in each.id][::2][:2]
    observations = None
    path = planetary.folder / one.path("B03")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no image")
    two.files["B04x"] = two.files["B04"]
    planetary.file = lambda name, held=planetary.file: (
        held("a/b/none") if two.id in name and "B04" in name else held(name)
    )
    observations = fetch(tmp_path / "observations", asked(planetary))
    reasons = observations.quarantine["reason"].tolist()
    assert len(reasons) == 2
    assert any("was loaded 3 times and can't be decoded" in reason for reason in reasons)
    assert any("B04.tif, found none (404" in reason for reason in reasons)
    assert observations.table.groupby("sensor").size()["s2"] == 1


def test_the_plan_is_what_is_loaded(api, tmp_path):
    """Images larger than their tiles, of noise, which no compression makes equally small."""
    api.products = large(days=2)
    api.signed = True
    sensors = {"s2": S2 | {"bands": ["B02", "B11"]}}
    area = {"bounds": (city.LEFT + 3000, city.TOP - 9000, city.LEFT + 8000, city.TOP - 1000)}
    settings = settings_for(api, "planetary_computer", sensors, area=area)
    summary = planning.run(settings, plan=tmp_path / "plan")
    table = pd.read_csv(tmp_path / "plan" / "costs.csv")
    assert api.asked == []
    done = run(settings, observations=tmp_path / "observations")
    assert table["requests"].sum() == len(api.asked)
    (said,) = [note for note in done.notes if "planned" in note]
    assert said.startswith(f"s2: planned {len(api.asked)} requests, 0 units, ")
    assert f"used {len(api.asked)} requests" in said
    assert table["bytes"].sum() == pytest.approx(api.bytes, rel=0.1)
    assert table["units"].sum() == 0
    assert "free of units" in "; ".join(summary.notes)
    planetary_total = sum(
        (api.folder / product.path(key)).stat().st_size
        for product in api.products
        for key in ("B02", "B11", "SCL")
    )
    assert api.bytes < 0.7 * planetary_total  # no overviews, no tiles of other places


def test_a_plan_says_how_long_it_takes_and_what_to_do_instead(planetary, tmp_path):
    summary = planning.run(asked(planetary), plan=tmp_path / "plan")
    costs = pd.read_csv(tmp_path / "plan" / "costs.csv")
    table = pd.read_csv(tmp_path / "plan" / "alternatives.csv").set_index("way")
    own = table.iloc[0]
    assert own.name == "STAC: parts of files from Planetary Computer"
    assert own[["requests", "bytes", "units"]].tolist() == [
        *(costs["requests"].sum(), costs["bytes"].sum(), 0)
    ]
    assert own["minutes"] == pytest.approx(own["bytes"] / 20e6 / 60, abs=0.01)
    assert any(note.startswith(f"{own.name}: 0.0 GB, at least 1 min") for note in summary.notes)
    # Three images of six bands and classes, four of two bands, which cost four times as much.
    units = 80 * 80 / 512**2 / 3 * (3 * 7 + 4 * 2 * 4)
    assert table.loc["Process API", "units"] == pytest.approx(units, abs=1e-3)
    assert table.loc["Process API", "requests"] == 7
    # Two granules or slices of each overpass.
    assert table.loc["whole products from CDSE's S3 (files)", "requests"] == 14


def test_a_run_stops_before_it_loads_more_than_allowed(planetary, tmp_path):
    sensors = {"s2": S2}
    settings = settings_for(planetary, "planetary_computer", sensors)
    planning.run(settings, plan=tmp_path / "plan")
    whole = pd.read_csv(tmp_path / "plan" / "costs.csv")["bytes"].sum() / 1e9
    tight = {"gigabytes": 0.7 * whole}
    limited = settings_for(planetary, "planetary_computer", sensors, fetch={"budget": tight})
    with pytest.raises(BudgetError, match=r"expected at most .* GB, .*The first 2 would fit: end"):
        fetch(tmp_path / "observations", limited)
    assert planetary.asked == []
    fetch(tmp_path / "observations", settings)
    fetch(tmp_path / "observations", limited, earlier=tmp_path / "observations")


def large(days):
    """One granule of 1500 x 1500 pixels per day, of noise."""
    products = city.sentinel2(PLANETARY_COMPUTER, days=days, tiles={"31UFR": (0, city.EDGE)})
    generator = np.random.default_rng(0)
    for product in products:
        product.files = {key: product.files[key] for key in ("B02", "B11", "SCL")}
        for key, edge in (("B02", 1500), ("B11", 750), ("SCL", 750)):
            file = product.files[key]
            numbers = generator.integers(1, 12, (edge, edge), np.uint8)
            high = generator.integers(1000, 9000, (edge, edge), np.uint16)
            file.pixels = numbers if key == "SCL" else high
            file.grid = city.ground((0, 1500), (0, 1500), 15000 // edge)
    return products


def test_a_used_up_quota_ends_the_run_and_the_next_one_goes_on(planetary, tmp_path):
    faults = iter([""] * 30 + ["quota"])
    planetary.faults = lambda: next(faults, "")
    settings = asked(planetary, fetch={"stac": {"concurrency": 1}})
    with pytest.raises(SourceError, match="the quota is used up"):
        fetch(tmp_path / "observations", settings)
    before = {part for part, count in planetary.answered.items() if count}
    fetch(tmp_path / "observations", settings)
    twice = [part for part, count in planetary.answered.items() if count > 1]
    assert len(before) >= 29
    assert len(twice) < 14  # those of the image that was under way


def test_no_secret_is_written_anywhere(api, tmp_path, monkeypatch, caplog, capfd):
    caplog.set_level("DEBUG")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    api.products, api.signed = city.sentinel1(days=1), True
    api.products += city.copernicus(days=1)
    for product in api.products[-2:]:
        product.collection = "sentinel-2-l2a"
    faults = iter(["503", "cut", "429", "corrupt"])
    api.faults = lambda: next(faults, "")
    for provider, sensors in (("planetary_computer", RADAR), ("cdse", {"s2": S2})):
        folder = tmp_path / provider
        arguments = ["--settings", settings_for(api, provider, sensors).model_dump_json()]
        outcome = CliRunner().invoke(app, [*arguments, "--observations", str(folder)])
        assert outcome.exit_code == 0, outcome.output
    said = "".join((*capfd.readouterr(), outcome.output, caplog.text, *arguments))
    written = [
        path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and api.folder not in path.parents
    ]
    assert api.issued == 1
    for secret in (SECRET, KEY, *api.tokens):
        assert secret not in said
        assert not any(secret.encode() in content for content in written)
