"""What a catalogue has that an earlier run didn't know, and what it has no longer, in words."""

from collections.abc import Iterable, Iterator

import pandas as pd

from groundshift.domain.time import isoformat
from groundshift.observations.sources.base import Acquisition

_NAMED = 3  # images that a sentence names


def news(earlier: pd.DataFrame, acquisitions: Iterable[Acquisition]) -> tuple[str, ...]:
    """Compare a catalogue with the acquisitions of an earlier artifact.

    Args:
        earlier: Its tables of stored and quarantined observations, joined.
        acquisitions: What the catalogue has now.

    Returns:
        A sentence per sensor and kind of news: new, late, reprocessed, withdrawn.
    """
    rows = earlier.fillna("").to_dict("records")
    before = {(row["sensor"], int(row["time"])): row for row in rows}
    now = {(item.sensor, item.time): item for item in acquisitions}
    sentences: list[str] = []
    for sensor in sorted({name for name, _ in (*before, *now)}):
        known = [time for name, time in before if name == sensor]
        last = max(known, default=0)
        kinds: dict[str, list[str]] = {"new": [], "late": [], "reprocessed": [], "withdrawn": []}
        for (name, time), item in now.items():
            row = before.get((name, time))
            if name != sensor:
                continue
            if row is None:
                kinds["new" if time > last else "late"].append(isoformat(time))
            elif row["product_id"] != item.product_id:
                kinds["reprocessed"].append(f"{isoformat(time)}{_baselines(row, item)}")
        kinds["withdrawn"] += [
            f"{isoformat(time)} ({row['source']})"
            for (name, time), row in before.items()
            if name == sensor and (name, time) not in now
        ]
        if known:
            sentences += _sentences(sensor, kinds)
    return tuple(sentences)


def _baselines(row: dict[str, str], item: Acquisition) -> str:
    """How the processing changed, where it is known."""
    if row["baseline"] == item.baseline:
        return ""
    return f" (baseline {item.baseline or 'unknown'} after {row['baseline'] or 'an unknown one'})"


def _sentences(sensor: str, kinds: dict[str, list[str]]) -> Iterator[str]:
    for kind, found in kinds.items():
        if found:
            named = ", ".join(sorted(found)[:_NAMED])
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            yield f"{sensor}: {len(found)} {kind} in the catalogue: {named}{more}"
