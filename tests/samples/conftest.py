"""Fixtures of the samples' tests."""

import numpy as np
import pytest

from tests.samples.ground import make_artifacts


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory):
    """Observations and the cube of half a year with a change, made once."""
    folder = tmp_path_factory.mktemp("artifacts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        return make_artifacts(folder)


@pytest.fixture(autouse=True)
def _work(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))


@pytest.fixture
def rng():
    return np.random.default_rng(11)
