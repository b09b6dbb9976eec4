"""The map of land cover: of an area, of one cell, and of cells put together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from groundshift.artifacts import Draft, Manifest, is_collection, read_manifest, read_parts
from groundshift.artifacts.manifest import check_files
from groundshift.cube.store import CellCube, Cube
from groundshift.errors import ContractError
from groundshift.memory import Room
from groundshift.models.pixel_trees import PixelTrees
from groundshift.products.catalogue import CatalogueText
from groundshift.products.class_catalogue import write_class_catalogue
from groundshift.products.class_maps import (
    ClassMap,
    class_path,
    map_cell,
    probability_path,
)
from groundshift.products.maps import share_file
from groundshift.products.page.chunks import PAGE
from groundshift.products.page.class_site import ClassSite
from groundshift.products.page.site import INDEX
from groundshift.products.report.landcover import (
    PREVIEW,
    REPORT,
    Mapped,
    write_landcover_report,
)
from groundshift.samples.pixels import PixelSamples
from groundshift.settings import LandcoverInferStage
from groundshift.tasks.inputs import require_inputs
from groundshift.tasks.landcover.room import PER_MAPPED, edge_within
from groundshift.tasks.protocol import Account, Chain

SCORES, MAPS = "scores", "maps"
AREAS = "areas.csv"

_DESCRIPTION = (
    "Land cover: the class of every pixel by its series of images, and how probable it is."
)


@dataclass(frozen=True)
class Sources:
    """What a map is made from, opened.

    Attributes:
        settings: of the stage.
        cube: what is mapped.
        samples: its index.
        trees: the model; it may come from another area, as long as it takes what the cube offers.
        evaluation: manifest of how good the model is.
        folder: of the evaluation.
    """

    settings: LandcoverInferStage
    cube: Cube
    samples: PixelSamples
    trees: PixelTrees
    evaluation: Manifest
    folder: Path

    @classmethod
    def open(cls, settings: LandcoverInferStage, chain: Chain) -> "Sources":
        """Open all four.

        Raises:
            ContractError: samples of another cube, an evaluation of another model, or a cube or
                period that the model doesn't take.
        """
        cube, samples = Cube.open(chain.cube), PixelSamples.open(chain.samples)
        trees, evaluation = (
            PixelTrees.open(chain.model),
            read_manifest(chain.evaluation, "evaluation"),
        )
        check_files(chain.evaluation, evaluation)
        samples.require(cube)
        require_inputs(evaluation, [trees.manifest])
        sources = cls(settings, cube, samples, trees, evaluation, chain.evaluation)
        trees.series.require(cube.signature, sources.period, owner="the model")
        return sources

    @property
    def period(self) -> tuple[int, int]:
        """[start, end) in seconds since 1970."""
        return self.settings.period.start_seconds, self.settings.period.end_seconds

    @property
    def chain(self) -> tuple[Manifest, ...]:
        """Manifests, latest stage first."""
        return self.evaluation, self.trees.manifest, self.samples.manifest, self.cube.manifest

    @property
    def inputs(self) -> dict[str, str]:
        """Content hash of each, by contract."""
        return {manifest.contract: manifest.content_hash for manifest in self.chain}

    @cached_property
    def licences(self) -> tuple[str, ...]:
        """Licence and attribution lines of all."""
        return tuple(sorted({line for manifest in self.chain for line in manifest.licences}))

    def map(self, cell: CellCube, folder: Path) -> ClassMap:
        """Map a cell into an artifact's folder."""
        model, series = self.trees.manifest.content_hash, self.trees.series
        room, held = Room(self.settings.memory, "infer"), PER_MAPPED * math.prod(cell.shape)
        widest = self.settings.infer.block
        return map_cell(
            self.trees,
            cell,
            self.period[0],
            block=edge_within(room, series, [cell], widest=widest, held=held),
            folder=folder,
            tags={"MODEL": model, "ATTRIBUTION": "; ".join(self.licences)},
        )


