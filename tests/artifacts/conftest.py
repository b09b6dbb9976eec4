"""Small artifacts to keep, join and find again."""

import numpy as np
import pytest

from groundshift.artifacts import ArtifactStore, writing


@pytest.fixture(autouse=True)
def _work(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))


@pytest.fixture
def store(tmp_path):
    return ArtifactStore.open(str(tmp_path / "store"))


@pytest.fixture
def make(tmp_path):
    """Write an artifact: what its file says, its value, the rest of its manifest."""
    numbers = iter(range(1000))

    def make(text="one", contract="cube", *, settings=None, inputs=None, summary=None, licences=()):
        folder = tmp_path / "made" / str(next(numbers))
        with writing(
            folder, contract, area="a", settings=settings or {}, inputs=inputs or {}
        ) as draft:
            (draft.folder / "file.txt").write_text(text)
            draft.values.add("v", np.frombuffer(text.encode(), np.uint8))
            draft.summary.update(summary or {})
            draft.licences.update(licences)
        return folder

    return make
