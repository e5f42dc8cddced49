"""Draw how metric values of a table's runs changed with training: one chart for each value, one line for each run.

The values are those of the evaluations on validation images during training; records keep them as ``history``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ganzoo.bench.columns import Column
from ganzoo.bench.heatmap import COLOURS, node, sheet
from ganzoo.bench.records import record_of
from ganzoo.bench.spec import Bench, Cell
from ganzoo.provenance.record import Record
from ganzoo.report.charts import axis_range, format_tick, ticks
from ganzoo.utils.jsonl import JsonLines
from ganzoo.utils.reading import is_number

WIDTH, HEIGHT = 380, 200
"""Width and height of the field of a chart, in pixels."""
LEFT, GAP, HEAD, FOOT, EDGE = 52, 34, 26, 34, 16
"""Space for the numbers beside a field, between charts, above and below a field, and at the edge, in pixels."""
ACROSS = 2
"""The number of charts beside each other, and of names in a line of the legend."""

DASHES = ("", "1.5 3", "9 3 1.5 3")
"""Patterns of lines: one for every round through the colours. Those of runs of no steps are dashed, "6 4"."""

Points = list[tuple[int, float]]


class Run(NamedTuple):
    """The history of one run: the number of its row and data set, for the line's style, and value → points."""

    number: int
    history: dict[str, Points]


def with_history(record: Record, folder: Path, curves: Sequence[Column]) -> Record:
    """Return a record with the history of the curves' values, from the run's metrics.jsonl.

    Only evaluations on validation images count, and finite values; without any the history of a value is empty. A run
    of no steps has no evaluations during training; its history is the record's own values, at step 0.

    Args:
        record: the record of a run that was measured.
        folder: the run's folder.
        curves: the values to keep.
    """
    history: dict[str, dict[int, float]] = {}
    for line in JsonLines(folder / "metrics.jsonl"):
        values = line.get("values", {}) if line.get("split") == "validation" else {}
        for name in {curve.name_in(values) for curve in curves}:
            if is_number(values.get(name)) and math.isfinite(values[name]):
                history.setdefault(name, {})[int(line["step"])] = values[name]  # a step's last evaluation counts
    if not record.step:
        measured = {curve.name_in(record.values) for curve in curves} & set(record.values)
        history = {name: {0: record.values[name]} for name in sorted(measured)}
    names = {curve.name_in(history) for curve in curves}
    update = {"history": {name: sorted(history.get(name, {}).items()) for name in sorted(names)}}
    return record.model_copy(update=update)


def draw_curves(bench: Bench, records: Sequence[Record]) -> str:
    """Return the charts of a table's curves as the text of one SVG file, with a legend of its rows and data sets.

    Runs of one row and data set have the same colour and pattern; a run of no steps is a dashed line at its value.
    """
    spec = bench.spec
    parts = [(row, data) for row in spec.rows for data in spec.data or [""]]
    runs = [Run(i, one.history) for i, part in enumerate(parts) for one in _records(bench, records, *part)]
    last = max((step for run in runs for points in run.history.values() for step, _ in points), default=0)
    body = []
    for i, curve in enumerate(spec.curves):
        left = EDGE + i % ACROSS * (LEFT + WIDTH + GAP)
        top = 62 + i // ACROSS * (HEAD + HEIGHT + FOOT)
        body.append(node("g", {"transform": f"translate({left} {top})"}, *_chart(curve, runs, max(last, 1))))
    bottom = 62 + -(-len(spec.curves) // ACROSS) * (HEAD + HEIGHT + FOOT)
    width = 2 * EDGE + ACROSS * (LEFT + WIDTH) + (ACROSS - 1) * GAP
    for i, (row, data) in enumerate(parts):
        names = [spec.rows[row].label, *([spec.data[data].label or data] if data else [])]
        x, y = EDGE + LEFT + i % ACROSS * (LEFT + WIDTH + GAP), bottom + 20 * (i // ACROSS)
        steps = [step for run in runs if run.number == i for points in run.history.values() for step, _ in points]
        body.append(_line(i, f"M{x} {y + 2}h22", trained=not steps or max(steps) > 0))
        body.append(node("text", {"x": x + 30, "y": y + 6}, ", ".join(names)))
    height = bottom + 20 * -(-len(parts) // ACROSS) + EDGE
    about = "validation images, by training step; one line for each seed; dashed: not trained, on test images"
    return sheet(width, height, spec.title, about, body)


def _records(bench: Bench, records: Sequence[Record], row: str, data: str) -> Iterator[Record]:
    for seed in bench.spec.seeds:
        if record := record_of(records, Cell(row, data, seed)):
            yield record


def _chart(curve: Column, runs: Sequence[Run], last: int) -> Iterator[Element]:
    """Yield the elements of one chart: title, grid, numbers on both axes, and a line for each run."""
    lines = [(run.number, points) for run in runs if (points := run.history.get(curve.name_in(run.history)))]
    low, high = axis_range([value * curve.factor for _, points in lines for _, value in points])

    def x(step: float) -> float:
        return round(LEFT + WIDTH * step / last, 1)

    def y(value: float) -> float:
        return round(HEAD + HEIGHT * (high - value * curve.factor) / (high - low), 1)

    yield node("text", {"class": "head", "x": LEFT, "y": 14}, curve.label)
    for value in ticks(low, high):
        at = round(HEAD + HEIGHT * (high - value) / (high - low), 1)
        yield node("path", {"class": "empty", "d": f"M{LEFT} {at}h{WIDTH}"})
        yield node("text", {"class": "small", "x": LEFT - 8, "y": at + 4, "text-anchor": "end"}, format_tick(value))
    for step in ticks(0, last):
        place = {"class": "small", "x": x(step), "y": HEAD + HEIGHT + 18, "text-anchor": "middle"}
        yield node("text", place, format_tick(step))
    for number, points in lines:
        trained = len(points) > 1 or points[0][0] > 0
        path = "L".join(f"{x(step)} {y(value)}" for step, value in points)
        yield _line(number, f"M{path}" if trained else f"M{LEFT} {y(points[0][1])}h{WIDTH}", trained=trained)


def _line(number: int, path: str, *, trained: bool) -> Element:
    """Return a line in the style of the row and data set of this number."""
    dashes = DASHES[number // len(COLOURS) % len(DASHES)] if trained else "6 4"
    style = {"stroke-dasharray": dashes} if dashes else {}
    return node("path", {"class": f"line c{number % len(COLOURS)}", "d": path, **style})
