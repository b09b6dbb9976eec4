import numpy as np
import pytest

from components.fetch.stage import open_source, run
from groundshift.observations.areas import cells_of
from groundshift.observations.earlier import EarlierFirst
from groundshift.observations.store import Observations
from tests.hub.fixtures import SENSORS, settings_for


@pytest.fixture
def earlier(hub, tmp_path, monkeypatch):
    """A source that was read before, and what was read of it."""
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    blind = {"bands": ["B02"], "store": "float32"}
    settings = settings_for(hub, sensors={"s1": SENSORS["s1_asc"], "s2": SENSORS["s2"] | blind})
    cloudy = [scene for scene in hub.scenes if scene.cloud]
    for scene in cloudy:
        scene.bands["CLM"][:] = 1
    run(settings, observations=tmp_path / "earlier")
    hub.asked.clear()
    source = open_source(settings, cells_of(settings.area))
    return EarlierFirst(source, Observations.open(tmp_path / "earlier")), source, settings


def test_images_are_those_of_the_source_to_the_last_bit(hub, earlier):
    first, source, settings = earlier
    (cell,) = cells_of(settings.area)
    for acquisition in first.acquisitions:
        with first.open(acquisition) as scene:
            image = scene.read(cell.grid)
        assert not hub.asked
        with source.open(acquisition) as scene:
            expected = scene.read(cell.grid)
        hub.asked.clear()
        np.testing.assert_array_equal(image.values, expected.values)
        np.testing.assert_array_equal(image.valid, expected.valid)


def test_images_without_a_valid_pixel_are_not_asked_for_again(hub, earlier):
    first, _, settings = earlier
    (cell,) = cells_of(settings.area)
    images = []
    for acquisition in first.acquisitions:
        with first.open(acquisition) as scene:
            images.append(scene.read(cell.grid))
    assert sum(not image.valid.any() for image in images) == 2
    assert not hub.asked


def test_another_grid_is_asked_for(hub, earlier):
    first, _, settings = earlier
    (cell,) = cells_of(settings.area)
    with first.open(first.acquisitions[0]) as scene:
        assert scene.read(cell.grid.pad(1)) is not None
    assert len(hub.asked) == 1
