"""Objects of neighbouring cells joined across their common edge, as if there were no cells."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from groundshift.events.objects import Objects, Part, join_parts

_NEIGHBOURS = ((1, 0), (0, 1))  # column, row


def merge(cells: Sequence[Objects]) -> list[Part]:
    """The events of an area from the objects of its cells.

    Args:
        cells: objects with open edges, in the order of cell ids; all on one pixel grid and by one
            rule.

    Returns:
        Those parts, joined where they touch at near dates, that count; in the order of the cells
        and of the parts in them.
    """
    parts = [part for objects in cells for part in objects.parts]
    offsets = np.cumsum([0, *(len(objects.parts) for objects in cells)])
    places = np.concatenate([objects.edge.places for objects in cells])
    dates = np.concatenate([objects.edge.dates for objects in cells])
    numbers = np.concatenate(
        [objects.edge.numbers + offset for objects, offset in zip(cells, offsets, strict=False)]
    )
    apart = max(objects.apart for objects in cells)
    known = {place: index for index, place in enumerate(map(tuple, places.tolist()))}
    pairs = [
        (numbers[index], numbers[other])
        for (column, row), index in known.items()
        for right, down in _NEIGHBOURS
        if (other := known.get((column + right, row + down))) is not None
        and abs(dates[index] - dates[other]) < apart
    ]
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    links = coo_matrix((np.ones(len(first), bool), (first, second)), shape=(len(parts),) * 2)
    groups = connected_components(links, directed=False)[1]
    members: dict[int, list[Part]] = {}
    for group, part in zip(groups.tolist(), parts, strict=True):
        members.setdefault(group, []).append(part)
    joined = [join_parts(group) for group in members.values()]
    return [part for part in joined if part.counts(cells[0].rule)]
