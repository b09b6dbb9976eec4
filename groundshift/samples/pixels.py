"""The samples of land cover: pixels of a cube with their class, as an index into it.

    manifest.json
    samples.parquet    cell, y, x (pixels of the cell's grid), class (from 1), split, block
    splits.parquet     patches, as those of change monitoring
    label_card.md      pixels and samples of every class

Of a class with too many pixels a part is drawn, by a number that follows from the pixel's own place
and the seed: so an area has the same samples however it is cut into cells. How large that part is
follows from the counts of the whole area.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.artifacts import Manifest, is_collection, read_manifest, read_parts
from groundshift.artifacts.manifest import check_files
from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.errors import ContractError
from groundshift.samples.reference import NO_CLASS
from groundshift.samples.splits import SPLITS

CONTRACT = "samples"
PIXELS, PATCHES, CARD = "samples.parquet", "splits.parquet", "label_card.md"
COLUMNS = ("cell", "y", "x", "class", "split", "block")
JUDGED = 200_000
"""Most pixels of all classes that validate, and that test; classes keep their shares of them."""

Counts = NDArray[np.int64]
"""Pixels by split (in the order of `SPLITS`) and class (from 1): [split, class]."""


@dataclass(frozen=True)
class PixelSamples:
    """A samples artifact of land cover, opened for reading.

    Attributes:
        folder: of the artifact, or of a collection of them.
        manifest: of either.
        parts: folders of the artifacts.
    """

    folder: Path
    manifest: Manifest
    parts: tuple[Path, ...]

    @classmethod
    def open(cls, folder: Path) -> "PixelSamples":
        """Open an artifact, or a collection of them, and check that it is whole.

        Raises:
            ContractError: not a whole samples artifact.
        """
        manifest = read_manifest(folder, CONTRACT)
        check_files(folder, manifest)
        parts = [folder]
        if is_collection(folder):
            parts = list(read_parts(folder, CONTRACT).values())
        return cls(folder, manifest, tuple(parts))

    @cached_property
    def table(self) -> pd.DataFrame:
        """All samples, by cell, row and column."""
        return pd.concat([pd.read_parquet(part / PIXELS) for part in self.parts], ignore_index=True)

    def of(self, split: str) -> pd.DataFrame:
        """The samples of a split."""
        table = self.table
        return table[table["split"] == split].reset_index(drop=True)

    def require(self, cube: Cube) -> None:
        """Refuse a cube that these samples don't index.

        Raises:
            ContractError: naming both.
        """
        expected, found = self.manifest.inputs["cube"], cube.manifest.content_hash
        if expected != found:
            raise ContractError(
                f"{self.folder} indexes another cube ({expected[:12]}) than {cube.folder} "
                f"({found[:12]}). Rerun: python -m components.window"
            )


def count(reference: NDArray[np.uint8], patches: pd.DataFrame, classes: int) -> Counts:
    """Count the pixels of every split and class in a cell.

    Args:
        reference: [y, x] class of every pixel of its grid.
        patches: of the cell, rows of `splits.parquet`.
        classes: how many there are.
    """
    counts = np.zeros((len(SPLITS), classes), np.int64)
    for row in patches.itertuples():
        found = reference[_square(row)]
        own = np.bincount(found.ravel(), minlength=classes + 1)[1:]
        counts[SPLITS.index(row.split)] += own
    return counts


def draw(
    cell: Cell,
    reference: NDArray[np.uint8],
    patches: pd.DataFrame,
    counts: Counts,
    *,
    per_class: int,
    seed: int,
) -> pd.DataFrame:
    """The samples of a cell: about `per_class` of each class to learn from in the whole area.

    Args:
        cell: the cell.
        reference: [y, x] class of every pixel of its grid.
        patches: of the cell, rows of `splits.parquet`.
        counts: of the whole area.
        per_class: most training samples of a class.
        seed: another one draws others.
    """
    shares = np.ones((len(SPLITS), counts.shape[1]))
    shares[0] = np.minimum(1, per_class / np.maximum(counts[0], 1))
    shares[1:] = np.minimum(1, JUDGED / np.maximum(counts[1:].sum(axis=1, keepdims=True), 1))
    lots = _lots(cell, seed)
    rows = []
    for patch in patches.itertuples():
        place = _square(patch)
        known = reference[place]
        share = np.append(0, shares[SPLITS.index(patch.split)])[known]
        y, x = np.nonzero((known != NO_CLASS) & (lots[place] < share))
        own = {"y": y + patch.y0, "x": x + patch.x0, "class": known[y, x]}
        rows.append(
            pd.DataFrame({"cell": cell.id, **own, "split": patch.split, "block": patch.block})
        )
    table = pd.concat([_empty(), *rows], ignore_index=True)[list(COLUMNS)]
    return _typed(table.sort_values(["y", "x"], ignore_index=True))


def _empty() -> pd.DataFrame:
    return pd.DataFrame({name: [] for name in COLUMNS})


def none_drawn() -> pd.DataFrame:
    """A table without samples."""
    return _typed(_empty())


def lines(table: pd.DataFrame) -> Iterable[str]:
    """A table as texts, for hashes."""
    for row in table.itertuples(index=False):
        yield ",".join(map(str, row))


def card(names: Sequence[str], counts: Counts, table: pd.DataFrame) -> str:
    """How many pixels the reference knows in each split, and how many of them are samples."""
    drawn = pd.crosstab(table["class"], table["split"])
    head = " | ".join(f"{split}: pixels | samples" for split in SPLITS)
    text = ["# Samples", "", f"| class | {head} |", "| --- |" + " ---: | ---: |" * len(SPLITS)]
    for number, name in enumerate(names, start=1):
        cells = [
            f"{counts[i, number - 1]} | {_taken(drawn, number, split)}"
            for i, split in enumerate(SPLITS)
        ]
        text.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*text, "", "Pixels are those of the whole area after erosion.", ""])


def drawn_counts(table: pd.DataFrame, classes: int) -> dict[str, list[int]]:
    """Samples by split: how many of each class."""
    drawn = pd.crosstab(table["class"], table["split"])
    return {
        split: [_taken(drawn, number, split) for number in range(1, classes + 1)]
        for split in SPLITS
    }


def _taken(drawn: pd.DataFrame, number: int, split: str) -> int:
    return int(drawn[split].get(number, 0)) if split in drawn else 0


def _square(patch: Any) -> tuple[slice, slice]:
    return slice(patch.y0, patch.y1), slice(patch.x0, patch.x1)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    kinds = {"y": np.int32, "x": np.int32, "class": np.uint8, "block": np.int64}
    return table.astype({"cell": str, "split": str, **kinds})


def _lots(cell: Cell, seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for every pixel, which follows from its place and the seed: [y, x].

    SplitMix64 (Steele et al. 2014) of row and column, counted from the origin of the CRS.
    """
    transform, (rows, columns) = cell.grid.transform, cell.grid.shape
    top, left = round(transform.f / transform.e), round(transform.c / transform.a)
    y = (np.arange(rows) + top).astype(np.int64).astype(np.uint64)[:, None]
    x = (np.arange(columns) + left).astype(np.int64).astype(np.uint64)[None, :]
    mixed = _mix(_mix(_mix(np.full((1, 1), seed, np.uint64)) ^ y) ^ x)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2**53


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
