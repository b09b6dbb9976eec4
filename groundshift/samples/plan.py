"""Planning a samples artifact: every check that can be made before a pixel is read."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.cube.store import CellCube, Cube
from groundshift.domain.time import DAY
from groundshift.errors import SettingsError
from groundshift.samples.labels import synthetic
from groundshift.samples.labels.truth import POSITIVE, Truth
from groundshift.samples.splits import SPLITS, USES, patches, sides
from groundshift.samples.store import LabelKind
from groundshift.samples.windows import Windows, require_complete, single, triple
from groundshift.settings import WindowSettings, WindowStage


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

    def complete(self, cell: str) -> pd.DataFrame:
        """The windows of a cell that get labels."""
        windows = self.windows
        return windows[windows["complete"] & (windows["cell"] == cell)]


def plan(cube: Cube, truth: Truth | None, settings: WindowStage) -> Plan:
    """Cut windows and patches, and check that what is asked for can be done.

    Args:
        cube: what is indexed.
        truth: known changes; None if there are none.
        settings: of the stage.

    Raises:
        SettingsError: no complete window, a split without patches or windows, labels that can't be
            computed or would teach the season.
    """
    own = settings.window
    _check_labels(cube, truth, own)
    table = pd.concat(
        [_windows(cell, settings).table(cell.cell.id) for cell in cube.cells.values()],
        ignore_index=True,
    )
    table = table.assign(side=_sides(table, own).astype(object))
    _check_sides(table, own)
    cells = [cell.cell for cell in cube.cells.values()]
    kinds, warnings = _kinds(cube, truth, table, own)
    return Plan(table, patches(cells, own.split, own.patch), kinds, warnings)


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


def _check_labels(cube: Cube, truth: Truth | None, own: WindowSettings) -> None:
    """Refuse labels to train on that can't be had, or would teach the season."""
    if own.labels == "truth":
        if truth is None:
            raise SettingsError(
                "window.labels: truth, but none is known: expected window.truth (polygons with "
                "dates, or masks per period) or changes planted by fetch.plant. Name them, or set "
                "window.labels=synthetic"
            )
        return
    reason = next(filter(None, map(synthetic.obstacle, cube.cells.values())), None)
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


def _kinds(
    cube: Cube, truth: Truth | None, windows: pd.DataFrame, own: WindowSettings
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
    paired = (windows[["previous_first", "next_first"]] >= 0).all(axis=1) & windows["complete"]
    reason = next(filter(None, map(synthetic.obstacle, cube.cells.values())), None)
    if reason is None and not paired.any():
        reason = "no complete window has both neighbours inside the period"
    if reason is not None:
        return tuple(kinds), (*warnings, f"no synthetic labels: {reason}")
    kinds.append("synthetic")
    season = _season(own)
    if season is not None:
        warnings.append(season)
    return tuple(kinds), tuple(warnings)
