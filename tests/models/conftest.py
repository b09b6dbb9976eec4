"""Samples of a small real cube."""

import pytest

from groundshift.artifacts import writing
from groundshift.cube.store import Cube
from groundshift.observations.store import Observations
from groundshift.samples.build import build
from groundshift.samples.labels.truth import dated_polygons
from groundshift.samples.store import Samples
from tests.samples.ground import make_artifacts, stage_settings


@pytest.fixture(scope="session")
def indexed(tmp_path_factory):
    """Samples and cube: half a year over 32 x 32 pixels, 20 steps a window, patches of 8."""
    folder = tmp_path_factory.mktemp("indexed")
    patch = pytest.MonkeyPatch()
    patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
    made = make_artifacts(folder)
    cube = Cube.open(made.cube)
    settings = stage_settings(stride=4)
    truth = dated_polygons(Observations.open(made.observations).truth, where="test")
    with writing(
        folder / "samples",
        "samples",
        area="test",
        settings=settings.affecting(),
        inputs={"cube": cube.manifest.content_hash},
    ) as draft:
        build(cube, truth, settings, draft)
    patch.undo()
    return Samples.open(folder / "samples"), cube
