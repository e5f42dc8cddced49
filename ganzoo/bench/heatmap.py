"""Draw a matrix as a heat map in SVG: the larger a distance, the darker its cell.

``ganzoo.bench.page`` writes the heat map beside the page. ``sheet`` and ``node`` at the end of this module draw any
figure in the same style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, indent, tostring

from ganzoo.bench.matrix import Matrix
from ganzoo.bench.spec import Bench
from ganzoo.bench.table import Panel, describe_metric, matrix_of, panels
from ganzoo.provenance.record import Record
from ganzoo.utils.templates import clean

LIGHTEST, DARKEST = (0xE9, 0xF1, 0xFA), (0x0B, 0x3C, 0x70)
"""Colours of the smallest and the greatest value, as red, green and blue; both have the same hue."""
DARK_FROM = 0.66
"""Share of the colour scale above which text is white, as white is then easier to read than black."""
CELL, LINE = 66, 44
"""Width and height of a cell, in pixels."""
LEFT, TOP, GAP = 112, 62, 34
"""Space for the rows' names, for the columns' names below the panel's title, and between panels, in pixels."""
LETTER = 6.5
"""Average width of a letter, in pixels."""


def heat_map(bench: Bench, records: Sequence[Record]) -> str:
    """Return the heat maps of a table's matrix, one for each row, data set and domain, as the text of one SVG file.

    All maps share one colour scale. A missing value is a dash in an empty cell.
    """
    matrix, drawn = matrix_of(bench), list(panels(bench, records))
    values = [one.mean for panel in drawn for one in panel.values.values() if one.values]
    low, high = min([0.0, *values]), max(values, default=0.0)
    width, height = LEFT + CELL * len(matrix.sets), TOP + LINE * len(matrix.sets)
    across = min(2, len(drawn))
    body = []
    for i, panel in enumerate(drawn):
        left, top = 16 + i % across * (width + GAP), 62 + i // across * (height + GAP)
        body.append(_panel(panel, matrix, low, high, f"translate({left} {top})"))
    down = -(-len(drawn) // across)
    about = f"{describe_metric(bench, records) or 'not measured yet'}; row: taken as translations, column: as real"
    return sheet(
        32 + across * width + (across - 1) * GAP, 78 + down * height + (down - 1) * GAP, bench.spec.title, about, body
    )


def _panel(panel: Panel, matrix: Matrix, low: float, high: float, transform: str) -> Element:
    """Return the SVG group of one heat map: its title, the names of the sets, and a cell for each pair."""
    parts = [node("text", {"class": "head", "x": 0, "y": 14}, panel.label)]
    for i, name in enumerate(matrix.sets):
        count = [f"n = {panel.counts[name]}"] if name in panel.counts else []
        across = _lines(name, int(CELL / LETTER))
        for j, line in enumerate([*across, *count]):
            x, y = LEFT + CELL * (i + 0.5), TOP - 6 - 13 * (len(across) + len(count) - 1 - j)
            parts.append(node("text", {"class": "small", "x": x, "y": y, "text-anchor": "middle"}, line))
        beside = [*_lines(name, int((LEFT - 10) / LETTER)), *count]
        for j, line in enumerate(beside):
            down = TOP + LINE * (i + 0.5) + 4 + 13 * (j - (len(beside) - 1) / 2)
            parts.append(node("text", {"class": "small", "x": LEFT - 8, "y": down, "text-anchor": "end"}, line))
    for (first, second), cell in panel.values.items():
        row, column = (list(matrix.sets).index(name) for name in (first, second))
        x, y = LEFT + CELL * column, TOP + LINE * row
        box = {"x": x + 1, "y": y + 1, "width": CELL - 2, "height": LINE - 2, "rx": 3}
        text = {"x": x + CELL // 2, "y": y + LINE // 2 + 4, "text-anchor": "middle"}
        if not cell.values:
            parts += [node("rect", {"class": "empty", **box}), node("text", text, "—")]
            continue
        share = (cell.mean - low) / (high - low) if high > low else 0.0
        value = f"{cell.mean:z.{matrix.digits}f}"
        tooltip = node("title", {}, f"{first} | {second}: {value}")
        parts.append(node("rect", {"fill": _colour(share), **box}, tooltip))
        ink = f"fill: {'#ffffff' if share > DARK_FROM else '#000000'}"
        parts.append(node("text", {"style": ink, **text}, value))
    return node("g", {"transform": transform}, *parts)


def _colour(share: float) -> str:
    """Return the CSS colour of a share, from 0 to 1, of the colour scale.

    >>> _colour(0.0), _colour(1.0)
    ('#e9f1fa', '#0b3c70')
    """
    mixed = (round(a + (b - a) * share) for a, b in zip(LIGHTEST, DARKEST, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _lines(text: str, length: int) -> list[str]:
    """Return a text as lines of at most ``length`` letters, broken between words; a longer word has a line of its own.

    >>> _lines("translated at scale 0.5", 10)
    ['translated', 'at scale', '0.5']
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(longer) > length:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


COLOURS = ("#0067a5", "#c14a00", "#00795a", "#a0407e", "#6b5c00", "#4d4d9e")
DARK = ("#62b5e8", "#f0925a", "#43c39e", "#d98bbd", "#cdbb45", "#a3a3f0")
"""Colours of categories, on a light and on a dark background; their CSS classes are c0, c1, …."""


def _rules(colours: Sequence[str]) -> str:
    return "".join(
        f".c{i} {{ fill: {colour}; }}\n.line.c{i} {{ fill: none; stroke: {colour}; }}\n"
        for i, colour in enumerate(colours)
    )


SVG = "http://www.w3.org/2000/svg"
STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: #1d2125; }
text.title { font-size: 15px; font-weight: 600; }
text.head { font-weight: 600; }
text.small { font-size: 11px; fill: #5c646d; }
.paper { fill: #fcfcfb; }
.empty { fill: none; stroke: #9aa4ae; stroke-dasharray: 3 3; }
.line { stroke-width: 1.8; stroke-linejoin: round; }
""" + _rules(COLOURS)  # fmt: skip
NIGHT = """
text { fill: #e4e7ea; }
text.small { fill: #9aa4ae; }
.paper { fill: #15181b; }
""" + _rules(DARK)  # fmt: skip


def node(tag: str, attributes: Mapping[str, object] | None = None, *children: Element | str) -> Element:
    """Return an SVG element. Texts are escaped when the figure is written.

    Args:
        tag: the element's name, such as ``text``.
        attributes: the element's attributes.
        children: the elements in it, or its text.
    """
    element = Element(tag, {name: clean(str(value)) for name, value in (attributes or {}).items()})
    for child in children:
        if isinstance(child, Element):
            element.append(child)
        else:
            element.text = clean(child)
    return element


def sheet(width: int, height: int, title: str, about: str, body: Sequence[Element]) -> str:
    """Return a figure as the text of an SVG file, for light and dark pages.

    Args:
        width: the figure's width in pixels.
        height: the figure's height in pixels.
        title: the heading at the top of the figure.
        about: a line below the title.
        body: the drawing; the first 60 pixels from the top belong to title and line.
    """
    style = f"{STYLE}@media (prefers-color-scheme: dark) {{{NIGHT}}}\n"
    root = node(
        "svg",
        {"xmlns": SVG, "viewBox": f"0 0 {width} {height}", "width": width, "height": height, "role": "img"},
        node("title", {}, f"{title}. {about}"),
        node("style", {}, style),
        node("rect", {"class": "paper", "width": width, "height": height}),
        node("text", {"class": "title", "x": 16, "y": 26}, title),
        node("text", {"class": "small", "x": 16, "y": 45}, about),
        *body,
    )
    indent(root, " ")
    return tostring(root, encoding="unicode") + "\n"
