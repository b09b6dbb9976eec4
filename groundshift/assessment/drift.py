"""Drift: whether new images still look like those that a model was trained on.

The looks of the newest window are compared with the training's, band by band, on the scale that
the model takes them. A cell where much was built is no drift, so that the median over the cells
counts; of the bands the one that differs most.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from groundshift.cube.store import CellCube, Frames
from groundshift.domain.time import isoformat, parse_duration
from groundshift.models.inputs import StreamScale, spread
from groundshift.models.store import Detector
from groundshift.samples.windows import single
from groundshift.settings import DriftSettings

CONTRACT = "drift"
DOCUMENT, PAGE = "drift.json", "drift.html"

_PLACES, _EDGE = 3, 32  # squares of 32 pixels read of a cell, along each side


@dataclass(frozen=True)
class BandDrift:
    """One band, in decibels for radar.

    Attributes:
        role: of the stream.
        band: name.
        trained: mean and deviation over the training.
        recent: mean and deviation over the newest window, the median over the cells.
        difference: the larger difference of the two, in deviations of the training.
    """

    role: str
    band: str
    trained: tuple[float, float]
    recent: tuple[float, float]
    difference: float


@dataclass(frozen=True)
class Drift:
    """How far images have moved away from a model.

    Attributes:
        bands: those with a look in the newest window.
        unseen: roles without any.
        until: end of the newest window in seconds since 1970.
        new_windows: windows that end after the training did.
        settings: when training pays.
    """

    bands: tuple[BandDrift, ...]
    unseen: tuple[str, ...]
    until: int
    new_windows: int
    settings: DriftSettings

    @property
    def value(self) -> float:
        """The largest difference; 0 where there was nothing to see."""
        return max((band.difference for band in self.bands), default=0.0)

    @property
    def retrain(self) -> bool:
        """Whether training pays: images differ, and there are enough new ones to learn from."""
        enough = self.new_windows >= self.settings.minimum_windows
        return enough and self.value >= self.settings.threshold

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return {
            "drift": self.value,
            "retrain": self.retrain,
            "threshold": self.settings.threshold,
            "new_windows": self.new_windows,
            "minimum_windows": self.settings.minimum_windows,
            "until": isoformat(self.until),
            "unseen": list(self.unseen),
            "bands": [asdict(band) for band in self.bands],
        }

    def write(self, folder: Path) -> None:
        """Write `drift.json` and `drift.html`."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        (folder / DOCUMENT).write_text(text + "\n")
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        (folder / PAGE).write_text(environment.from_string(_PAGE).render(drift=self))


def measure_drift(
    detector: Detector,
    cells: Mapping[str, CellCube],
    settings: DriftSettings,
    *,
    trained_until: int,
) -> Drift:
    """Compare the newest window of every cell with what a model was trained on.

    Args:
        detector: the model.
        cells: of the cube.
        settings: when training pays.
        trained_until: end of the training's images in seconds since 1970.

    Raises:
        ContractError: numbers that the model doesn't take.
    """
    for cell in cells.values():
        detector.require(cell.signature, owner=f"the model for cell {cell.cell.id}")
    length = int(parse_duration(detector.windows["length"]).total_seconds())
    bands: list[BandDrift] = []
    unseen = []
    for scale in detector.inputs.streams:
        found = [moments for cell in cells.values() if (moments := _recent(cell, scale, length))]
        if not found:
            unseen.append(scale.role)
            continue
        names = next(s.bands for s in detector.signature.streams if s.role == scale.role)
        bands += _compared(scale, names, np.median(found, axis=0))
    new = [_new_windows(detector, cell, length, trained_until) for cell in cells.values()]
    until = max(int(cell.times[-1]) for cell in cells.values())
    return Drift(tuple(bands), tuple(unseen), until, int(np.median(new)), settings)


def trained_until(settings: Mapping[str, Any], started: float) -> int:
    """When a model's images ended: at the end of its period, or when it was trained.

    Args:
        settings: of the model's manifest.
        started: when the training began, in seconds since 1970.
    """
    return int(min(datetime.fromisoformat(settings["period"]["end"]).timestamp(), started))


