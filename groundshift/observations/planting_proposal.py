"""Proposes planting plans: where on an image changes can be planted, drawn at random from a seed.

The proposal is made once and its file kept; drawing it anew must not be part of a run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import shapes
from scipy.ndimage import binary_dilation
from shapely.geometry import shape

from groundshift.errors import SettingsError
from groundshift.observations.planting import Kind, Plan, PlantedChange

STRENGTHS = (1.0, 2 / 3, 1 / 3)
GRADUAL_DAYS = (90, 183)  # shortest and longest ramp of a gradual change: 3 to 6 months

_ATTEMPTS = 100  # whole drafts of a split, of which the best is kept
_FOOTPRINTS: tuple[NDArray[np.bool_], ...] = tuple(  # in units of the alignment
    np.array(rows, dtype=bool)
    for rows in (
        [[1, 1], [1, 1]],
        [[1, 1, 1], [1, 1, 1]],
        [[1, 1], [1, 1], [1, 1]],
        [[1, 1, 0], [1, 1, 1]],
        [[0, 1], [1, 1], [1, 1]],
        [[1, 1, 1], [1, 1, 1], [0, 1, 1]],
        [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    )
)
_PLACE_TRIALS = 6  # places looked at for the one that fits in most tightly
_PAIR_TRIALS = 40  # pairs of fields looked at for the one with the greatest contrast

_Drawn = tuple[Kind, NDArray[np.bool_], tuple[int, int]]
"""Kind, target mask [y, x], and rows and columns from a target pixel to its donor."""


@dataclass(frozen=True)
class Site:
    """What is known of the area into which changes are planted.

    Attributes:
        grid: Pixel grid in a projected CRS, north up.
        built: [y, x] bool, pixels that are built up throughout: what donors are cut from.
        field: [y, x] bool, open ground that stays as it is: where targets may lie.
        character: [y, x], any number that tells one field from another (the NDVI's mean or range,
            say); swapped fields are chosen to differ in it.
        blocks: [y, x] int, number of the block that a pixel belongs to.
        groups: Split name -> its blocks. A change and its donor keep to blocks of one split, so
            that no network meets a test donor while it learns.
        period: First and last day on which anything may change.
        align: Targets and offsets are multiples of this many pixels (2: radar of 20 m on 10 m).
    """

    grid: GeoBox
    built: NDArray[np.bool_]
    field: NDArray[np.bool_]
    character: NDArray[np.float32]
    blocks: NDArray[np.int_]
    groups: Mapping[str, Sequence[int]]
    period: tuple[date, date]
    align: int = 2

    def __post_init__(self) -> None:
        """Refuse rasters of different shapes."""
        for name in ("built", "field", "character", "blocks"):
            found = getattr(self, name).shape
            if found != self.grid.shape:
                raise SettingsError(
                    f"No planting plan: the raster {name!r} has shape {found}, the grid "
                    f"{tuple(self.grid.shape)}. Give all rasters on one grid."
                )


@dataclass
class _Draft:
    """What is left while a split's changes are drawn: ground, ground with a gap, donors."""

    open: NDArray[np.bool_]
    spaced: NDArray[np.bool_]
    donors: NDArray[np.bool_]
    changes: list[_Drawn]


def propose(site: Site, *, seed: int, count: int = 24) -> Plan:
    """Draw a plan: urban changes of all strengths and speeds, and a pair of swapped fields a split.

    Every split gets a share of `count` in proportion to its blocks, and in it every strength
    abruptly and gradually alike. No donor pixel is used twice.

    Args:
        site: The area.
        seed: The same seed gives the same plan.
        count: Number of urban changes in all.
    """
    total = sum(len(blocks) for blocks in site.groups.values())
    changes: list[PlantedChange] = []
    for order, (name, blocks) in enumerate(site.groups.items()):
        random = np.random.default_rng([seed, order])
        wanted = round(count * len(blocks) / total)
        drafts = _draw_split(site, name, wanted, random)
        kinds = _kinds(wanted, random)
        for number, (kind, target, steps) in enumerate(drafts, start=1):
            strength, gradual = next(kinds) if kind == "urban" else (1.0, False)
            start, end = _dates(site.period, gradual, random)
            if kind == "swap" and changes[-1].kind == "swap":
                start = end = changes[-1].start  # both halves of a swap happen on one day
            identity = f"{name}-{number:02d}"
            changes.append(_change(site, identity, kind, target, steps, (start, end), strength))
    return Plan(tuple(changes), str(site.grid.crs))


