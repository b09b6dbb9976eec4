import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from groundshift.artifacts import writing
from groundshift.errors import ContractError
from groundshift.models.store import NETWORK, PROBE, WEIGHTS, Detector, read_probe, write_probe
from groundshift.samples.loader import Batch, StreamBatch
from tests.models.cells import SIGNATURE, small_detector


def batch(samples=2, steps=4, shape=(6, 5)):
    rng = np.random.default_rng(3)
    age_days = rng.integers(-1, 9, (samples, steps, *shape)).astype(np.int16)
    streams = {
        stream.role: StreamBatch(
            rng.random((*age_days.shape, len(stream.bands)), np.float32), age_days
        )
        for stream in SIGNATURE.streams
    }
    real = np.ones((samples, steps), bool)
    real[1, 3:] = False
    numbers = np.arange(samples)
    labels = np.zeros((samples, *shape), np.float32)
    return Batch(streams, np.zeros((samples, steps), np.float32), real, labels, numbers, numbers)


@pytest.fixture
def detector():
    return small_detector(features=("level", "anomaly"), members=2, radius=11)


@pytest.fixture
def folder(detector, tmp_path, monkeypatch):
    """A written model artifact."""
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    with writing(tmp_path / "model", "model", area="test", settings={}, inputs={}) as draft:
        detector.write(draft.folder)
        write_probe(draft.folder / PROBE, detector, batch())
    return tmp_path / "model"


def test_a_written_detector_comes_back_whole(detector, folder):
    opened = Detector.open(folder)
    assert (opened.spec, opened.inputs, opened.signature) == (
        detector.spec,
        detector.inputs,
        detector.signature,
    )
    assert (opened.radius, opened.windows) == (11, {"length": "40d"})
    assert opened.manifest.contract == "model"
    for name, array in detector.arrays().items():
        np.testing.assert_array_equal(opened.arrays()[name], array)
    np.testing.assert_array_equal(opened.score(batch()), detector.score(batch()))


def test_an_ensemble_scores_the_mean_of_its_members(detector):
    members = detector.score_members(batch())
    assert members.shape == (2, 2, 6, 5)
    assert np.abs(members[0] - members[1]).max() > 1e-3
    np.testing.assert_allclose(detector.score(batch()), members.mean(axis=0), atol=1e-7)


def test_files_are_written_reproducibly(detector, folder, tmp_path):
    detector.write(tmp_path)
    write_probe(tmp_path / PROBE, detector, batch())
    for name in (NETWORK, WEIGHTS, PROBE):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_model_that_scores_its_probe_differently_is_refused(folder):
    arrays = load_file(folder / WEIGHTS)
    arrays["member_0/output/bias"] += 0.5
    save_file(arrays, folder / WEIGHTS)
    with pytest.raises(ContractError, match="found a difference of"):
        Detector.open(folder)
    assert Detector.open(folder, verify=False).radius == 11


def test_weights_that_are_missing_are_refused(folder):
    arrays = load_file(folder / WEIGHTS)
    del arrays["member_1/head_2/bias"]
    save_file(arrays, folder / WEIGHTS)
    detector = Detector.read(folder)
    with pytest.raises(ContractError, match="head_2/bias"):
        detector.score(batch())


def test_damaged_files_are_refused(folder):
    described = json.loads((folder / NETWORK).read_text())
    (folder / NETWORK).write_text(json.dumps(described | {"members": 1}))
    with pytest.raises(ContractError, match="model can't be read"):
        Detector.read(folder)
    (folder / PROBE).write_bytes(b"no archive")
    with pytest.raises(ContractError, match="probe can't be read"):
        read_probe(folder / PROBE)


def test_a_detector_of_no_artifact_has_no_manifest(detector):
    with pytest.raises(ContractError, match="not opened from a model artifact"):
        _ = detector.manifest


def test_more_streams_than_the_model_takes_are_fine():
    radar = small_detector().signature.streams[:2]
    detector = small_detector(type(SIGNATURE)(radar, 10, 172800))
    detector.require(SIGNATURE)
    with pytest.raises(ContractError, match="streams"):
        small_detector().require(detector.signature)
