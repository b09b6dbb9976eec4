"""Betas of a region whose cells are worked on apart: sums over each cell, then their reduce."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundshift.artifacts import Draft, Manifest, is_collection, read_manifest, read_parts
from groundshift.cube.store import Cube
from groundshift.samples.betas import BETAS, COEFFICIENTS, Sums, join
from groundshift.samples.build import build_coefficients
from groundshift.settings import WindowStage
from groundshift.tasks.protocol import Account


@dataclass(frozen=True)
class CellSums:
    """What the betas of the region are made from, over each cell of a cube.

    Attributes:
        settings: of the stage.
        cube: of one cell or more.
    """

    settings: WindowStage
    cube: Cube
    contract: str = COEFFICIENTS
    resumes: bool = False

    @property
    def inputs(self) -> Mapping[str, str]:
        """The cube's content hash."""
        return {"cube": self.cube.manifest.content_hash}

    def write(self, draft: Draft) -> Account:
        """Sum up over each cell."""
        draft.licences.update(self.cube.manifest.licences)
        build_coefficients(self.cube, self.settings, draft)
        return _account(draft.summary)


@dataclass(frozen=True)
class RegionalBetas:
    """The betas of the region.

    Attributes:
        sums: of the cells.
        manifest: of the artifacts they come from.
    """

    sums: Sequence[Sums]
    manifest: Manifest
    contract: str = BETAS
    resumes: bool = False

    @classmethod
    def open(cls, settings: WindowStage, coefficients: Path) -> "RegionalBetas":
        """Open the sums of one cell, or of a collection with one artifact of each.

        Raises:
            ContractError: sums that other settings made.
        """
        manifest = read_manifest(coefficients, COEFFICIENTS)
        parts = [coefficients]
        if is_collection(coefficients):
            parts = list(read_parts(coefficients, COEFFICIENTS).values())
        return cls([Sums.read(part, COEFFICIENTS, settings) for part in parts], manifest)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hash of the sums."""
        return {COEFFICIENTS: self.manifest.content_hash}

    def write(self, draft: Draft) -> Account:
        """Join the sums of all cells."""
        draft.licences.update(self.manifest.licences)
        join(self.sums).write(draft, BETAS)
        return _account(draft.summary)


def _account(summary: Mapping[str, Any]) -> Account:
    cells, rows, obstacle = (summary[name] for name in ("cells", "rows", "obstacle"))
    return Account(
        metrics={"cells": float(cells), "rows": float(rows)},
        notes=() if obstacle is None else (f"no synthetic labels: {obstacle}",),
    )