def _kinds(count: int, random: np.random.Generator) -> Iterator[tuple[float, bool]]:
    """Strength and speed of each urban change, all combinations equally often, in random order."""
    all_kinds = list(product(STRENGTHS, (False, True)))
    kinds = [all_kinds[number % len(all_kinds)] for number in range(count)]
    return (kinds[index] for index in random.permutation(count))


def _dates(
    period: tuple[date, date], gradual: bool, random: np.random.Generator
) -> tuple[date, date]:
    """Start and end of a change inside the period."""
    days = int(random.integers(GRADUAL_DAYS[0], GRADUAL_DAYS[1] + 1)) if gradual else 0
    latest = (period[1] - period[0]).days - days
    start = period[0] + timedelta(int(random.integers(latest + 1)))
    return start, start + timedelta(days)


def _draw_split(site: Site, name: str, count: int, random: np.random.Generator) -> list[_Drawn]:
    """Targets and offsets (rows, columns) of one split: `count` urban ones, then the swapped pair.

    Drawn anew from the start many times, which costs less than a search; the draft that changes
    most ground is kept.
    """
    inside = np.isin(site.blocks, site.groups[name])
    room = site.field & ~site.built & inside & ~_borders(site.blocks)
    best: list[_Drawn] = []
    for _ in range(_ATTEMPTS):
        draft = _Draft(room.copy(), room.copy(), site.built & inside, [])
        # The pair first: it needs two places of one shape.
        whole = _add_swap(site, draft, random) and all(
            _add_urban(site, draft, random) for _ in range(count)
        )
        if whole and _area(draft.changes) > _area(best):
            best = draft.changes
    if best:
        return [*best[2:], *best[:2]]
    raise SettingsError(
        f"No room for {count} planted changes and a swapped pair in split {name!r}: expected open "
        f"ground and as many built-up pixels to copy, found {int((site.field & inside).sum())} and "
        f"{int((site.built & inside).sum())} pixels. Plant fewer, or give the split other blocks."
    )


def _area(changes: Sequence[_Drawn]) -> int:
    """Pixels that change."""
    return sum(int(target.sum()) for _, target, _ in changes)


def _add_urban(site: Site, draft: _Draft, random: np.random.Generator) -> bool:
    """Draw one urban change, with a donor that nothing else uses; false where there is no room."""
    for index in random.permutation(len(_FOOTPRINTS)):
        footprint = _in_pixels(_FOOTPRINTS[index], site.align)
        targets = _positions(draft.spaced, footprint, site.align)
        if not len(targets):  # better two changes that touch than too few
            targets = _positions(draft.open, footprint, site.align)
        donors = _positions(draft.donors, footprint, site.align)
        if not (len(targets) and len(donors)):
            continue
        target = _pick_target(site, draft, footprint, targets, random)
        donor = donors[random.integers(len(donors))]
        draft.donors[_stamp(draft.donors, footprint, donor)] = False
        _take(draft, "urban", footprint, target, donor)
        return True
    return False


def _pick_target(
    site: Site,
    draft: _Draft,
    footprint: NDArray[np.bool_],
    targets: NDArray[np.intp],
    random: np.random.Generator,
) -> NDArray[np.intp]:
    """A position in the block with the fewest changes so far, so that they spread.

    Of a few random ones there, the one that leaves most room to the changes still to come.
    """
    blocks = site.blocks[targets[:, 0], targets[:, 1]]
    used = {int(block): 0 for block in np.unique(blocks)}
    for _, mask, _ in draft.changes:
        block = int(site.blocks[mask][0])
        if block in used:
            used[block] += 1
    fewest = [block for block, number in used.items() if number == min(used.values())]
    chosen = targets[np.isin(blocks, fewest)]
    some = chosen[random.permutation(len(chosen))[:_PLACE_TRIALS]]
    closed = [draft.spaced[_with_gap(_stamp(draft.open, footprint, place))].sum() for place in some]
    place: NDArray[np.intp] = some[int(np.argmin(closed))]
    return place


