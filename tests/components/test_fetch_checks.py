"""The fetch stage puts away images that don't fit their series, keeps them, and lets them out."""

import json
import re

import numpy as np
import pytest
from scipy import ndimage

from components.fetch.stage import run
from groundshift.errors import SourceError
from groundshift.observations.store import Observations, observation_path
from groundshift.settings import parse
from tests.hub import scenes
from tests.hub.fixtures import RADAR, settings_for

SIZE = scenes.EDGE
MOVED = 6
"""Number of the image that lies 20 m to the east."""


@pytest.fixture(autouse=True)
def _own_work_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))


def series():
    """Twelve radar scenes of one town, one of which was put in the wrong place."""
    generator = np.random.default_rng(1)
    town = 0.05 * np.exp(1.5 * ndimage.gaussian_filter(generator.normal(size=(SIZE, SIZE)), 2) * 8)
    made = scenes.radar("ascending", range(0, 36, 3))
    for number, scene in enumerate(made):
        scene.name = re.sub(r"_\d{6}_", f"_{31_000 + 175 * number:06d}_", scene.name)  # one orbit
        ground = np.roll(town, 2, axis=1) if number == MOVED else town
        for band, share in (("VV", 1.0), ("VH", 0.2)):
            speckle = generator.gamma(8, 1 / 8, (SIZE, SIZE))
            scene.bands[band] = (ground * share * speckle).astype(np.float32)
    return made


def settings(hub, **checks):
    period = {"start": "2020-03-01", "end": "2020-05-01"}
    sensors = {"s1": RADAR | {"orbit": "ascending"}}
    return settings_for(hub, sensors=sensors, period=period, fetch={"checks": checks})


def fetch(folder, wanted, **options):
    summary = run(wanted, observations=folder, **options)
    return Observations.open(folder), summary


def test_a_shifted_image_is_put_away_with_its_reason_and_kept(hub, tmp_path):
    hub.scenes[:] = series()
    observations, summary = fetch(tmp_path / "observations", settings(hub))
    (row,) = observations.quarantine.to_dict("records")
    found = re.match(
        r"shift: (.*) m beside the other images of its orbit: .* m east", row["reason"]
    )
    assert float(found[1]) == pytest.approx(20, abs=2)
    assert len(observations.table) == 11
    assert any("beside the other images" in note for note in summary.notes)
    place = row["cell"], "s1", row["time"]
    _, valid = observations.read(*place, quarantined=True)
    assert valid.all()
    folder = observations.folder
    assert not (folder / observation_path(*place)).exists()
    kept = folder / observation_path(*place, quarantined=True) / "meta_info" / "observation.json"
    assert json.loads(kept.read_text())["reason"] == row["reason"]
    assert row["time"] in observations.acquisitions(row["cell"], "s1")  # still a step of the time
    measures = observations.measures
    failed = measures[measures["failed"]]
    assert failed[["time", "check", "limit"]].to_dict("records") == [
        {"time": row["time"], "check": "shift", "limit": 12.0}
    ]
    assert len(measures[measures["check"] == "shift"]) == 12


def test_a_setting_lets_it_out_without_asking_the_service_again(hub, tmp_path):
    hub.scenes[:] = series()
    folder = tmp_path / "observations"
    before, _ = fetch(folder, settings(hub))
    digest = before.quarantine["digest"].item()
    hub.asked.clear()
    after, _ = fetch(folder, settings(hub, release=["s1/*/shift"]), earlier=folder)
    assert hub.asked == []
    assert after.quarantine.empty
    (released,) = after.table[after.table["checks"].str.startswith("released shift: ")].to_dict(
        "records"
    )
    assert released["digest"] == digest


def test_images_that_come_one_by_one_are_judged_as_all_at_once(hub, tmp_path):
    folder = tmp_path / "observations"
    scenes_ = series()
    for count in (7, 9, 12):
        hub.scenes[:] = scenes_[:count]
        grown, _ = fetch(folder, settings(hub), earlier=folder)
    whole, _ = fetch(tmp_path / "whole", settings(hub))
    assert grown.manifest.content_hash == whole.manifest.content_hash


def test_a_run_that_was_killed_while_it_judged_goes_on(hub, tmp_path, monkeypatch):
    hub.scenes[:] = series()
    undisturbed, _ = fetch(tmp_path / "undisturbed", settings(hub))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("components.fetch.stage.write_tables", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path / "observations", settings(hub))
    observations, _ = fetch(tmp_path / "observations", settings(hub))
    assert observations.manifest.content_hash == undisturbed.manifest.content_hash


def test_a_sensor_of_which_every_image_fails_is_an_error(hub, tmp_path):
    hub.scenes[:] = series()
    wanted = settings(hub, shift=0.001, minimum=3)
    with pytest.raises(SourceError, match=r"all 12 with a valid pixel fail a check.*'s1/\*/\*'"):
        run(wanted, observations=tmp_path / "observations")


def test_release_names_a_check(hub):
    values = json.loads(settings(hub).model_dump_json())
    values["fetch"]["checks"]["release"] = ["s1/shift"]
    with pytest.raises(Exception, match="expected sensor/time/check"):
        parse("fetch", values)
