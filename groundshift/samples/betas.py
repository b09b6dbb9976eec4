"""Betas of a region: sums over each cell, and the reduce that joins them.

Both are artifacts too, so that cells can be worked on apart:

    coefficients   coefficients.parquet   rows of `synthetic.index_sums` of some cells
    betas          betas.parquet          the same rows, and the beta of the region

Each row also names the content hash of the cube that it was summed over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from groundshift.artifacts import Draft, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.samples.labels import synthetic
from groundshift.samples.store import joined
from groundshift.samples.windows import with_neighbours
from groundshift.settings import WindowStage

COEFFICIENTS, BETAS = "coefficients", "betas"
"""The two contracts."""

NO_PAIRS = "no complete window has both neighbours inside the period"


@dataclass(frozen=True)
class Sums:
    """Sums over some cells; once they are joined, with the betas of their region.

    Attributes:
        table: Rows of `synthetic.index_sums`, or of `synthetic.regional_betas`.
        obstacle: Why there can't be synthetic labels, for which there are no rows; None if there
            can.
    """

    table: pd.DataFrame
    obstacle: str | None

    @classmethod
    def read(cls, folder: Path, contract: str, settings: WindowStage) -> "Sums":
        """Read one artifact of either contract.

        Args:
            folder: of the artifact.
            contract: which of the two.
            settings: by which it must have been made.

        Raises:
            ContractError: not a whole artifact, or one that other settings made.
        """
        manifest = read_manifest(folder, contract)
        check_files(folder, manifest)
        if manifest.settings != settings.affecting():
            raise ContractError(
                f"{folder}: expected {contract} by the settings of area {settings.name}, found "
                "those of others. Rerun with the same settings: python -m components.window "
                f"--{contract}"
            )
        return cls(pd.read_parquet(folder / _file(contract)), manifest.summary["obstacle"])

    def write(self, draft: Draft, contract: str) -> None:
        """Write the content of an artifact of either contract, and fill its summary and hash."""
        self.table.to_parquet(draft.folder / _file(contract), index=False)
        draft.values.add_text(contract, map(_line, self.table.to_dict("records")))
        draft.summary.update(
            cells=int(self.table["cell"].nunique()), rows=len(self.table), obstacle=self.obstacle
        )

    def of(self, cube: Cube, windows: pd.DataFrame) -> pd.DataFrame:
        """The betas of a cube's cells: rows of `betas.parquet` in samples.

        Args:
            cube: what they must have been summed over.
            windows: complete windows, of which those with neighbours must have betas.

        Raises:
            ContractError: they were made of another cube, or of other windows.
        """
        if self.obstacle is not None:
            return self.table
        own = self.table[self.table["cell"].isin(list(cube.cells))]
        expected = with_neighbours(windows)[["cell", "id"]].to_numpy().tolist()
        found = own[["cell", "id"]].drop_duplicates().to_numpy().tolist()
        foreign = (own["cube"] != cube.manifest.content_hash).any()
        if foreign or found != expected:
            raise ContractError(
                f"the betas are not those of {cube.folder}: expected {len(expected)} windows of "
                f"this very cube, found {len(found)}{' of another one' if foreign else ''}. Rerun "
                "python -m components.window with --coefficients for the cell, then with --betas"
            )
        return own.drop(columns="cube").reset_index(drop=True)


def first_obstacle(cube: Cube) -> str | None:
    """Why a cube can't have synthetic labels; None if it can."""
    found = (synthetic.obstacle(cube.cells[name]) for name in sorted(cube.cells))
    return next(filter(None, found), None)


def sum_cells(
    cube: Cube, windows: pd.DataFrame, means: Mapping[str, synthetic.PartMeans] | None = None
) -> Sums:
    """The sums over each cell of a cube: the map before `join`.

    Args:
        cube: one cell or more.
        windows: complete windows of its cells.
        means: mean images of these windows by cell, to be used again for the labels.
    """
    obstacle = first_obstacle(cube)
    if obstacle is not None:
        return Sums(synthetic.regional_betas([]), obstacle)
    tables = [
        synthetic.index_sums(
            cube.cells[name], windows[windows["cell"] == name], (means or {}).get(name)
        )
        for name in sorted(cube.cells)
    ]
    return Sums(joined(tables).assign(cube=cube.manifest.content_hash), None)


def join(parts: Sequence[Sums]) -> Sums:
    """The betas of the region that some cells' sums cover: the reduce.

    Args:
        parts: in the order of the cells' ids, since the order of a sum shows in its last digits.
    """
    obstacle = next((part.obstacle for part in parts if part.obstacle is not None), None)
    tables = [part.table for part in parts if len(part.table)]
    if obstacle is None and not tables:
        obstacle = NO_PAIRS
    return Sums(synthetic.regional_betas(tables if obstacle is None else []), obstacle)


def _file(contract: str) -> str:
    return f"{contract}.parquet"


def _line(row: Mapping[str, Any]) -> str:
    """A row for the value hash, with six digits of a sum, since processors add up differently."""
    return ",".join(
        f"{value:.6g}" if isinstance(value, float) else str(value)
        for name, value in row.items()
        if name != "cube"
    )
