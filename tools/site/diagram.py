"""Draw a Mermaid flowchart as SVG, so that the site needs no program of another server for it.

Only what the pages use: ``flowchart TD`` with lines ``A & B --> C & D`` and ``A[[label]] -. label .-> B``.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from itertools import pairwise

ROW, GAP, HEIGHT, CHARACTER = 80, 36, 32, 8.2
"""Distance of rows, space between boxes, height of a box, width of a character, in pixels."""
NODE = re.compile(r"(\w+)(?:\[\[(.+?)\]\]|\[(.+?)\])?$")
EDGE = re.compile(r"(.+?) (?:(-->)|-\. (.+?) \.->) (.+)$")


@dataclass(frozen=True)
class Edge:
    """An arrow; one with a label is dashed."""

    start: str
    end: str
    label: str


@dataclass
class Chart:
    """Labels of boxes by name, and arrows."""

    labels: dict[str, str] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)


def parse(text: str) -> Chart:
    """Return the boxes and arrows of a flowchart. Raises ValueError for a line that is not understood.

    >>> parse("flowchart TD\\n    a --> b & c").edges[1]
    Edge(start='a', end='c', label='')
    """
    chart = Chart()
    first, *lines = [line.strip() for line in text.strip().splitlines()]
    if first != "flowchart TD":
        raise ValueError(f"a diagram must begin with 'flowchart TD', not {first!r}")
    for line in lines:
        match = EDGE.match(line)
        if not match:
            raise ValueError(f"this line of a diagram is not understood: {line!r}")
        starts, ends = ([_node(one, chart) for one in side.split(" & ")] for side in (match[1], match[4]))
        chart.edges += [Edge(start, end, match[3] or "") for start in starts for end in ends]
    return chart


def _node(text: str, chart: Chart) -> str:
    match = NODE.match(text.strip())
    if not match:
        raise ValueError(f"this box of a diagram is not understood: {text!r}")
    label = match[2] or match[3]
    if label or match[1] not in chart.labels:
        chart.labels[match[1]] = label or match[1]
    return match[1]


def draw(text: str) -> str:
    """Return a flowchart as inline SVG, in the colours of the page around it."""
    chart = parse(text)
    rows, paths = _rows(chart)
    widths = {
        name: len(chart.labels[name]) * CHARACTER + 24 if name in chart.labels else 8.0 for row in rows for name in row
    }
    total = max(sum(widths[name] + GAP for name in row) for row in rows)
    places: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        x = (total - sum(widths[name] + GAP for name in row)) / 2
        for name in row:
            places[name] = (x + (widths[name] + GAP) / 2, number * ROW + HEIGHT)
            x += widths[name] + GAP
    parts = [_arrow(edge, [places[name] for name in paths[edge]]) for edge in chart.edges]
    for name, label in chart.labels.items():
        x, y = places[name]
        parts.append(
            f'<rect x="{x - widths[name] / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{widths[name]:.0f}" '
            f'height="{HEIGHT}" rx="4"/><text x="{x:.0f}" y="{y + 5:.0f}">{html.escape(label)}</text>'
        )
    head = '<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    svg = f'<svg viewBox="0 0 {total:.0f} {len(rows) * ROW}" width="{total:.0f}" role="img">'
    defs = f'<defs>{head}<path d="M0 0 8 4 0 8z"/></marker></defs>'
    return f'<div class="diagram">{svg}{defs}{"".join(parts)}</svg></div>'


def _arrow(edge: Edge, points: list[tuple[float, float]]) -> str:
    (x, y), *middle, (end_x, end_y) = points
    line = " ".join(f"{a:.0f},{b:.0f}" for a, b in [(x, y + HEIGHT / 2), *middle, (end_x, end_y - HEIGHT / 2)])
    dashed = ' class="dashed"' if edge.label else ""
    title = f"<title>{html.escape(f'{edge.start} → {edge.end} {edge.label}'.strip())}</title>"
    return f'<polyline points="{line}" marker-end="url(#head)"{dashed}>{title}</polyline>'


def _rows(chart: Chart) -> tuple[list[list[str]], dict[Edge, list[str]]]:
    """Return the names in each row, and the names on the way of each edge.

    A box stands one row below the lowest one that points to it. An edge over several rows has a name in each of them,
    so that it goes around boxes. In a row, names are near those that point to them.
    """
    depth = dict.fromkeys(chart.labels, 0)
    for _ in chart.labels:
        for edge in chart.edges:
            depth[edge.end] = max(depth[edge.end], depth[edge.start] + 1)
    if max(depth.values()) >= len(depth):
        raise ValueError("the arrows of a diagram lead in a circle")
    rows: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name, row in depth.items():
        rows[row].append(name)
    paths: dict[Edge, list[str]] = {}
    above: dict[str, list[str]] = {}
    for edge in chart.edges:
        between = [f"{edge.start} {edge.end} {row}" for row in range(depth[edge.start] + 1, depth[edge.end])]
        for row, name in enumerate(between, depth[edge.start] + 1):
            rows[row].append(name)
        paths[edge] = [edge.start, *between, edge.end]
        for upper, lower in pairwise(paths[edge]):
            above.setdefault(lower, []).append(upper)
    for upper_names, names in pairwise(rows):
        order = {name: (number + 0.5) / len(upper_names) for number, name in enumerate(upper_names)}
        names.sort(key=lambda name: sum(order[one] for one in above[name] if one in order) / len(above[name]))
    return rows, paths
