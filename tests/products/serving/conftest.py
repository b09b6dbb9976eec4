"""A made-up area with an untrained network, served."""

import pytest

from groundshift.products.serving.scorer import open_scorer
from tests.components.made_up import artifacts, truth_table


@pytest.fixture(scope="session")
def area(tmp_path_factory):
    """Folders of the area's artifacts, by contract."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        patch.setenv("GROUNDSHIFT_TRACKING", "off")
        return artifacts(folder, truth_table())


@pytest.fixture(scope="session")
def scorer(area):
    """The model, that may read the area's cubes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_SERVE_PREFIXES", str(area["cube"].parent))
        patch.setenv("GROUNDSHIFT_SERVE_UNPACKED_MB", "16")
        patch.setenv("GROUNDSHIFT_SERVE_JSON_MB", "1")
        return open_scorer(area["model"])
