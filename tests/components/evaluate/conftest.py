"""The made-up area with an untrained network, its evaluation, and another network; read only."""

import pytest

from components.evaluate import stage
from tests.components.made_up import artifacts, make_model, settings_of, truth_table
from tests.environment import own_environment


@pytest.fixture(scope="package", autouse=True)
def _own_places(tmp_path_factory):
    with own_environment(tmp_path_factory.mktemp("work")):
        yield


@pytest.fixture(scope="package")
def inputs(tmp_path_factory):
    return artifacts(tmp_path_factory.mktemp("area"), truth_table())


@pytest.fixture(scope="package")
def done(inputs, tmp_path_factory):
    """The stage's summary and its folder."""
    folder = tmp_path_factory.mktemp("out") / "evaluation"
    return stage.run(settings_of(), **inputs, evaluation=folder), folder


@pytest.fixture(scope="package")
def other(inputs, tmp_path_factory):
    """Another model for the same cube: with other first weights."""
    folder = tmp_path_factory.mktemp("other") / "model"
    return make_model(folder, inputs["cube"], inputs["samples"], seed=8)