def _add_swap(site: Site, draft: _Draft, random: np.random.Generator) -> bool:
    """Draw a pair of fields that differ in character; false where there is no room."""
    footprint = _in_pixels(_FOOTPRINTS[1], site.align)
    places = _positions(draft.spaced, footprint, site.align)
    if len(places) < 2:
        return False
    height, width = footprint.shape

    def character(place: NDArray[np.intp]) -> float:
        row, column = place
        return float(site.character[row : row + height, column : column + width][footprint].mean())

    pairs = [places[random.choice(len(places), 2, replace=False)] for _ in range(_PAIR_TRIALS)]
    # A gap of one alignment unit between the two, as between all targets.
    apart = [p for p in pairs if (abs(p[0] - p[1]) >= footprint.shape + np.array(site.align)).any()]
    if not apart:
        return False
    first, second = max(apart, key=lambda pair: abs(character(pair[0]) - character(pair[1])))
    for here, there in ((first, second), (second, first)):
        _take(draft, "swap", footprint, here, there)
    return True


def _take(
    draft: _Draft,
    kind: Kind,
    footprint: NDArray[np.bool_],
    place: NDArray[np.intp],
    donor: NDArray[np.intp],
) -> None:
    """Note a change and close its target to others."""
    target = _stamp(draft.open, footprint, place)
    rows, columns = (int(step) for step in donor - place)
    draft.changes.append((kind, target, (rows, columns)))
    draft.open[target] = False
    draft.spaced[_with_gap(target)] = False


def _with_gap(target: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[y, x] a target and the pixels around it, where no other should lie."""
    around: NDArray[np.bool_] = binary_dilation(target, np.ones((3, 3), dtype=bool))
    return around


def _in_pixels(units: NDArray[np.bool_], align: int) -> NDArray[np.bool_]:
    """A footprint in pixels instead of units of the alignment."""
    return units.repeat(align, axis=0).repeat(align, axis=1)


def _positions(
    free: NDArray[np.bool_], footprint: NDArray[np.bool_], align: int
) -> NDArray[np.intp]:
    """Aligned top left corners [position, (row, column)] at which all of a footprint is free."""
    windows = np.lib.stride_tricks.sliding_window_view(free, footprint.shape)[::align, ::align]
    return np.argwhere(windows[:, :, footprint].all(axis=2)) * align


def _stamp(
    like: NDArray[np.bool_], footprint: NDArray[np.bool_], place: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """[y, x] mask of a footprint whose top left corner is at a place."""
    row, column = place
    mask = np.zeros(like.shape, dtype=bool)
    mask[row : row + footprint.shape[0], column : column + footprint.shape[1]] = footprint
    return mask


def _borders(blocks: NDArray[np.int_]) -> NDArray[np.bool_]:
    """[y, x] pixels with a neighbour in another block, and those at the edge of the image."""
    padded = np.pad(blocks, 1, constant_values=-1)
    neighbours = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    border: NDArray[np.bool_] = (neighbours != blocks[:, :, None, None]).any(axis=(2, 3))
    return border


def _change(
    site: Site,
    name: str,
    kind: Kind,
    target: NDArray[np.bool_],
    steps: tuple[int, int],
    dates: tuple[date, date],
    strength: float,
) -> PlantedChange:
    """A change of the plan from its pixels."""
    outlines = shapes(target.astype(np.uint8), mask=target, transform=site.grid.transform)
    outline, _ = next(iter(outlines))
    return PlantedChange(
        id=name,
        kind=kind,
        geometry=shape(outline),
        donor_dx=steps[1] * site.grid.transform.a,
        donor_dy=steps[0] * site.grid.transform.e,
        start=dates[0],
        end=dates[1],
        strength=strength,
        plot=int(site.blocks[target][0]),
    )
