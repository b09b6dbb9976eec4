"""The samples of land cover, and the counts of a region that they depend on."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.artifacts import Draft, Manifest, is_collection, read_manifest, read_parts
from groundshift.artifacts.hashing import file_digest
from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.errors import SettingsError
from groundshift.memory import Room
from groundshift.samples.pixels import (
    CARD,
    CONTRACT,
    JUDGED,
    PATCHES,
    PIXELS,
    Counts,
    card,
    count,
    draw,
    drawn_counts,
    lines,
    none_drawn,
)
from groundshift.samples.plan import area_cells, cube_patches
from groundshift.samples.reference import read_reference
from groundshift.samples.splits import SPLITS
from groundshift.settings import LandcoverWindowStage
from groundshift.tasks.landcover.room import require_reference
from groundshift.tasks.protocol import Account

COEFFICIENTS, BETAS = "coefficients", "betas"
_COUNTS = "counts.json"


@dataclass(frozen=True)
class Referenced:
    """A cube with the patches of its cells, and the class of every pixel.

    Attributes:
        settings: of the stage.
        cube: the images.
    """

    settings: LandcoverWindowStage
    cube: Cube

    @cached_property
    def patches(self) -> pd.DataFrame:
        """Rows of `splits.parquet`."""
        own, cells = self.settings.window, area_cells(self.cube, self.settings)
        return cube_patches(self.cube, cells, self.settings.area, own.split, own.patch)

    @cached_property
    def path(self) -> Path:
        """Of the reference.

        Raises:
            SettingsError: there is none.
        """
        path = self.settings.window.reference
        if path is None or not path.is_file():
            raise SettingsError(
                "window.reference: expected a GeoTIFF of class numbers, found "
                f"{'none' if path is None else f'no file {path}'}. Name a map of the area to "
                "learn from"
            )
        return path

    def cells(self) -> Iterator[tuple[Cell, NDArray[np.uint8], pd.DataFrame]]:
        """Every cell, the class of every pixel of it (see `read_reference`), and its patches.

        Read one after another, each time: memory holds one of them.

        Raises:
            SettingsError: memory doesn't hold it.
        """
        own, patches = self.settings.window, self.patches
        most = own.per_class * len(own.classes) + (len(SPLITS) - 1) * JUDGED
        pixels = sum(math.prod(cell.shape) for cell in self.cube.cells.values())
        room = Room(self.settings.memory, "window")
        require_reference(room, self.cube.cells.values(), min(most, pixels))
        for name, cell in sorted(self.cube.cells.items()):
            classes = read_reference(self.path, cell.cell.grid, own.classes, own.erode)
            yield cell.cell, classes, patches[patches["cell"] == name]

    @cached_property
    def counts(self) -> Counts:
        """Pixels by split and class."""
        classes = len(self.settings.window.classes)
        counted: Counts = np.zeros((len(SPLITS), classes), np.int64)
        for _, known, patches in self.cells():
            counted += count(known, patches, classes)
        return counted

    @property
    def inputs(self) -> dict[str, str]:
        """Content hash of the cube and of the reference."""
        return {
            "cube": self.cube.manifest.content_hash,
            "reference": file_digest(self.path),
        }


@dataclass(frozen=True)
class Labelled:
    """Pixels to learn from and to judge by, with their class.

    Attributes:
        referenced: cube and reference.
        regional: counts of the region, where the cube holds one cell of it.
        inputs: content hashes by name.
        licences: of observations and cube.
    """

    referenced: Referenced
    regional: Counts | None
    inputs: Mapping[str, str]
    licences: Sequence[str]
    contract: str = CONTRACT
    resumes: bool = False

    @classmethod
    def open(
        cls, settings: LandcoverWindowStage, observations: Manifest, cube: Cube, betas: Path | None
    ) -> "Labelled":
        """Open what there is to index; see `Task.samples`."""
        referenced = Referenced(settings, cube)
        inputs = {"observations": observations.content_hash, **referenced.inputs}
        regional = None
        if betas is not None:
            inputs[BETAS] = read_manifest(betas, BETAS).content_hash
            regional = _read_counts(betas)
        licences = (*observations.licences, *cube.manifest.licences)
        return cls(referenced, regional, inputs, licences)

    def write(self, draft: Draft) -> Account:
        """Draw the samples.

        Raises:
            SettingsError: a class without a pixel to learn from.
        """
        own = self.referenced.settings.window
        counts = self.referenced.counts if self.regional is None else self.regional
        names = [one.name for one in own.classes]
        _require_all(names, counts)
        tables = [
            draw(cell, classes, patches, counts, per_class=own.per_class, seed=own.seed)
            for cell, classes, patches in self.referenced.cells()
        ]
        table = pd.concat(tables, ignore_index=True)
        (draft.folder / CARD).write_text(card(names, counts, table))
        draft.licences.update(self.licences)
        _write(draft, self.referenced, table)
        draft.summary["training_pixels"] = counts[0].tolist()
        return account_of(draft.summary)


@dataclass(frozen=True)
class Unlabelled:
    """No samples: a model that is trained already maps every pixel.

    Attributes:
        referenced: the cube.
    """

    referenced: Referenced
    contract: str = CONTRACT
    resumes: bool = False

    @property
    def inputs(self) -> Mapping[str, str]:
        """The cube's content hash."""
        return {"cube": self.referenced.cube.manifest.content_hash}

    def write(self, draft: Draft) -> Account:
        """Write the patches, and a table without samples."""
        draft.licences.update(self.referenced.cube.manifest.licences)
        _write(draft, self.referenced, none_drawn())
        return account_of(draft.summary)


