"""Planning a samples artifact: every check that can be made before a pixel is read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from groundshift.cube.store import CellCube, Cube
from groundshift.domain.cells import Cell
from groundshift.domain.time import DAY
from groundshift.errors import ContractError, SettingsError
from groundshift.observations.areas import cells_of, rectangle_of
from groundshift.samples.betas import NO_PAIRS, Sums, first_obstacle
from groundshift.samples.labels import synthetic
from groundshift.samples.labels.truth import POSITIVE, Truth
from groundshift.samples.splits import SMALL, SPLITS, USES, patches, sides
from groundshift.samples.store import LabelKind
from groundshift.samples.windows import Windows, require_complete, single, triple, with_neighbours
from groundshift.settings import (
    AreaSettings,
    SplitSettings,
    StageSettings,
    WindowSettings,
    WindowStage,
)


@dataclass(frozen=True)
class Plan:
    """What will be written, known before any pixel is read.

    Attributes:
        windows: Rows of `samples.parquet`.
        patches: Rows of `splits.parquet`.
        kinds: Labels that will be computed.
        warnings: What the label card has to say.
    """

    windows: pd.DataFrame
    patches: pd.DataFrame
    kinds: tuple[LabelKind, ...]
    warnings: tuple[str, ...]

    @property
    def complete(self) -> pd.DataFrame:
        """The windows that get labels."""
        return self.windows[self.windows["complete"]]

    def complete_of(self, cell: str) -> pd.DataFrame:
        """The windows of a cell that get labels."""
        return self.complete[self.complete["cell"] == cell]


def plan(cube: Cube, truth: Truth | None, settings: WindowStage, betas: Sums | None = None) -> Plan:
    """Cut windows and patches, and check that what is asked for can be done.

    Args:
        cube: what is indexed: a whole area, or one cell of it.
        truth: known changes; None if there are none.
        settings: of the stage.
        betas: of the region, where the cube holds one cell of it.

    Raises:
        SettingsError: no complete window, a split without patches or windows, labels that can't be
            computed or would teach the season.
        ContractError: a cube of another area.
    """
    own = settings.window
    if own.labels == "truth":
        _require_truth(truth)
    else:
        require_synthetic(cube, own)
    windows, squares = index(cube, settings)
    obstacle = _obstacle(cube, windows) if betas is None else betas.obstacle
    kinds, warnings = _kinds(truth, obstacle, own)
    return Plan(windows, squares, kinds, warnings)


def plan_index(cube: Cube, settings: WindowStage) -> Plan:
    """As `plan`, without labels: what a model that is trained already needs to map a cube."""
    return Plan(*index(cube, settings), (), ())


def windows_of(cube: Cube, settings: WindowStage) -> pd.DataFrame:
    """The windows of a cube's cells: rows of `samples.parquet`, by cell id and start.

    Raises:
        SettingsError: a cell without a complete window.
    """
    table = pd.concat(
        [_windows(cube.cells[name], settings).table(name) for name in sorted(cube.cells)],
        ignore_index=True,
    )
    return table.assign(side=_sides(table, settings.window).astype(object))


def index(cube: Cube, settings: WindowStage) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Windows and patches of a cube's cells.

    Blocks and patches are planned over the whole area, so that a cell has the same ones whether it
    is worked on alone or with the others.
    """
    own = settings.window
    windows, cells = windows_of(cube, settings), area_cells(cube, settings)
    if len(cells) == len(cube.cells):
        _check_sides(windows, own)
    return windows, cube_patches(cube, cells, settings.area, own.split, own.patch)


def cube_patches(
    cube: Cube, cells: Sequence[Cell], area: AreaSettings, split: SplitSettings, patch: int
) -> pd.DataFrame:
    """The patches of a cube's cells, planned over the whole area: rows of `splits.parquet`.

    Args:
        cube: of the area, or of one cell of it.
        cells: of the whole area.
        area: its settings.
        split: blocks and their splits.
        patch: edge of a patch in pixels.

    Raises:
        SettingsError: a split without a patch.
    """
    small = _small_area(cells, area)
    return patches(cells, split, patch, area=small, chosen=cube.cells)


def _small_area(cells: Sequence[Cell], area: AreaSettings) -> GeoBox | None:
    """The pixels of an area that is small enough to have blocks of its own, else None."""
    pixels = cells[0].core if cells[0].own_size else rectangle_of(area)
    if area.like is not None:
        return pixels
    return pixels if max(pixels.boundingbox.span_x, pixels.boundingbox.span_y) <= SMALL else None


