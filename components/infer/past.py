"""What is known of an area's events from before: the maps published last, and the reviews."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd

from groundshift.artifacts import ArtifactStore, Reference, read_manifest
from groundshift.artifacts.hashing import file_digest
from groundshift.artifacts.manifest import check_files
from groundshift.events.reviews import read_reviews
from groundshift.events.table import typed
from groundshift.products.events_io import GEOPARQUET
from groundshift.products.maps import CONTRACT
from groundshift.products.survey import Past

EARLIER, REVIEWS = "earlier", "reviews"
"""Names of these inputs in the maps' manifest."""


@dataclass(frozen=True)
class PastFiles:
    """Where the past is written down.

    Attributes:
        maps: the artifact that was published last; None if none was.
        reviews: the table of reviews; None where there is none.
    """

    maps: Path | None = None
    reviews: Path | None = None

    @property
    def inputs(self) -> dict[str, str]:
        """Hashes of what is there, by name."""
        inputs = {}
        if self.maps is not None:
            inputs[EARLIER] = read_manifest(self.maps, CONTRACT).content_hash
        if self.reviews is not None and self.reviews.is_file():
            inputs[REVIEWS] = file_digest(self.reviews)
        return inputs

    def completed(self, store: ArtifactStore, area: str, **folders: Path) -> "PastFiles":
        """The same, with what the store knows where nothing else was given.

        Args:
            store: the artifacts.
            area: name.
            folders: artifacts that the maps are to be made from, by contract.
        """
        inputs = {name: read_manifest(path, name).content_hash for name, path in folders.items()}
        return PastFiles(
            self.maps or _published_before(store, area, inputs),
            self.reviews or store.reviews(area),
        )

    def read(self) -> Past:
        """Read it.

        Raises:
            ContractError: maps that are not whole, or a file that is no table of reviews.
        """
        reviews = read_reviews(self.reviews)
        if self.maps is None:
            return Past(None, reviews)
        check_files(self.maps, read_manifest(self.maps, CONTRACT))
        return Past(typed(gpd.read_parquet(self.maps / GEOPARQUET)), reviews)


NO_PAST = PastFiles()
"""Nothing was published or reviewed."""


def _published_before(store: ArtifactStore, area: str, inputs: dict[str, str]) -> Path | None:
    """The maps of an area that were published last, of another run than this one.

    A run that is repeated has published already: it begins where it began the first time, so that
    its result is the same.
    """
    reference = store.published(area)
    while reference is not None:
        folder = store.folder(reference)
        theirs = read_manifest(folder, CONTRACT).inputs
        if any(theirs.get(name) != content for name, content in inputs.items()):
            return folder
        reference = _before(store, theirs)
    return None


def _before(store: ArtifactStore, inputs: dict[str, str]) -> Reference | None:
    earlier = inputs.get(EARLIER)
    return None if earlier is None else store.named(CONTRACT, earlier)
