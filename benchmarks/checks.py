"""How well the checks find planted defects, and what they say of clean series.

    python -m benchmarks.checks OBSERVATIONS...

takes observations artifacts (a fetched city, the demo), judges every series as it is, and then
plants one defect at a time into every tenth image that a check can judge. Prints a table in
Markdown: images judged, clean ones flagged, defects found.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundshift.observations.checks import border as border_check
from groundshift.observations.checks import cloud as cloud_check
from groundshift.observations.checks import offset as offset_check
from groundshift.observations.checks import shift as shift_check
from groundshift.observations.checks.judge import Check, judge
from groundshift.observations.checks.series import Floats, Series
from groundshift.observations.store import Observations, Record
from groundshift.settings import ChecksSettings

Pixels = tuple[Floats, NDArray[np.bool_]]
_EVERY = 10
_LIMITS = ChecksSettings()


def shifted(values: Floats, valid: NDArray[np.bool_]) -> Pixels:
    """20 m to the east, on pixels of 10 m."""
    return np.roll(values, 2, axis=1), np.roll(valid, 2, axis=1)


def offset(values: Floats, valid: NDArray[np.bool_]) -> Pixels:
    """Sentinel-2's offset left in."""
    return np.where(valid[..., None], values + np.float32(0.1), 0), valid


def white(values: Floats, valid: NDArray[np.bool_]) -> Pixels:
    """Cloud everywhere, and all of it valid."""
    return np.full_like(values, 0.55), np.ones_like(valid)


def border(values: Floats, valid: NDArray[np.bool_]) -> Pixels:
    """A strip of a twentieth of the image without signal."""
    values = values.copy()
    values[:, : max(1, values.shape[1] // 20)] = 1e-5
    return values, valid


Defect = Callable[[Floats, NDArray[np.bool_]], Pixels]

PLANTED: dict[str, tuple[Check, Defect, str, float]] = {
    "shift": (shift_check.check, shifted, "", 0.5),
    "offset": (offset_check.check, offset, "sentinel2", 0.6),
    "cloud": (cloud_check.check, white, "optical", 0.0),
    "border": (border_check.check, border, "radar", 0.0),
}
"""By name: the check, its defect, the mission or kind that can have it, the least valid share."""


def series_of(found: Observations, cell: str, name: str) -> Series:
    """A stored series."""
    sensor = found.sensors[name]
    table = found.table[(found.table["cell"] == cell) & (found.table["sensor"] == name)]
    records = [Record(**row) for row in table.to_dict("records")]
    pixels: dict[int, Pixels] = {}
    for record in records:
        stored, valid = found.read(cell, name, record.time)
        pixels[record.time] = sensor.decode(np.asarray(stored)), np.asarray(valid)
    size = abs(next(each.grid for each in found.cells if each.id == cell).resolution.x)
    return Series(sensor, size, records, lambda record: pixels[record.time])


def trials(series: Series) -> Iterator[tuple[str, bool]]:
    """Plant each defect into some images, one at a time, and tell whether it is found."""
    for name, (check, defect, fits, least) in PLANTED.items():
        if fits not in ("", series.sensor.mission, series.sensor.kind):
            continue
        wanted = [record for record in series.records if record.valid_share >= least]
        for record in wanted[::_EVERY]:
            changed = defect(*series.read(record))
            again = replace(record, valid_share=float(changed[1].mean()))
            records = [again if each is record else each for each in series.records]
            planted = Series(
                series.sensor,
                series.resolution,
                records,
                lambda each, again=again, changed=changed: (  # type: ignore[misc]
                    changed if each is again else series.read(each)
                ),
            )
            found = [measure for measure in check(planted, _LIMITS) if measure.problem]
            yield name, any(measure.time == record.time for measure in found)


def main(folders: list[str]) -> None:
    """Print the table."""
    names = list(PLANTED)
    print("| series | images | flagged | " + " | ".join(f"{name} found" for name in names) + " |")
    print("| --- |" + " --- |" * (len(names) + 2))
    for folder in folders:
        found = Observations.open(Path(folder))
        for cell in found.cells:
            for name in found.sensors:
                series = series_of(found, cell.id, name)
                clean = judge(series, _LIMITS)
                hits = list(trials(series))
                row = []
                for check in names:
                    own = [hit for what, hit in hits if what == check]
                    row.append(f"{sum(own)} of {len(own)}" if own else "-")
                title = f"{Path(folder).name} {name}"
                print(f"| {title} | {len(series.records)} | {len(clean.reasons)} | ", end="")
                print(" | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
