"""A picture of a compiled pipeline, for the README.

    python -m pipelines.picture PACKAGE.yaml OUT.svg

Tasks flow from left to right, and from top to bottom inside a loop or a condition.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Literal

from pipelines.checks import Package, upstream
from pipelines.profile import NETWORK

Kind = Literal["task", "loop", "condition", "frame"]

TASK = (92, 38)
GAP = 28
PAD = 13
LINE = 16
PILE = 8
MARGIN = 14
LEGEND = 44

INK, FAINT, PAPER, EDGE = "#22313f", "#5b6b79", "#ffffff", "#7b8a97"
LIGHT_FILL, NETWORK_FILL = "#d9efe6", "#ffe3c2"
LIGHT_EDGE, NETWORK_EDGE = "#3c8f72", "#c9802b"
GROUP_FILL = {"loop": "#f1f5f9", "condition": "#fbf6ea", "frame": "#fafbfc"}
GROUP_EDGE = {"loop": "#9fb0bf", "condition": "#d0b46c", "frame": "#d5dde4"}


@dataclass
class Box:
    """A task, or a group with the boxes that are in it."""

    kind: Kind
    lines: Sequence[str]
    network: bool = False
    cached: bool = True
    across: bool = False
    width: int = TASK[0]
    height: int = TASK[1]
    inside: dict[str, tuple[int, int, "Box"]] = field(default_factory=dict)
    """By name: where it stands in the group, from its top left corner."""
    reach: dict[str, int] = field(default_factory=dict)
    """By name: where its rank ends, in the direction of the flow; arrows bend behind it."""
    arrows: list[tuple[str, str]] = field(default_factory=list)


def draw(package: Package) -> str:
    """The picture of a package as SVG."""
    graph = _group(package, "root", "frame", "", across=True)
    height = graph.height + 2 * MARGIN + LEGEND
    legend, end = _legend(MARGIN + PAD, height - LEGEND + 4)
    width = max(graph.width + MARGIN, end) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"',
        f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif"',
        f'font-size="12.5" fill="{INK}">',
        f"<title>{escape(package.spec['pipelineInfo']['displayName'])}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" orient="auto"',
        f'markerWidth="7" markerHeight="7"><path d="M0 0.8 L7 4 L0 7.2 z" fill="{EDGE}"/>',
        "</marker></defs>",
        _rect(0, 0, width, height, PAPER, "none", 8),
        *_content(graph, MARGIN, MARGIN),
        *legend,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _group(package: Package, dag: str, kind: Kind, title: str, *, across: bool) -> Box:
    """A graph of tasks with everything in its place."""
    tasks = dict(package.dags())[dag]["tasks"]
    boxes = {name: _box(package, task) for name, task in tasks.items()}
    needs = {name: upstream(task) for name, task in tasks.items()}
    lines = [part for part in title.partition(": ")[::2] if part]
    group = Box(kind, lines, across=across, arrows=_arrows(needs))
    top = PAD + LINE * len(lines) + (4 if lines else 0)
    ranks = _ranks(needs)
    columns = [
        sorted(
            (name for name in tasks if ranks[name] == rank), key=lambda name: -boxes[name].height
        )
        for rank in range(max(ranks.values()) + 1)
    ]
    breadth = max(_breadth([boxes[name] for name in column], across) for column in columns)
    longest = max((round(len(line) * 6.3) for line in lines), default=0)
    indent = PAD + (0 if across else max(longest - breadth, 0) // 2)
    at = PAD if across else top
    for column in columns:
        members = [boxes[name] for name in column]
        extent = _extent(members, across)
        beside = (top if across else indent) + (breadth - _breadth(members, across)) // 2
        for name, box in zip(column, members, strict=True):
            off = at + (extent - (box.width if across else box.height)) // 2
            x, y = (off, beside) if across else (beside, off)
            group.inside[name] = (x, y, box)
            group.reach[name] = at + extent + PILE * any(one.kind == "loop" for one in members)
            beside += (box.height if across else box.width) + GAP
        at += extent + GAP
    end = at - GAP + PAD
    group.width = end if across else breadth + 2 * indent
    group.height = top + breadth + PAD if across else end
    return group


def _box(package: Package, task: Mapping[str, Any]) -> Box:
    component = task["componentRef"]["name"]
    content = package.spec["components"][component]
    title = task["taskInfo"]["name"]
    if "dag" not in content:
        command = package.containers[content["executorLabel"]]["command"]
        network = command[-1].removeprefix("components.") in NETWORK
        return Box("task", [title], network, task["cachingOptions"].get("enableCache", False))
    if "parameterIterator" in task:
        return _group(package, component, "loop", title, across=False)
    if "condition" in task.get("triggerPolicy", {}):
        return _group(package, component, "condition", f"if {title}", across=False)
    return _group(package, component, "frame", "", across=True)


def _extent(boxes: Sequence[Box], across: bool) -> int:
    """How far a rank reaches in the direction of the flow."""
    return max(box.width if across else box.height for box in boxes)


def _breadth(boxes: Sequence[Box], across: bool) -> int:
    """How far a rank reaches from side to side."""
    sizes = [box.height if across else box.width for box in boxes]
    return sum(sizes) + GAP * (len(sizes) - 1)


def _ranks(needs: Mapping[str, set[str]]) -> dict[str, int]:
    """How many tasks stand before each, on the longest way to it."""
    ranks: dict[str, int] = {}

    def rank(name: str) -> int:
        if name not in ranks:
            ranks[name] = max((rank(one) + 1 for one in needs[name]), default=0)
        return ranks[name]

    for name in needs:
        rank(name)
    return ranks


def _arrows(needs: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Who waits for whom, without what follows from the rest."""

    def before(name: str) -> set[str]:
        return needs[name].union(*(before(one) for one in needs[name]))

    return [
        (one, name)
        for name in needs
        for one in sorted(needs[name])
        if not any(one in before(other) for other in needs[name])
    ]


