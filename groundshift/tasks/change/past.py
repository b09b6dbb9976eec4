"""What is known of an area's events from before: the maps published last, and the reviews."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd

from groundshift.artifacts import ArtifactStore, Reference, digest, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.errors import ContractError
from groundshift.events.reviews import read_reviews, reviews_of
from groundshift.events.table import typed
from groundshift.products.events_io import GEOPARQUET
from groundshift.products.maps import CONTRACT
from groundshift.products.sampling import JudgedSample
from groundshift.products.survey import Past

EARLIER, REVIEWS = "earlier", "reviews"
"""Names of these inputs in the maps' manifest."""


@dataclass(frozen=True)
class PastFiles:
    """Where the past is written down.

    Attributes:
        maps: the artifact that was published last; None if none was.
        reviews: what analysts said, as GeoJSON; None where nobody did.
    """

    maps: Path | None = None
    reviews: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        maps: Path | None,
        reviews: Path | None,
        store: ArtifactStore | None,
        area: str,
        **folders: Path,
    ) -> "PastFiles":
        """What was given, and what the store knows where nothing was.

        Args:
            maps: published before.
            reviews: file of a table.
            store: the artifacts.
            area: name.
            folders: artifacts that the maps are to be made from, by contract.

        Raises:
            ContractError: a file of reviews that is none.
        """
        said = None if reviews is None else read_reviews(reviews)
        if store is None:
            return cls(maps, said)
        inputs = {name: read_manifest(path, name).content_hash for name, path in folders.items()}
        return cls(
            maps or _published_before(store, area, inputs),
            said if reviews is not None else store.reviews(area),
        )

    @property
    def inputs(self) -> dict[str, str]:
        """Hashes of what is there, by name."""
        inputs = {}
        if self.maps is not None:
            inputs[EARLIER] = read_manifest(self.maps, CONTRACT).content_hash
        if self.reviews is not None:
            inputs[REVIEWS] = digest(self.reviews)
        return inputs

    def read(self) -> Past:
        """Read it.

        Raises:
            ContractError: maps that are not whole, or a document that is no table of reviews.
        """
        reviews = reviews_of(self.reviews, "reviews")
        sample = JudgedSample.of(self.reviews)
        if self.maps is None:
            return Past(None, reviews, sample)
        check_files(self.maps, read_manifest(self.maps, CONTRACT))
        return Past(typed(gpd.read_parquet(self.maps / GEOPARQUET)), reviews, sample)


NO_PAST = PastFiles()
"""Nothing was published or reviewed."""


def _published_before(store: ArtifactStore, area: str, inputs: dict[str, str]) -> Path | None:
    """The maps of an area that were published last, of another run than this one.

    A run that is repeated has published already: it begins where it began the first time, so that
    its result is the same, as long as nobody swept what it began with.
    """
    reference = store.published(area)
    while reference is not None:
        try:
            theirs = store.manifest(reference).inputs
        except ContractError:
            return None
        if any(theirs.get(name) != content for name, content in inputs.items()):
            return store.folder(reference)
        earlier = theirs.get(EARLIER)
        reference = None if earlier is None else Reference.named(CONTRACT, earlier)
    return None
