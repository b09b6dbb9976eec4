"""What was asked, and what it took, in a few facts each."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundshift.artifacts import Manifest
from groundshift.artifacts.manifest import WRITERS
from groundshift.domain.time import DAY, YEAR_DAYS
from groundshift.products.report.page import Column, Row, Table

_KINDS = {"single": "each window alone", "triple": "each with its neighbours"}


def asked(
    chain: Sequence[Manifest], own: Mapping[str, Any], sensors: Mapping[str, str], threshold: float
) -> Table:
    """What a run was asked to do.

    Args:
        chain: manifests behind the maps.
        own: settings of the maps.
        sensors: role by sensor.
        threshold: score from which a pixel counts as changed.
    """
    settings = {name: value for manifest in chain for name, value in manifest.settings.items()}
    window, infer = settings.get("window", {}), own.get("infer", {})
    stride = infer.get("stride", 1)
    streams = ", ".join(f"{name} as {role.replace('_', ' ')}" for name, role in sensors.items())
    least = infer.get("min_event")
    facts = [
        ("Task", f"ground {own.get('task', 'change')}: where and when"),
        ("Sensors", streams),
        ("Windows", _windows(window, stride)),
        ("Labels the network learnt from", str(window.get("labels", ""))),
        ("Changed is", f"a score of {threshold:.2f} or more"),
        ("Smallest event", f"{least} connected pixels" if least else ""),
    ]
    rows = [Row(fact) for fact in facts if fact[1]]
    return Table("What was asked", (Column("question"), Column("answer")), rows)


def _windows(window: Mapping[str, Any], stride: int) -> str:
    if not window:
        return ""
    kind = _KINDS.get(window.get("kind", ""), "")
    mapped = "all mapped" if stride == 1 else f"every {stride}th mapped"
    return f"{window.get('length')} long, {kind}, {mapped}"


def cost(
    chain: Sequence[Manifest],
    *,
    square_kilometres: float,
    period: tuple[int, int],
    pixels: int,
    windows: int,
    units: float = 0,
    travelling: float = 0,
) -> Table:
    """What a run took, as far as it is the same every time: what is stored, what was scored.

    Args:
        chain: manifests behind the maps, latest stage first.
        square_kilometres: of the area.
        period: [start, end) in seconds.
        pixels: of the area.
        windows: that were mapped.
        units: processing units that its images cost to ask for once.
        travelling: bytes of these images, before compression.
    """
    share = square_kilometres * (period[1] - period[0]) / DAY / YEAR_DAYS
    rows = []
    for manifest in reversed(chain):
        size = sum(entry.size for entry in manifest.files)
        if size:
            each = f"{size / 1e6 / share:.3g}" if share else ""
            rows.append(
                Row((manifest.contract, WRITERS[manifest.contract], f"{size / 1e9:.3g}", each))
            )
    columns = (
        Column("artifact"),
        Column("stage"),
        Column("GB", number=True),
        Column("MB per km² and year", number=True),
    )
    lead = (
        f"{pixels * windows:,} scores: {pixels:,} pixels in {windows} windows. The time each "
        "stage took stands in the record of its manifest.json and with the run in MLflow; it "
        "differs from run to run, and this page doesn't."
    )
    if units:
        each = f" ({units / share:,.3g} per km² and year)" if share else ""
        lead += (
            f" To ask for its images once costs {units:,.0f} processing units{each}, for "
            f"{travelling / 1e9:.3g} GB before compression."
        )
    return Table("What it took", columns, rows, lead=lead)
