"""Render a table as Markdown, CSV, LaTeX or HTML; ``FORMATS`` has the functions by name."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Mapping

from ganzoo.bench.table import Table, Text

MARKDOWN = {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{one: f"\\{one}" for one in "\\|*[]`"}}
LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # at the start of a row LaTeX would read [ and * as options of the line's end
    "*": "{*}",
    "±": r"$\pm$",
    "—": "---",
    "→": r"$\rightarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


def markdown(table: Table) -> str:
    """Return a table as Markdown: its rows, then details, footnotes and description."""

    def escaped(text: str) -> str:
        return "".join(MARKDOWN.get(one, one) for one in " ".join(text.split()))

    def cell(text: Text) -> str:
        plain = f"**{escaped(text.text)}**" if text.bold else escaped(text.text)
        return plain + (f"<sup>{_numbers(text)}</sup>" if text.notes else "")

    lines = [f"| {' | '.join(map(escaped, table.head))} |", f"| --- |{' ---: |' * (len(table.head) - 1)}"]
    lines += [f"| {' | '.join(map(cell, row))} |" for row in table.rows]
    lines += ["", escaped(" ".join(table.details)).replace("\\`", "`")]
    lines += [f"<br><sup>{number}</sup> {escaped(note)}" for number, note in enumerate(table.notes, 1)]
    if table.about:
        lines += ["", escaped(table.about)]
    return "\n".join(lines)


def _numbers(text: Text) -> str:
    return ",".join(map(str, text.notes))


def comma_separated(table: Table) -> str:
    """Return a table as CSV: a line for the head and for each row, without details and description.

    The last column has the texts of the row's footnotes.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*table.head, "notes"])
    for row in table.rows:
        notes = dict.fromkeys(table.notes[note - 1] for cell in row for note in cell.notes)
        writer.writerow([*(cell.text for cell in row), "; ".join(notes)])
    return out.getvalue().rstrip("\n")


def latex(table: Table) -> str:
    """Return a table as a LaTeX tabular (booktabs), with details, footnotes and description below it."""

    def escaped(text: str) -> str:
        return "".join(LATEX.get(one, one) for one in " ".join(text.split()))

    def with_code(text: str) -> str:  # LaTeX would join hyphens, and take backticks as quotes
        parts = escaped(text).split("`")
        return "".join(rf"\texttt{{{part.replace('-', '{-}')}}}" if i % 2 else part for i, part in enumerate(parts))

    def cell(text: Text) -> str:
        plain = rf"\textbf{{{escaped(text.text)}}}" if text.bold else escaped(text.text)
        return plain + (f"$^{{{_numbers(text)}}}$" if text.notes else "")

    lines = [rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}", r"\toprule"]
    lines += [" & ".join(map(escaped, table.head)) + r" \\", r"\midrule"]
    lines += [" & ".join(map(cell, row)) + r" \\" for row in table.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {with_code(' '.join(table.details))}"]
    lines += [rf"\par\footnotesize $^{{{number}}}$ {escaped(note)}" for number, note in enumerate(table.notes, 1)]
    lines += [rf"\par\footnotesize {escaped(table.about)}"] if table.about else []
    return "\n".join(lines)


def hypertext(table: Table) -> str:
    """Return a table as a self-contained HTML page, with title, description, details and footnotes."""

    def cell(text: Text, tag: str = "td") -> str:
        plain = html.escape(text.text)
        plain = f"<strong>{plain}</strong>" if text.bold else plain
        return f"<{tag}>{plain}{f'<sup>{_numbers(text)}</sup>' if text.notes else ''}</{tag}>"

    head = "".join(f"<th>{html.escape(one)}</th>" for one in table.head)
    rows = "\n".join(f"<tr>{cell(row[0], 'th')}{''.join(map(cell, row[1:]))}</tr>" for row in table.rows)
    notes = "".join(f"<p><sup>{number}</sup> {html.escape(note)}</p>\n" for number, note in enumerate(table.notes, 1))
    parts = map(html.escape, " ".join(table.details).split("`"))
    details = "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
        "table{border-collapse:collapse}td,th{padding:.3em .8em;text-align:right;border-bottom:1px solid #8884}"
        "tr>:first-child{text-align:left;font-weight:normal}thead th{border-bottom:2px solid #888}p{font-size:.85em}"
        ":root{color-scheme:light dark}"
    )
    about = f"<p>{html.escape(table.about)}</p>\n" if table.about else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(table.title)}</title>'
        f"<style>{style}</style></head>\n<body><h1>{html.escape(table.title)}</h1>\n{about}<table><thead>"
        f"<tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>\n"
        f"<p>{details}</p>\n{notes}</body></html>"
    )


FORMATS: Mapping[str, Callable[[Table], str]] = {
    "markdown": markdown,
    "csv": comma_separated,
    "latex": latex,
    "html": hypertext,
}