def _recent(
    cell: CellCube, scale: StreamScale, length: int
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and deviation of the newest window's looks, by band; None where there is no look."""
    stop = len(cell.times)
    first = int(np.searchsorted(cell.times, cell.times[-1] - length, side="right"))
    frames = [
        cell.frames(cell.roles[scale.role], first, stop, rows, columns)[0]
        for rows, columns in _squares(cell)
    ]
    return spread(frames, scale.scale, place=scale.role) if _any_look(frames) else None


def _any_look(frames: Iterable[Frames]) -> bool:
    return any(part.fresh.any() for part in frames)


def _squares(cell: CellCube) -> list[tuple[slice, slice]]:
    """Some squares spread evenly over a cell's core."""
    rows, columns = (
        [
            slice(int(start) + part.start, int(start) + part.start + min(_EDGE, size))
            for start in np.unique(np.linspace(0, max(size - _EDGE, 0), _PLACES).round())
        ]
        for part, size in zip(cell.cell.inner, cell.cell.core.shape, strict=True)
    )
    return [(row, column) for row in rows for column in columns]


def _compared(
    scale: StreamScale, names: tuple[str, ...], recent: NDArray[np.float64]
) -> list[BandDrift]:
    """A stream's bands beside the training; recent [mean and deviation, band]."""
    compared = []
    for number, name in enumerate(names):
        trained = (scale.mean[number], scale.deviation[number])
        now = (float(recent[0, number]), float(recent[1, number]))
        difference = max(abs(n - t) for n, t in zip(now, trained, strict=True)) / trained[1]
        compared.append(BandDrift(scale.role, name, trained, now, round(difference, 4)))
    return compared


def _new_windows(detector: Detector, cell: CellCube, length: int, since: int) -> int:
    windows = single(
        cell.times,
        length=length,
        stride=1,
        min_steps=detector.windows["min_steps"],
        max_steps=detector.windows["max_steps"],
        period=(int(cell.times[0]), int(cell.times[-1]) + 1),
    )
    return int((windows.complete & (windows.end > since)).sum())


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Drift</title>
<style>
  body { max-width: 760px; margin: 30px auto; padding: 0 20px; color: #1b2530;
    font: 15px/1.5 system-ui, sans-serif; }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  th, td { text-align: right; padding: 4px 8px; border-bottom: 1px solid #dfe4e9; }
  th:first-child, td:first-child { text-align: left; }
  td.bar { width: 30%; } td.bar i { display: block; height: 10px; background: #5a6876; }
  tr.high td.bar i { background: #b5402a; }
</style>
</head>
<body>
<h1>Drift {{ "%.2f"|format(drift.value) }}</h1>
<p>{{ "Training pays" if drift.retrain else "No need to train" }}: the newest images differ from
those of the training by up to {{ "%.2f"|format(drift.value) }} standard deviations (threshold
{{ drift.settings.threshold }}), and {{ drift.new_windows }} windows are new (at least
{{ drift.settings.minimum_windows }} needed).
{% if drift.unseen %}No look at all in the newest window: {{ drift.unseen|join(", ") }}.{% endif %}
</p>
<table>
<tr><th>band</th><th>trained</th><th>newest</th><th>difference</th><th></th></tr>
{% for band in drift.bands %}
<tr{% if band.difference >= drift.settings.threshold %} class="high"{% endif %}>
<td>{{ band.role }} {{ band.band }}</td>
<td>{{ "%.4g ± %.3g"|format(*band.trained) }}</td>
<td>{{ "%.4g ± %.3g"|format(*band.recent) }}</td>
<td>{{ "%.2f"|format(band.difference) }}</td>
<td class="bar"><i style="width: {{ [100, 50 * band.difference]|min|round(1) }}%"></i></td>
</tr>
{% endfor %}
</table>
</body>
</html>
"""
