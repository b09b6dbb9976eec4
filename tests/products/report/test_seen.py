"""What data came: looks, clouds, gaps and quarantine as the cube and its record have them."""

from dataclasses import replace

import numpy as np

from groundshift.artifacts.collection import JoinedManifest
from groundshift.cube.store import Cube
from groundshift.domain.time import DAY
from groundshift.products.report.seen import seen
from tests.products.conftest import PERIOD, seconds

WHEN = (seconds(PERIOD[0]), seconds(PERIOD[1]))


def by_title(cube: Cube, manifest: object) -> dict[str, dict[str, str]]:
    table = seen(cube.cells, manifest, WHEN).table
    titles = [column.title for column in table.columns]
    return {row.cells[0]: dict(zip(titles, row.cells, strict=True)) for row in table.rows}


def test_looks_clouds_and_gaps_are_those_of_the_cube(cube: Cube) -> None:
    rows = by_title(cube, cube.manifest)
    count = len(range(*WHEN, 6 * DAY))
    assert rows["s1"]["looks in the cube"] == str(count)
    assert rows["s1"]["mean cloud share"] == ""
    assert rows["s1"]["longest gap, days"] == "6"
    assert (rows["s1"]["first"], rows["s2"]["kind"]) == ("2017-01-01", "optical")
    shares = []
    for cell_cube in cube.cells.values():
        rows_, columns = cell_cube.cell.inner
        _, fresh, _ = cell_cube.looks("s2", rows_, columns, (0,))
        shares.append(fresh.mean(axis=(1, 2)))
    assert rows["s2"]["mean cloud share"] == f"{1 - np.mean(shares):.0%}"


def test_quarantine_is_told_where_the_record_knows_it(cube: Cube) -> None:
    assert by_title(cube, cube.manifest)["s2"]["acquired"] == ""
    counts = {"s2": {"acquisitions": 40, "quarantined": 7, "first": "2017-01-01"}}
    known = replace(cube.manifest, record={"acquired": counts})
    row = by_title(cube, known)["s2"]
    assert (row["acquired"], row["without a valid pixel"]) == ("40", "7")
    fields = {name: getattr(known, name) for name in known.__dataclass_fields__}
    joined = JoinedManifest(**fields, parts={"west": known, "east": known})
    assert by_title(cube, joined)["s2"]["acquired"] == "80"
