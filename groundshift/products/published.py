"""Maps that were published, opened for whoever works on with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd

from groundshift.artifacts import ArtifactStore, Manifest, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.cube.store import CellCube, Cube
from groundshift.domain.cells import Cell
from groundshift.errors import ContractError
from groundshift.events.table import typed
from groundshift.products.events_io import GEOPARQUET
from groundshift.products.maps import CONTRACT


@dataclass(frozen=True)
class Published:
    """Maps and what they were made from.

    Attributes:
        folder: of the maps.
        manifest: theirs.
        area: name.
        store: where they lie; None for a folder of its own.
    """

    folder: Path
    manifest: Manifest
    area: str
    store: ArtifactStore | None = None

    @classmethod
    def open(cls, folder: Path) -> "Published":
        """Maps in a folder `<area>/maps`.

        Raises:
            ContractError: no whole maps.
        """
        manifest = read_manifest(folder, CONTRACT)
        check_files(folder, manifest)
        return cls(folder, manifest, folder.resolve().parent.name)

    @classmethod
    def of(cls, store: ArtifactStore, area: str) -> "Published":
        """The maps of an area that were published last.

        Raises:
            ContractError: none were yet.
        """
        reference = store.published(area)
        if reference is None:
            raise ContractError(
                f"{store.address}: expected published maps of the area {area}, found none. "
                "Run a pipeline first: groundshift run training --engine process"
            )
        folder = store.folder(reference)
        return cls(folder, read_manifest(folder, CONTRACT), area, store)

    @property
    def events(self) -> gpd.GeoDataFrame:
        """The table of events."""
        return typed(gpd.read_parquet(self.folder / GEOPARQUET))

    @property
    def cells(self) -> Sequence[Cell]:
        """The cells that were mapped."""
        return tuple(map(Cell.from_dict, self.manifest.summary["cells"]))

    @property
    def about(self) -> dict[str, str]:
        """What a package says of the maps it was made from."""
        return {"area": self.area, "maps": self.manifest.content_hash}

    def cubes(self, given: Path | None = None) -> dict[str, CellCube]:
        """Cubes of the cells, as far as they are at hand: given, in the store, or beside the maps.

        Raises:
            ContractError: what was given is no cube.
        """
        if given is not None:
            return Cube.open(given).cells
        folders = [self.folder.parent / "cube"]
        if self.store is not None:
            references = (self.store.current(self.area, cell.id, "cube") for cell in self.cells)
            folders = [self.store.folder(found) for found in references if found is not None]
        return {
            name: cube
            for folder in folders
            if (folder / "manifest.json").is_file()
            for name, cube in Cube.open(folder).cells.items()
        }
