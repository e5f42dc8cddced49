"""Figures as SVG files: a sheet that is light or dark as its reader's screen is."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, indent, tostring

from ganzoo.report.markup import node

COLOURS = ("#0067a5", "#c14a00", "#00795a", "#a0407e", "#6b5c00", "#4d4d9e")
DARK = ("#62b5e8", "#f0925a", "#43c39e", "#d98bbd", "#cdbb45", "#a3a3f0")
"""Of categories, on light paper and on dark."""

STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: #1d2125; }
text.title { font-size: 15px; font-weight: 600; }
text.head { font-weight: 600; }
text.small { font-size: 11px; fill: #5c646d; }
.paper { fill: #fcfcfb; }
.empty { fill: none; stroke: #9aa4ae; stroke-dasharray: 3 3; }
""" + "".join(f".c{i} {{ fill: {colour}; }}\n" for i, colour in enumerate(COLOURS))  # fmt: skip
NIGHT = """
text { fill: #e4e7ea; }
text.small { fill: #9aa4ae; }
.paper { fill: #15181b; }
""" + "".join(f".c{i} {{ fill: {colour}; }}\n" for i, colour in enumerate(DARK))  # fmt: skip


def sheet(width: int, height: int, title: str, about: str, body: Sequence[Element]) -> str:
    """Return a figure as a file holds it.

    Args:
        width: in pixels.
        height: likewise.
        title: of the figure, above it at 24 pixels.
        about: a line below the title.
        body: the rest, from about 60 pixels on.
    """
    style = f"{STYLE}@media (prefers-color-scheme: dark) {{{NIGHT}}}\n"
    root = node(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width} {height}",
            "width": width,
            "height": height,
            "role": "img",
        },
        node("title", {}, f"{title}. {about}"),
        node("style", {}, style),
        node("rect", {"class": "paper", "width": width, "height": height}),
        node("text", {"class": "title", "x": 16, "y": 26}, title),
        node("text", {"class": "small", "x": 16, "y": 45}, about),
        *body,
    )
    indent(root, " ")
    return tostring(root, encoding="unicode") + "\n"
