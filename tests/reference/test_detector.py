import numpy as np
import pytest

from benchmarks.halo import ground, tiled
from groundshift.errors import SettingsError
from groundshift.models.influence import measure_radius
from groundshift.reference import published_detector
from tests.reference.test_network import case


@pytest.mark.parametrize("era", ["s12", "ers12ls5"])
def test_detectors_give_the_published_scores(era):
    values, expected = case(era, "padded_16")
    detector = published_detector(era)
    steps = (values != -1).any(axis=(2, 3, 4))
    streams, begin = {}, 0
    for stream in detector.signature.streams:
        part = values[..., begin : begin + len(stream.bands)]
        streams[stream.role] = (part, np.zeros(part.shape[:-1], np.int16))
        begin += len(stream.bands)
    scores = detector.score_streams(streams, steps)[0]
    np.testing.assert_allclose(scores, expected["output"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("era", ["s12", "ers12ls5"])
def test_the_stored_radius_holds(era):
    detector = published_detector(era)
    scene = ground(detector, 24, 64, seed=1)
    assert measure_radius(detector.score_streams, iter([scene])) <= detector.radius
    errors = {
        halo: np.abs(
            tiled(detector, scene, 32, halo) - detector.score_streams(scene, np.ones((1, 24), bool))
        ).max()
        for halo in (4, detector.radius)
    }
    assert errors[detector.radius] <= 1e-4
    assert errors[4] > 1e-2


def test_unknown_eras_are_refused():
    with pytest.raises(SettingsError, match="unknown era"):
        published_detector("s3")