@dataclass(frozen=True)
class CellCounts:
    """How many pixels of each class the cells of a cube have, by split.

    Attributes:
        referenced: cube and reference.
    """

    referenced: Referenced
    contract: str = COEFFICIENTS
    resumes: bool = False

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hash of the cube and of the reference."""
        return self.referenced.inputs

    def write(self, draft: Draft) -> Account:
        """Count them."""
        draft.licences.update(self.referenced.cube.manifest.licences)
        return _write_counts(draft, self.referenced.counts, len(self.referenced.cube.cells))


@dataclass(frozen=True)
class RegionalCounts:
    """The counts of all cells.

    Attributes:
        parts: folders of the cells' counts.
        manifest: of all of them.
    """

    parts: Sequence[Path]
    manifest: Manifest
    contract: str = BETAS
    resumes: bool = False

    @classmethod
    def open(cls, coefficients: Path) -> "RegionalCounts":
        """Open the counts of one cell, or of a collection with one artifact of each."""
        manifest, parts = read_manifest(coefficients, COEFFICIENTS), [coefficients]
        if is_collection(coefficients):
            parts = list(read_parts(coefficients, COEFFICIENTS).values())
        return cls(parts, manifest)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hash of the counts."""
        return {COEFFICIENTS: self.manifest.content_hash}

    def write(self, draft: Draft) -> Account:
        """Add them up."""
        draft.licences.update(self.manifest.licences)
        return _write_counts(
            draft, np.sum([_read_counts(part) for part in self.parts], axis=0), len(self.parts)
        )


def account_of(summary: Mapping[str, Any]) -> Account:
    """How many samples there are in each split."""
    drawn: dict[str, list[int]] = summary["samples"]
    if not any(map(any, drawn.values())):
        return Account(notes=("no samples: for a model that is trained already",))
    totals = {split: sum(samples) for split, samples in drawn.items()}
    counted = ", ".join(f"{number} {split}" for split, number in totals.items())
    return Account(
        metrics={f"samples_{split}": float(number) for split, number in totals.items()},
        figures=(CARD,),
        pages={"card": CARD},
        notes=(f"{counted} samples of {len(summary['classes'])} classes",),
    )


def _require_all(names: Sequence[str], counts: Counts) -> None:
    missing = [name for name, pixels in zip(names, counts[0], strict=True) if not pixels]
    if missing:
        raise SettingsError(
            f"window.classes: expected pixels of every class in the training blocks, found none of "
            f"{', '.join(missing)}. Take the class out or join it with another one, erode less, "
            "or choose other blocks (window.split)"
        )


def _write(draft: Draft, referenced: Referenced, table: pd.DataFrame) -> None:
    """Write tables, values and summary."""
    own = referenced.settings.window
    patches = referenced.patches
    table.to_parquet(draft.folder / PIXELS, index=False)
    patches.to_parquet(draft.folder / PATCHES, index=False)
    for cell in sorted(referenced.cube.cells):
        for name, rows in (("samples", table), ("patches", patches)):
            draft.values.add_text(name, lines(rows[rows["cell"] == cell]))
    classes = [one.model_dump(mode="json") for one in own.classes]
    draft.summary.update(classes=classes, samples=drawn_counts(table, len(classes)))


def _write_counts(draft: Draft, counts: Counts, cells: int) -> Account:
    text = json.dumps({split: row.tolist() for split, row in zip(SPLITS, counts, strict=True)})
    (draft.folder / _COUNTS).write_text(text + "\n")
    draft.values.add("counts", counts)
    draft.summary.update(cells=cells, pixels=int(counts.sum()))
    return Account(metrics={"cells": float(cells), "pixels": float(counts.sum())})


def _read_counts(folder: Path) -> Counts:
    document = json.loads((folder / _COUNTS).read_text())
    return np.array([document[split] for split in SPLITS], np.int64)
