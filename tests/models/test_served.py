"""A model as a function of arrays: what the artifact scores, from what its probe holds."""

from pathlib import Path

import numpy as np
import pytest

from groundshift.artifacts import writing
from groundshift.domain.signature import Signature, Stream
from groundshift.errors import ContractError
from groundshift.models.inputs import Inputs
from groundshift.models.networks import NetworkSpec, build, weights
from groundshift.models.served import OPENER, example, open_scorer
from groundshift.models.store import PROBE, Detector, read_probe, write_probe
from groundshift.samples.loader import Batch, StreamBatch

STEPS, SIZE = 5, 6


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A radar network with its first weights."""
    folder = tmp_path_factory.mktemp("served")
    signature = Signature((Stream("radar_a", "sentinel1", ("VV", "VH")),), 10, 172800)
    spec = NetworkSpec(2, 0, radar_filters=2, optical_filters=0)
    network = build(spec, (SIZE, SIZE), seed=4)
    detector = Detector(spec, Inputs.raw(signature), signature, 3, (weights(network),))
    values = np.random.default_rng(0).random((1, STEPS, SIZE, SIZE, 2)).astype(np.float32)
    streams = {"radar_a": StreamBatch(values, np.zeros(values.shape[:-1], np.int16))}
    none = np.zeros(1, np.int64)
    steps = np.array([[True] * (STEPS - 1) + [False]])
    labels = np.zeros((1, SIZE, SIZE), np.float32)
    batch = Batch(streams, steps.astype(np.float32), steps, labels, none, none)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        with writing(folder / "model", "model", area="t", settings={}, inputs={}) as draft:
            detector.write(draft.folder)
            write_probe(draft.folder / PROBE, detector, batch)
    return folder / "model"


def test_the_probe_is_the_example_and_gives_its_score(model: Path) -> None:
    arrays = example(model)
    assert set(arrays) == {"steps", "values_radar_a", "age_days_radar_a"}
    np.testing.assert_array_equal(
        open_scorer(model)(arrays)["score"], read_probe(model / PROBE).score
    )


def test_several_samples_are_scored_at_once(model: Path) -> None:
    arrays = {name: np.concatenate([array, array]) for name, array in example(model).items()}
    score = open_scorer(model)(arrays)["score"]
    assert score.shape == (2, SIZE, SIZE)
    np.testing.assert_allclose(score[0], score[1], atol=1e-6)


def test_missing_arrays_are_named(model: Path) -> None:
    arrays = example(model)
    del arrays["age_days_radar_a"]
    with pytest.raises(ContractError, match="missing: age_days_radar_a"):
        open_scorer(model)(arrays)


def test_a_logged_model_can_name_the_opener() -> None:
    assert OPENER == "groundshift.models.served:open_scorer"