def area_cells(cube: Cube, settings: StageSettings) -> Sequence[Cell]:
    """The cells of the whole area that a cube is of; a cell of its own size is one.

    Raises:
        ContractError: a cube of another area.
    """
    held = [cell.cell for cell in cube.cells.values()]
    if held[0].own_size:
        return held
    area = cells_of(settings.area)
    foreign = sorted(set(cube.cells) - {cell.id for cell in area})
    if foreign:
        raise ContractError(
            f"{cube.folder} holds cell {foreign[0]}, which is none of the {len(area)} cells of "
            f"area {settings.name}. Check --area, or rerun: python -m components.fetch"
        )
    return area


def _windows(cell: CellCube, settings: WindowStage) -> Windows:
    own = settings.window
    period = (settings.period.start_seconds, settings.period.end_seconds)
    cut = {"single": single, "triple": triple}[own.kind]
    windows = cut(
        cell.times,
        length=int(own.length.total_seconds()),
        stride=own.stride,
        min_steps=own.min_steps,
        max_steps=own.max_steps,
        period=period,
    )
    require_complete(
        windows,
        cell.times,
        stride=own.stride,
        min_steps=own.min_steps,
        max_steps=own.max_steps,
        period=period,
        place=f"cell {cell.cell.id}",
    )
    return windows


def _sides(windows: pd.DataFrame, own: WindowSettings) -> NDArray[np.str_]:
    """On which side of `split.until` everything that a window and its label look at lies."""
    margin = int(own.length.total_seconds())
    if own.kind == "single" and own.labels == "truth":
        margin = 0
    start, end = (
        windows[name].to_numpy("datetime64[s]").astype(np.int64) for name in ("start", "end")
    )
    until = None if own.split.until is None else int(own.split.until.timestamp())
    return sides(start - margin, end + margin, until)


def _check_sides(windows: pd.DataFrame, own: WindowSettings) -> None:
    """Refuse time-disjoint splits of which one has no window."""
    usable = windows[windows["complete"]]
    for split, share in zip(SPLITS, own.split.shares, strict=True):
        if share > 0 and not usable["side"].isin(USES[split]).any():
            spans = f"{usable['start'].min()} to {usable['end'].max()}"
            raise SettingsError(
                f"window.split.until: no complete window is left for {split}: expected one on "
                f"its side of {own.split.until}, found windows from {spans}. Move the date, "
                "shorten window.length, or lengthen the period"
            )


def _require_truth(truth: Truth | None) -> None:
    if truth is None:
        raise SettingsError(
            "window.labels: truth, but none is known: expected window.truth (polygons with "
            "dates, or masks per period) or changes planted by fetch.plant. Name them, or set "
            "window.labels=synthetic"
        )


def require_synthetic(cube: Cube, own: WindowSettings) -> None:
    """Refuse synthetic labels to train on that can't be had, or would teach the season.

    Raises:
        SettingsError: saying what is missing, or which length to choose.
    """
    reason = first_obstacle(cube)
    if reason is not None:
        raise SettingsError(f"window.labels: {reason}. Fetch what is missing, or use truth")
    warning = _season(own)
    if warning is not None:
        raise SettingsError(
            f"window.length: {warning}. Set it to 182d or 365d, or use truth labels"
        )


def _season(own: WindowSettings) -> str | None:
    """Why synthetic labels of this window length would show the season; None if they don't."""
    length = int(own.length.total_seconds())
    offset = synthetic.season_offset(length)
    if offset <= synthetic.SEASON_TOLERANCE:
        return None
    return (
        f"synthetic labels compare windows {2 * length / DAY:g} days apart, {offset:.0f} days "
        "from whole years, so that the season would look like change"
    )


def _obstacle(cube: Cube, windows: pd.DataFrame) -> str | None:
    """Why there can't be synthetic labels, as `betas.join` finds it."""
    reason = first_obstacle(cube)
    if reason is None and with_neighbours(windows[windows["complete"]]).empty:
        reason = NO_PAIRS
    return reason


def _kinds(
    truth: Truth | None, obstacle: str | None, own: WindowSettings
) -> tuple[tuple[LabelKind, ...], tuple[str, ...]]:
    """Labels that can be computed, and what to know about them."""
    kinds: list[LabelKind] = []
    warnings = []
    length = int(own.length.total_seconds())
    if truth is not None:
        kinds.append("truth")
        if truth.longest_period > 2 * length:
            warnings.append(
                f"the truth dates changes within {truth.longest_period / DAY:.0f} days, windows "
                f"take {length / DAY:g}: no label reaches {POSITIVE}; longer windows would help"
            )
    if obstacle is not None:
        return tuple(kinds), (*warnings, f"no synthetic labels: {obstacle}")
    kinds.append("synthetic")
    season = _season(own)
    if season is not None:
        warnings.append(season)
    return tuple(kinds), tuple(warnings)
