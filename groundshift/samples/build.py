"""Making a samples artifact: windows and patches indexed, labels computed, a label card written."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.artifacts import Draft
from groundshift.cube.store import CellCube, Cube
from groundshift.memory import Room
from groundshift.samples import store
from groundshift.samples.betas import COEFFICIENTS, Sums, join, sum_cells
from groundshift.samples.labels import synthetic
from groundshift.samples.labels.card import LabelCard
from groundshift.samples.labels.truth import CellTruth, Truth
from groundshift.samples.plan import Plan, plan, plan_index, require_synthetic, windows_of
from groundshift.samples.splits import SPLITS
from groundshift.samples.store import LabelWriter
from groundshift.settings import WindowSettings, WindowStage

log = logging.getLogger(__name__)

_FLAT = 0.9  # share of pixels without an index from which on the shift can't be right
_GROUP = 16  # windows hashed at a time, as many as a chunk of labels holds


def build(
    cube: Cube,
    truth: Truth | None,
    settings: WindowStage,
    draft: Draft,
    betas: Sums | None = None,
) -> LabelCard:
    """Write the content of a samples artifact into a draft, and fill its summary and hash.

    Args:
        cube: what is indexed and labelled: a whole area, or one cell of it.
        truth: known changes; None if there are none.
        settings: of the stage.
        draft: what is written.
        betas: of the region, where the cube holds one cell of it.

    Raises:
        SettingsError: as `plan`.
        ContractError: a cube of another area, or betas of another cube.
    """
    return build_planned(cube, truth, plan(cube, truth, settings, betas), settings, draft, betas)


def build_planned(
    cube: Cube,
    truth: Truth | None,
    planned: Plan,
    settings: WindowStage,
    draft: Draft,
    betas: Sums | None = None,
) -> LabelCard:
    """As `build`, of windows and patches that are planned already.

    Raises:
        SettingsError: the labels of a block don't fit into the memory that is set.
        ContractError: betas of another cube.
    """
    room = _room(settings, cube, planned.complete)
    own = settings.window
    formula = synthetic.Formula.of(own)
    card = LabelCard(_described(formula, own), warnings=list(planned.warnings))
    means = _means(cube, planned, room)
    if betas is None:
        betas = join([sum_cells(cube, planned.complete, means)] if means else [])
    regional = betas.of(cube, planned.complete)
    for cell in cube.cells.values():
        _label_cell(cell, planned, truth, regional, means, formula, draft, card)
    table = truth.table if truth is not None else None
    store.write_tables(draft.folder, planned.windows, planned.patches, regional, table)
    if card.flat_share is not None and card.flat_share > _FLAT:
        card.warnings.append(
            f"the index is 0 both before and after on {card.flat_share:.0%} of pixels: "
            f"window.synthetic.shift={formula.shift} does not fit these images; "
            f"{card.fitting_shift} would"
        )
    card.write(draft.folder / store.CARD)
    _finish(draft, planned, cube)
    return card


def build_index(cube: Cube, settings: WindowStage, draft: Draft) -> None:
    """As `build`, without labels: what a trained model needs to map a cube.

    Raises:
        SettingsError: as `plan`, but for labels.
        ContractError: a cube of another area.
    """
    planned = plan_index(cube, settings)
    for name, cell in cube.cells.items():
        ids = planned.complete_of(name)["id"].to_numpy(np.int64)
        LabelWriter(draft.folder, name, ids, cell.shape, planned.kinds)
    betas = synthetic.regional_betas([])
    store.write_tables(draft.folder, planned.windows, planned.patches, betas, None)
    _finish(draft, planned, cube)


def build_coefficients(cube: Cube, settings: WindowStage, draft: Draft) -> None:
    """Write what the betas of a cube's cells are made from into a draft.

    Raises:
        SettingsError: no complete window, or synthetic labels to train on that can't be had.
    """
    if settings.window.labels == "synthetic":
        require_synthetic(cube, settings.window)
    windows = windows_of(cube, settings)
    complete = windows[windows["complete"]]
    _room(settings, cube, complete)
    sum_cells(cube, complete).write(draft, COEFFICIENTS)


def _room(settings: WindowStage, cube: Cube, windows: pd.DataFrame) -> int:
    """Bytes that mean images may wait in, beside what the labels of a block take.

    Raises:
        SettingsError: the labels of a block don't fit.
    """
    counts = windows["cell"].value_counts().to_dict()
    need = max(synthetic.block_bytes(cell, counts.get(i, 0)) for i, cell in cube.cells.items())
    room = Room(settings.memory, "window")
    room.require(need, "the labels of one block", "take a larger window.stride")
    return max(0, room.left(need + synthetic.KEPT_BYTES) - need)


def _means(cube: Cube, planned: Plan, room: int) -> dict[str, synthetic.PartMeans]:
    """Mean images of every cell, to be read for the betas and again for the labels."""
    if "synthetic" not in planned.kinds:
        return {}
    each = room // len(cube.cells)
    return {
        name: synthetic.PartMeans(cell, planned.complete_of(name), each)
        for name, cell in cube.cells.items()
    }


def _label_cell(
    cell: CellCube,
    planned: Plan,
    truth: Truth | None,
    betas: pd.DataFrame,
    means: Mapping[str, synthetic.PartMeans],
    formula: synthetic.Formula,
    draft: Draft,
    card: LabelCard,
) -> None:
    """Write the labels of a cell block by block, and count those of its core for the card."""
    windows = planned.complete_of(cell.cell.id)
    ids = windows["id"].to_numpy(np.int64)
    writer = LabelWriter(draft.folder, cell.cell.id, ids, cell.shape, planned.kinds)
    for place in synthetic.blocks(cell):
        labels = other = made = None
        if truth is not None:
            labels, other = _true_labels(truth.on(cell.cell.grid[place]), windows)
            writer.write("truth", *place, labels)
        if "synthetic" in planned.kinds:
            own = means[cell.cell.id]
            made = synthetic.block_labels(cell, place, windows, betas, formula, own)
            writer.write("synthetic", *place, made.label)
        inner = synthetic.core(cell, place)
        if inner is not None:
            _count(card, labels, other, made, inner)
    log.info("cell %s: labels of %d windows written", cell.cell.id, len(ids))


def _true_labels(
    truth: CellTruth, windows: pd.DataFrame
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shares of urban and of other change, [window, y, x] each."""
    spans = windows[["start", "end"]].to_numpy("datetime64[s]").astype(np.int64).tolist()
    return (
        np.stack([truth.label(start, end) for start, end in spans]),
        np.stack([truth.other(start, end) for start, end in spans]),
    )