@dataclass(frozen=True)
class AreaMap:
    """The map of all cells, with catalogue and report.

    Attributes:
        sources: of the map.
    """

    sources: Sources
    contract: str = MAPS
    resumes: bool = False

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hashes by name."""
        return self.sources.inputs

    def write(self, draft: Draft) -> Account:
        """Map, and publish."""
        cells = sorted(self.sources.cube.cells.items())
        maps = [self.sources.map(cell, draft.folder) for _, cell in cells]
        return _publish(self.sources, maps, draft)


@dataclass(frozen=True)
class CellMap:
    """The map of one cell.

    Attributes:
        sources: of the map.
        cell: which one.
    """

    sources: Sources
    cell: CellCube
    contract: str = SCORES
    resumes: bool = False

    @classmethod
    def open(cls, settings: LandcoverInferStage, chain: Chain, cell: str) -> "CellMap":
        """Open what is mapped.

        Raises:
            ContractError: no such cell.
        """
        sources = Sources.open(settings, chain)
        cells = sources.cube.cells
        if cell not in cells:
            raise ContractError(
                f"{chain.cube}: expected the cell {cell}, found {', '.join(cells)}. "
                "Check --cell, or rerun: python -m components.stack"
            )
        return cls(sources, cells[cell])

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hashes by name."""
        return self.sources.inputs

    def write(self, draft: Draft) -> Account:
        """Map the cell."""
        found = self.sources.map(self.cell, draft.folder)
        draft.values.add_text("cells", [f"{found.cell.id} {found.value_hash}"])
        draft.summary.update(_summary(self.sources, [found]))
        draft.licences.update(self.sources.licences)
        return _account(draft.summary)


@dataclass(frozen=True)
class JoinedMap:
    """The maps of all cells put together: what `AreaMap` writes, without the model.

    Attributes:
        sources: of the maps.
        parts: folders of the cells' artifacts, in the order of cell ids.
    """

    sources: Sources
    parts: Sequence[Path]
    contract: str = MAPS
    resumes: bool = False

    @classmethod
    def open(cls, settings: LandcoverInferStage, chain: Chain, scores: Path) -> "JoinedMap":
        """Open what the cells gave.

        Raises:
            ContractError: cells that were mapped from other artifacts than those given.
        """
        sources, parts = Sources.open(settings, chain), [scores]
        require_inputs(read_manifest(scores, SCORES), sources.chain)
        if is_collection(scores):
            parts = list(read_parts(scores, SCORES).values())
        return cls(sources, parts)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hashes by name."""
        return self.sources.inputs

    def write(self, draft: Draft) -> Account:
        """Share the cells' maps, and publish."""
        maps = [_take_over(part, draft.folder) for part in self.parts]
        return _publish(self.sources, maps, draft)


def _take_over(part: Path, folder: Path) -> ClassMap:
    """Share a cell's maps with the artifact over all cells."""
    manifest = read_manifest(part, SCORES)
    check_files(part, manifest)
    (found,) = map(ClassMap.from_dict, manifest.summary["maps"])
    for path_of in (class_path, probability_path):
        share_file(path_of(part, found.cell), path_of(folder, found.cell))
    return found


def _publish(sources: Sources, maps: Sequence[ClassMap], draft: Draft) -> Account:
    """Write everything that is about the area as a whole."""
    settings, classes = sources.settings, sources.trees.classes
    mapped = Mapped(
        settings.name,
        sources.period,
        maps,
        classes,
        dict(sorted(sources.cube.cells.items())),
        sources.folder,
        sources.chain,
        settings.affecting(),
        sources.licences,
        f"{PAGE}/{INDEX}",
    )
    names = [one.name for one in classes]
    table = pd.DataFrame({"class": names, "hectares": mapped.hectares.round(4)})
    table.to_csv(draft.folder / AREAS, index_label="number", lineterminator="\n")
    model = sources.trees.manifest.content_hash
    about = (settings.name, sources.period, _DESCRIPTION, sources.licences, model)
    write_class_catalogue(draft.folder, CatalogueText(*about), maps, classes)
    write_landcover_report(draft.folder, mapped)
    of_map = (mapped.area, mapped.period, maps, classes, mapped.cubes, mapped.licences)
    ClassSite(*of_map).write(draft.folder)
    draft.values.add_text("cells", [f"{found.cell.id} {found.value_hash}" for found in maps])
    draft.summary.update(_summary(sources, maps))
    draft.licences.update(sources.licences)
    account = _account(draft.summary)
    return Account(account.metrics, (REPORT, PREVIEW), account.notes, {"report": REPORT})


def _summary(sources: Sources, maps: Sequence[ClassMap]) -> dict[str, Any]:
    return {
        "cells": [found.cell.to_dict() for found in maps],
        "classes": list(sources.trees.names),
        "maps": [found.to_dict() for found in maps],
    }


def _account(summary: Mapping[str, Any]) -> Account:
    """Hectares of every class."""
    maps = [ClassMap.from_dict(values) for values in summary["maps"]]
    names: list[str] = summary["classes"]
    hectares = {name: sum(found.hectares[i] for found in maps) for i, name in enumerate(names)}
    told = ", ".join(f"{name} {area:.2f} ha" for name, area in hectares.items())
    return Account(metrics={"hectares": sum(hectares.values())}, notes=(told,))
