"""What is known of an area's events from before: found in a store, named among the inputs."""

from pathlib import Path

import geopandas as gpd
import pytest
from shapely import box

from groundshift.artifacts import ArtifactStore, digest, read_manifest, writing
from groundshift.events.reviews import document_of, empty_reviews, write_reviews
from groundshift.events.table import typed
from groundshift.products.events_io import write_events
from groundshift.tasks.change.past import PastFiles


@pytest.fixture(autouse=True)
def _own_work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.open(str(tmp_path / "store"))


def made_of(folder: Path, content: str) -> dict[str, Path]:
    """An artifact that maps are made from."""
    path = folder / content
    with writing(path, "cube", area="t", settings={"content": content}, inputs={}):
        pass
    return {"cube": path}


def publish(store: ArtifactStore, past: PastFiles, **folders: Path) -> str:
    """Publish maps of one event; returns their content hash."""
    inputs = {name: read_manifest(path, name).content_hash for name, path in folders.items()}
    event = {"id": ["ev-a"], "area_m2": [100.0], "pixels": [1], "score": [0.5]}
    dates = {name: ["2018-03-01"] for name in ("start", "date", "end")}
    table = gpd.GeoDataFrame(event | dates, geometry=[box(0, 0, 10, 10)], crs="EPSG:32631")
    with store.incoming() as incoming:
        with writing(
            incoming / "maps", "maps", area="t", settings={}, inputs=inputs | past.inputs
        ) as draft:
            write_events(draft.folder, typed(table))
        reference = store.adopt(incoming / "maps", "maps")
    store.publish("t", {}, (), reference)
    return reference.content_hash


def test_the_maps_published_last_are_the_past(store: ArtifactStore, tmp_path: Path) -> None:
    first, second = made_of(tmp_path, "1"), made_of(tmp_path, "2")
    nothing = PastFiles.of(None, None, store, "t", **first)
    assert nothing.maps is None
    assert nothing.inputs == {}
    assert nothing.read().events is None
    before = publish(store, nothing, **first)
    past = PastFiles.of(None, None, store, "t", **second)
    assert past.inputs == {"earlier": before}
    assert past.read().events["id"].tolist() == ["ev-a"]


def test_a_run_that_is_repeated_begins_where_it_began(store: ArtifactStore, tmp_path: Path) -> None:
    first, second = made_of(tmp_path, "1"), made_of(tmp_path, "2")
    before = publish(store, PastFiles(), **first)
    past = PastFiles.of(None, None, store, "t", **second)
    after = publish(store, past, **second)
    again = PastFiles.of(None, None, store, "t", **second)
    assert again.inputs == past.inputs == {"earlier": before}
    assert publish(store, again, **second) == after
    third = made_of(tmp_path, "3")
    assert PastFiles.of(None, None, store, "t", **third).inputs == {"earlier": after}


def test_reviews_are_an_input_once_there_are_some(store: ArtifactStore, tmp_path: Path) -> None:
    assert PastFiles.of(None, None, store, "t").inputs == {}
    said = store.review("t", lambda known: document_of(empty_reviews()))
    past = PastFiles.of(None, None, store, "t")
    assert past.inputs == {"reviews": digest(said)}
    assert past.read().reviews.empty
    own = tmp_path / "own.json"
    write_reviews(own, said | {"name": "own"})
    assert PastFiles.of(None, own, store, "t").inputs == {"reviews": digest(said | {"name": "own"})}
    assert PastFiles.of(None, own, None, "t").reviews == said | {"name": "own"}