def _count(
    card: LabelCard,
    labels: NDArray[np.float32] | None,
    other: NDArray[np.float32] | None,
    made: synthetic.BlockLabels | None,
    inner: synthetic.Slices,
) -> None:
    """Add the core's part of a block to the card."""
    if labels is not None:
        card.truth.add(labels[:, *inner])
    if made is None:
        return
    card.synthetic.add(made.label[:, *inner])
    card.add_index(made.index[:, :, *inner], made.wanted_shift[:, :, *inner])
    if labels is not None and other is not None:
        card.add_agreement(made.label[:, *inner], labels[:, *inner], other[:, *inner])


def _described(formula: synthetic.Formula, own: WindowSettings) -> dict[str, Any]:
    """The formula's parameters as the card names them."""
    return {
        "label": "clip(gain x radar evidence x index change, 0, 1)",
        "gain": formula.gain,
        "shift": formula.shift,
        "looks": formula.test.looks,
        "significance": formula.test.significance,
        "trained on": own.labels,
    }


def _finish(draft: Draft, planned: Plan, cube: Cube) -> None:
    """Fill the summary, and feed windows, patches and labels to the hash, cell by cell."""
    draft.summary.update(_summary(planned))
    for cell in sorted(cube.cells):
        for name, table in (("windows", planned.windows), ("patches", planned.patches)):
            draft.values.add_text(name, _lines(table[table["cell"] == cell]))
        for kind in planned.kinds:
            array = store.label_array(draft.folder, cell, kind)
            for first in range(0, array.shape[0], _GROUP):
                for image in np.asarray(array[first : first + _GROUP]):
                    draft.values.add_scores(f"{cell}/{kind}", image)


def _lines(table: pd.DataFrame) -> Iterable[str]:
    for row in table.itertuples(index=False):
        yield ",".join(map(str, row))


def _summary(planned: Plan) -> dict[str, Any]:
    """Numbers of the manifest."""
    counts = planned.patches["split"].value_counts()
    return {
        "labels": list(planned.kinds),
        "windows": len(planned.windows),
        "complete_windows": int(planned.windows["complete"].sum()),
        "patches": {split: int(counts.get(split, 0)) for split in SPLITS},
    }
