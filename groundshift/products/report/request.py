"""What was asked, and what it took, in a few facts each."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundshift.artifacts import Manifest
from groundshift.artifacts.collection import manifests_of
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
    """What a run took: time of processors, what is stored, what was scored.

    The maps' own time is not among it: the page lies beside them, finished before they are, and the
    same maps give the same page.

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
    spent = _cpu_hours(chain)
    rows = []
    if "fetch" in spent:
        rows.append(Row(("observations", "fetch", f"{spent['fetch']:.3g}", "", "")))
    for manifest in reversed(chain):
        size = sum(entry.size for entry in manifest.files)
        stage = WRITERS[manifest.contract]
        if size:
            hours = f"{spent[stage]:.3g}" if stage in spent else ""
            each = f"{size / 1e6 / share:.3g}" if share else ""
            rows.append(Row((manifest.contract, stage, hours, f"{size / 1e9:.3g}", each)))
    columns = (
        Column("artifact"),
        Column("stage"),
        Column("CPU hours", number=True),
        Column("GB", number=True),
        Column("MB per km² and year", number=True),
    )
    lead = f"{pixels * windows:,} scores: {pixels:,} pixels in {windows} windows."
    if spent:
        whole = sum(spent.values())
        each = f" ({whole / share:,.3g} per km² and year)" if share else ""
        lead += (
            f" What they were made from took {whole:,.3g} CPU hours{each}; the hours of the maps "
            "themselves stand in their manifest.json and with the run in MLflow."
        )
    if units:
        each = f" ({units / share:,.3g} per km² and year)" if share else ""
        lead += (
            f" To ask for its images once costs {units:,.0f} processing units{each}, for "
            f"{travelling / 1e9:.3g} GB before compression."
        )
    return Table("What it took", columns, rows, lead=lead)


def _cpu_hours(chain: Sequence[Manifest]) -> dict[str, float]:
    """By stage, where known: of the runs that made the artifacts, over all cells."""
    spent: dict[str, float] = {}
    for manifest in chain:
        for part in manifests_of(manifest):
            for stage, entry in (
                ("fetch", "fetch_cpu_seconds"),
                (WRITERS[manifest.contract], "cpu_seconds"),
            ):
                seconds = part.record.get(entry)
                if seconds is not None:
                    spent[stage] = spent.get(stage, 0) + seconds / 3600
    return spent
