"""Small charts as SVG that a page carries inside itself."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup, escape

from groundshift.products import pictures

_WIDTH, _HEIGHT = 1120.0, 150.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 8.0, 10.0, 24.0
_SPARK = (150.0, 26.0)
_OPTICAL, _RADAR = "#b36b00", "#0b5c8a"


def area_chart(
    times: Sequence[int],
    hectares: Sequence[float],
    period: tuple[int, int],
    known: Sequence[int] = (),
) -> Markup:
    """Area over the threshold, one bar per window at the window's middle.

    Args:
        times: middles of the windows in seconds since 1970.
        hectares: area of each.
        period: [start, end) of the axis in seconds.
        known: dates of known changes in seconds, marked below the axis.
    """
    top = max([*hectares, 1e-9])
    base = _HEIGHT - _BOTTOM
    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img">']
    parts.append("<title>Area over the threshold by window</title>")
    for share in (0.5, 1.0):
        y = base - share * (base - _TOP)
        parts.append(
            f'<line x1="{_LEFT:g}" x2="{_WIDTH - _RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}" '
            f'stroke="#dfe4e9"/><text x="{_LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">'
            f"{_rounded(top * share)} ha</text>"
        )
    places = [_across(time, period) for time in times]
    gaps = [b - a for a, b in itertools.pairwise(places)]
    bar = min(max(statistics.median(gaps) * 0.7, 0.8), 12.0) if gaps else 12.0
    for x, value in zip(places, hectares, strict=True):
        height = value / top * (base - _TOP)
        parts.append(
            f'<rect x="{x - bar / 2:.1f}" y="{base - height:.1f}" width="{bar:.1f}" '
            f'height="{height:.1f}" fill="#5a6876"><title>{value:.2f} ha</title></rect>'
        )
    parts.append(
        f'<line x1="{_LEFT:g}" x2="{_WIDTH - _RIGHT:g}" y1="{base:g}" y2="{base:g}" '
        'stroke="#1b2530"/>'
    )
    for time, label in _months(period):
        x = _across(time, period)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{base:g}" y2="{base + 4:g}" stroke="#1b2530"/>'
            f'<text x="{x:.1f}" y="{base + 17:g}" text-anchor="middle">{label}</text>'
        )
    for time in known:
        x = _across(time, period)
        parts.append(
            f'<path d="M{x:.1f} {base:g} l-4 7 h8 z" fill="{pictures.TRUTH_COLOUR}" '
            'stroke="#1b2530" stroke-width=".6"><title>known change</title></path>'
        )
    parts.append("</svg>")
    return Markup("".join(parts))


def _rounded(value: float) -> str:
    """Two digits, or all before the point: there is no room for powers of ten."""
    return f"{value:.2g}" if value < 99.5 else f"{value:.0f}"


@dataclass(frozen=True)
class CalendarRow:
    """One sensor's looks: times in seconds since 1970, clear share of each, 0...1."""

    name: str
    optical: bool
    times: Sequence[int]
    clear: Sequence[float]


def calendar(rows: Sequence[CalendarRow], period: tuple[int, int]) -> Markup:
    """A line per sensor with a bar per look, as high as its clear share."""
    line, left = 34.0, 92.0
    height = line * len(rows) + _BOTTOM
    scale = (_WIDTH - _RIGHT - left) / max(period[1] - period[0], 1)
    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH:g} {height:g}" role="img">']
    parts.append("<title>Looks of each sensor through time, with their clear share</title>")
    for number, row in enumerate(rows):
        base = line * (number + 1)
        colour = _OPTICAL if row.optical else _RADAR
        parts.append(
            f'<text x="{left - 10:g}" y="{base - 9:.1f}" text-anchor="end">'
            f"{escape(row.name)}</text>"
            f'<line x1="{left:g}" x2="{_WIDTH - _RIGHT:g}" y1="{base:g}" y2="{base:g}" '
            'stroke="#dfe4e9"/>'
        )
        bars = "".join(
            f"M{left + (time - period[0]) * scale:.1f} {base:g}v{-(line - 8) * clear:.1f}"
            for time, clear in zip(row.times, row.clear, strict=True)
        )
        parts.append(f'<path d="{bars}" stroke="{colour}" stroke-width="2.4" fill="none"/>')
    for time, label in _months(period):
        x = left + (time - period[0]) * scale
        parts.append(f'<text x="{x:.1f}" y="{height - 7:g}" text-anchor="middle">{label}</text>')
    parts.append("</svg>")
    return Markup("".join(parts))


def sparkline(
    times: Sequence[int],
    scores: Sequence[float],
    period: tuple[int, int],
    threshold: float,
    found: int,
    known: int | None = None,
) -> Markup:
    """Score of one event through time.

    Args:
        times: middles of the windows in seconds since 1970.
        scores: mean score inside the event, 0...1.
        period: [start, end) of the axis in seconds.
        threshold: drawn as a dotted line.
        found: date given to the event, in seconds.
        known: true date, where known.
    """
    width, height = _SPARK

    def place(time: int) -> float:
        return (time - period[0]) / max(period[1] - period[0], 1) * width

    def level(score: float) -> float:
        return height - 2 - score * (height - 4)

    points = " ".join(
        f"{place(time):.1f},{level(score):.1f}" for time, score in zip(times, scores, strict=True)
    )
    marks = [(found, pictures.EVENT_COLOUR, "found")]
    if known is not None:
        marks.append((known, pictures.TRUTH_COLOUR, "known"))
    lines = "".join(
        f'<line x1="{place(time):.1f}" x2="{place(time):.1f}" y1="0" y2="{height:g}" '
        f'stroke="{colour}" stroke-width="2"><title>{escape(word)}</title></line>'
        for time, colour, word in marks
    )
    return Markup(
        f'<svg width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" '
        'role="img" aria-label="score through time" '
        'style="display:block;background:#f6f8fa">'
        f'<line x1="0" x2="{width:g}" y1="{level(threshold):.1f}" y2="{level(threshold):.1f}" '
        'stroke="#9aa5b1" stroke-dasharray="2 3"/>'
        f'{lines}<polyline points="{points}" fill="none" stroke="#1b2530" stroke-width="1.3"/>'
        "</svg>"
    )


def _across(time: float, period: tuple[int, int]) -> float:
    share = (time - period[0]) / max(period[1] - period[0], 1)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _months(period: tuple[int, int]) -> list[tuple[int, str]]:
    """First days of months to label an axis with, at most about a dozen."""
    first, last = (datetime.fromtimestamp(seconds, UTC) for seconds in period)
    count = (last.year - first.year) * 12 + last.month - first.month
    every = next((step for step in (1, 2, 3, 6, 12, 24, 60) if count / step <= 12), 120)
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    dates = [datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC) for month in months]
    return [
        (int(date.timestamp()), date.strftime("%Y" if every >= 12 else "%b %Y"))
        for date in dates
        if (date.year * 12 + date.month - 1) % every == 0 and first <= date < last
    ]