def _content(group: Box, x: int, y: int) -> list[str]:
    """What is in a group: arrows below, boxes above them."""
    parts = [_arrow(group, source, target, x, y) for source, target in group.arrows]
    for dx, dy, box in group.inside.values():
        parts += _drawn(box, x + dx, y + dy)
    return parts


def _drawn(box: Box, x: int, y: int) -> list[str]:
    if box.kind == "task":
        fill, edge = (NETWORK_FILL, NETWORK_EDGE) if box.network else (LIGHT_FILL, LIGHT_EDGE)
        dashes = "" if box.cached else ' stroke-dasharray="4 3"'
        middle = f'x="{x + box.width // 2}" y="{y + box.height // 2 + 4}" text-anchor="middle"'
        return [
            _rect(x, y, box.width, box.height, fill, edge, 7, dashes),
            f"<text {middle}>{escape(box.lines[0])}</text>",
        ]
    fill, edge = GROUP_FILL[box.kind], GROUP_EDGE[box.kind]
    # A loop looks like a pile: the same for every cell.
    behind = (PILE, PILE // 2) if box.kind == "loop" else ()
    parts = [_rect(x + by, y + by, box.width, box.height, fill, edge, 9) for by in behind]
    parts.append(_rect(x, y, box.width, box.height, fill, edge, 9))
    for number, line in enumerate(box.lines):
        place = f'x="{x + box.width // 2}" y="{y + PAD + 8 + number * LINE}" text-anchor="middle"'
        style = ' font-style="italic"' if number == 0 else ""
        parts.append(f'<text {place} font-size="11.5" fill="{FAINT}"{style}>{escape(line)}</text>')
    return parts + _content(box, x, y)


def _arrow(group: Box, source: str, target: str, x: int, y: int) -> str:
    """From the far side of one box to the near side of another, around what stands between."""
    (x0, y0, start), (x1, y1, end) = group.inside[source], group.inside[target]
    pile = PILE if start.kind == "loop" else 0
    reach = group.reach[source]
    if group.across:
        begin, middle = x0 + start.width + pile, y0 + start.height // 2
        points = [(begin, middle), (reach, middle), (x1 - 2, y1 + end.height // 2)]
    else:
        begin, middle = y0 + start.height + pile, x0 + start.width // 2
        points = [(middle, begin), (middle, reach), (x1 + end.width // 2, y1 - 2)]
    first, bend, tip = ((x + px, y + py) for px, py in points)
    half = ((bend[0] + tip[0]) // 2, (bend[1] + tip[1]) // 2)
    turns = (
        (half[0], bend[1], half[0], tip[1]) if group.across else (bend[0], half[1], tip[0], half[1])
    )
    path = "M{} {} L{} {} C{} {} {} {} {} {}".format(*first, *bend, *turns, *tip)
    return f'<path d="{path}" fill="none" stroke="{EDGE}" marker-end="url(#tip)"/>'


def _legend(x: int, y: int) -> tuple[list[str], int]:
    """What colours and borders mean, and how far to the right it is written."""
    entries = [
        ("light image", LIGHT_FILL, LIGHT_EDGE, ""),
        ("image with TensorFlow", NETWORK_FILL, NETWORK_EDGE, ""),
        ("never cached", PAPER, INK, ' stroke-dasharray="4 3"'),
        ("once per cell", GROUP_FILL["loop"], GROUP_EDGE["loop"], ""),
        ("only if", GROUP_FILL["condition"], GROUP_EDGE["condition"], ""),
    ]
    parts = []
    for text, fill, edge, dashes in entries:
        parts.append(_rect(x, y, 22, 14, fill, edge, 4, dashes))
        parts.append(f'<text x="{x + 29}" y="{y + 11}" font-size="11.5">{text}</text>')
        x += 29 + round(len(text) * 6.3) + 24
    return parts, x - 24


def _rect(
    x: int, y: int, width: int, height: int, fill: str, edge: str, round_by: int, more: str = ""
) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{round_by}" '
        f'fill="{fill}" stroke="{edge}"{more}/>'
    )


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(draw(Package.read(Path(sys.argv[1]))))
