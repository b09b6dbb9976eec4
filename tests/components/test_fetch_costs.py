"""What a Sentinel Hub service charges: planned, spent, compared, limited."""

import re

import pandas as pd
import pytest

from components.fetch import planning
from components.fetch.stage import run
from groundshift.artifacts import read_manifest
from groundshift.errors import BudgetError, SourceError
from groundshift.observations.sources.hub import source
from groundshift.observations.store import Observations
from tests.hub.fixtures import SENSORS, settings_for

pytestmark = pytest.mark.usefixtures("own_work")


def fetch(folder, settings, **options):
    run(settings, observations=folder, **options)
    return Observations.open(folder)


def test_the_plans_price_is_what_is_spent(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "LARGEST", 40)
    hub.largest = 40
    settings = settings_for(hub)
    summary = planning.run(settings, plan=tmp_path / "plan")
    table = pd.read_csv(tmp_path / "plan" / "costs.csv")
    assert hub.asked == []
    fetch(tmp_path / "observations", settings)
    assert table["requests"].sum() == len(hub.asked) == 9 * 4
    assert table["units"].sum() == pytest.approx(hub.units)
    price = read_manifest(tmp_path / "observations", "observations").record["price"]
    assert sum(own["units"] for own in price.values()) == pytest.approx(hub.units)
    assert table["month"].unique().tolist() == ["2020-03"]
    assert "s1_asc: 3 images in 12 requests cost" in "; ".join(summary.notes)


def test_once_images_were_asked_for_a_plan_knows_the_bytes_that_travel(hub, tmp_path):
    settings = settings_for(hub)
    summary = run(settings, observations=tmp_path / "observations")
    (said,) = [note for note in summary.notes if note.startswith("s2: planned")]
    numbers = [float(number) for number in re.findall(r"[\d.]+(?= (?:requests|units|MB))", said)]
    assert numbers[0] == numbers[3] == 4
    assert numbers[1] == pytest.approx(numbers[4], rel=0.1)
    planning.run(settings, plan=tmp_path / "plan")
    table = pd.read_csv(tmp_path / "plan" / "costs.csv").groupby("sensor").sum()
    other = settings_for(hub, name="elsewhere")
    really = run(other, observations=tmp_path / "other").notes
    for name, row in table.iterrows():
        (note,) = [note for note in really if note.startswith(f"{name}: planned")]
        assert row["bytes"] / 1e6 == pytest.approx(
            float(re.findall(r"([\d.]+) MB", note)[1]), rel=0.1
        )


def test_a_plan_says_how_long_it_takes_and_what_to_do_instead(hub, tmp_path):
    country = settings_for(hub, fetch={"sentinelhub": {"deployment": "cdse"}})
    planning.run(country, plan=tmp_path / "plan")
    table = pd.read_csv(tmp_path / "plan" / "alternatives.csv").set_index("way")
    costs = pd.read_csv(tmp_path / "plan" / "costs.csv")
    own, batch = table.loc["Process API"], table.loc["Batch Processing"]
    assert own["units"] == pytest.approx(costs["units"].sum(), abs=1e-3)
    assert own["minutes"] == pytest.approx(9 / 300, abs=0.01)  # by requests, which are the tighter
    assert batch["units"] == pytest.approx(own["units"] / 3, abs=1e-3)
    # Two tiles of each of four overpasses, and five radar products.
    products = table.loc["whole products from CDSE's S3 (files)"]
    assert products["requests"] == 13
    assert products["bytes"] == 8 * 0.7e9 + 5 * 1e9


def test_a_run_stops_before_it_costs_more_than_allowed(hub, tmp_path):
    per_scene = 64 * 64 / 512**2 * 14 / 3  # thirteen bands and CLM
    sensors = {"s2": SENSORS["s2"]}
    tight = settings_for(hub, sensors=sensors, fetch={"budget": per_scene * 2.5})
    with pytest.raises(BudgetError, match="The first 2 would fit: end the period at 2020-03-11"):
        fetch(tmp_path / "observations", tight)
    assert hub.asked == []
    until = {"start": "2020-03-01", "end": "2020-03-11"}
    fetch(tmp_path / "observations", settings_for(hub, sensors=sensors, period=until))
    # What is there already costs nothing.
    fetch(tmp_path / "observations", tight, earlier=tmp_path / "observations")
    assert len(hub.asked) == 4


def test_what_a_killed_run_has_fetched_does_not_count(hub, tmp_path):
    sensors = {"s2": SENSORS["s2"]}
    settings = settings_for(hub, sensors=sensors, fetch={"sentinelhub": {"concurrency": 1}})
    faults = iter(["", "", "", "quota"])
    hub.faults = lambda: next(faults, "")
    with pytest.raises(SourceError, match="quota"):
        fetch(tmp_path / "observations", settings)
    tight = settings_for(hub, sensors=sensors, fetch={"budget": 0.1})
    fetch(tmp_path / "observations", tight)
    assert len(hub.asked) == 5
