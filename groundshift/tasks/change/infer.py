"""Maps of every window, and dated events: of an area, of one cell, and of cells put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundshift.artifacts import Draft, ValueHash, is_collection, read_manifest, read_parts
from groundshift.cube.store import CellCube, Cube
from groundshift.errors import ContractError
from groundshift.models.store import Detector
from groundshift.products.findings import SCORES_CONTRACT, CellFindings
from groundshift.products.maps import AGGREGATES, CONTRACT, SCORES, share_file
from groundshift.products.page.chunks import DATA
from groundshift.products.report.compose import PREVIEW, REPORT
from groundshift.settings import InferStage
from groundshift.tasks.change.past import PastFiles
from groundshift.tasks.change.publishing import publish, summary_of
from groundshift.tasks.change.scoring import Previous, score_cell
from groundshift.tasks.change.sources import THRESHOLD, Sources
from groundshift.tasks.inputs import require_inputs
from groundshift.tasks.protocol import Account, Chain

_NUMBERS = ("windows", "events", "hectares")
"""Of the manifest's summary, those that are tracked."""


@dataclass(frozen=True)
class AreaMaps:
    """Every stride-th window mapped, what changed outlined and dated, and the run's report.

    Attributes:
        settings: of the stage.
        sources: what is mapped.
        detector: what gives the scores.
        past: what is known of the area's events from before.
    """

    settings: InferStage
    sources: Sources
    detector: Detector
    past: PastFiles
    contract: str = CONTRACT
    resumes: bool = False

    @classmethod
    def open(cls, settings: InferStage, chain: Chain, past: PastFiles) -> "AreaMaps":
        """Open what is mapped; see `Task.maps`.

        Raises:
            ContractError: windows of another cube, or an evaluation of another model.
        """
        return cls(settings, Sources.open(**chain.folders()), Detector.open(chain.model), past)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hashes by name."""
        return self.sources.inputs | self.past.inputs

    def write(self, draft: Draft) -> Account:
        """Map all cells and publish.

        Raises:
            ContractError: windows off the period, or a cube whose numbers the model doesn't take.
        """
        findings = [
            score_cell(
                self.settings, self.sources, self.detector, cell_cube, draft, ValueHash()
            ).findings
            for _, cell_cube in sorted(self.sources.cube.cells.items())
        ]
        publish(self.settings, self.sources, findings, self.past, draft)
        return _published(draft.summary, self.sources)


@dataclass(frozen=True)
class CellScores:
    """One cell mapped: all that the report over all cells needs of it.

    Attributes:
        settings: of the stage.
        sources: what is mapped.
        detector: what gives the scores.
        cell: which one.
        previous: an earlier run's maps, taken over where the model sees the same.
    """

    settings: InferStage
    sources: Sources
    detector: Detector
    cell: CellCube
    previous: Previous
    contract: str = SCORES_CONTRACT
    resumes: bool = False

    @classmethod
    def open(
        cls, settings: InferStage, chain: Chain, cell: str, previous: Path | None
    ) -> "CellScores":
        """Open what is mapped; see `Task.scores`.

        Raises:
            ContractError: as `AreaMaps`, or no such cell.
        """
        sources = Sources.open(**chain.folders())
        cell_cube, detector = _cell(sources.cube, cell), Detector.open(chain.model)
        base = Previous.open(previous, settings, sources)
        return cls(settings, sources, detector, cell_cube, base)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hashes by name."""
        return self.sources.inputs

    def write(self, draft: Draft) -> Account:
        """Map the cell.

        Raises:
            ContractError: as `AreaMaps`.
        """
        sources = self.sources
        given = (self.settings, sources, self.detector, self.cell, draft, draft.values)
        scored = score_cell(*given, self.previous)
        found = scored.findings
        found.write(draft.folder, scored.shown)
        draft.licences.update(sources.licences)
        draft.summary.update(summary_of([found], found.events, sources.threshold))
        draft.record["computed"] = scored.computed
        mapped = draft.summary["windows"]
        return Account(
            metrics=_metrics(draft.summary) | {"windows_computed": float(scored.computed)},
            notes=(f"{mapped} windows mapped, {scored.computed} computed anew",),
        )


@dataclass(frozen=True)
class JoinedMaps:
    """The maps of all cells put together: what `AreaMaps` writes, without scoring.

    Attributes:
        settings: of the stage.
        sources: what the maps were made from.
        parts: folders of the cells' artifacts, in the order of cell ids.
        past: what is known of the area's events from before.
    """

    settings: InferStage
    sources: Sources
    parts: Sequence[Path]
    past: PastFiles
    contract: str = CONTRACT
    resumes: bool = False

    @classmethod
    def open(
        cls, settings: InferStage, chain: Chain, scores: Path, past: PastFiles
    ) -> "JoinedMaps":
        """Open what the cells gave; see `Task.report`.

        Raises:
            ContractError: cells that were mapped from other artifacts than those given.
        """
        sources = Sources.open(**chain.folders())
        require_inputs(read_manifest(scores, SCORES_CONTRACT), sources.chain)
        return cls(settings, sources, _parts(scores), past)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hashes by name."""
        return self.sources.inputs | self.past.inputs

    def write(self, draft: Draft) -> Account:
        """Share the cells' maps and publish."""
        findings = [_take_over(part, draft) for part in self.parts]
        publish(self.settings, self.sources, findings, self.past, draft)
        return _published(draft.summary, self.sources)


def _cell(cube: Cube, cell: str) -> CellCube:
    try:
        return cube.cells[cell]
    except KeyError:
        raise ContractError(
            f"{cube.folder}: expected the cell {cell}, found {', '.join(cube.cells)}. "
            "Check --cell, or rerun: python -m components.stack"
        ) from None


def _parts(scores: Path) -> list[Path]:
    """Folders of the cells' artifacts, in the order of cell ids."""
    return list(read_parts(scores, SCORES_CONTRACT).values()) if is_collection(scores) else [scores]


def _take_over(part: Path, draft: Draft) -> CellFindings:
    """Share a cell's maps with the artifact over all cells."""
    for name in (SCORES, AGGREGATES, DATA):
        for path in sorted(path for path in (part / name).rglob("*") if path.is_file()):
            share_file(path, draft.folder / path.relative_to(part))
    return CellFindings.read(part)


def _published(found: Mapping[str, Any], sources: Sources) -> Account:
    events = f"{found['events']} events on {found['hectares']:.2f} ha"
    notes = [
        f"{found['windows']} maps, {events} at a threshold of {found['threshold']:.3f}",
        f"news: {found['news']} of the events",
    ]
    if sources.evidence.threshold is None:
        notes.append(
            f"the evaluation chose no threshold, {THRESHOLD} was taken: set evaluate.threshold"
        )
    return Account(
        metrics=_metrics(found),
        figures=(REPORT, PREVIEW),
        notes=tuple(notes),
        pages={"report": REPORT},
    )


def _metrics(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(found[name]) for name in _NUMBERS}
