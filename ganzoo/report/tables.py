"""Build the report's tables of environment and events, whatever fields they have, and format values for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganzoo.report.charts import format_number
from ganzoo.report.run_log import RunLog
from ganzoo.utils.reading import is_number

MAX_EVENTS = 200
"""Largest number of events in the table: a quarter of them are the first events, the rest the latest ones."""


@dataclass(frozen=True)
class Heading:
    """The heading of a column.

    Args:
        title: the text of the heading.
        note: smaller text below the title.
    """

    title: str
    note: str


@dataclass(frozen=True)
class Table:
    """A table as ``table.html`` draws it.

    Args:
        head: the headings of the columns; empty if the table has no head.
        rows: the texts of the cells, row by row; the first cell of a row is its heading.
    """

    head: Sequence[str | Heading]
    rows: Sequence[Sequence[str]]


def format_value(value: object) -> str:
    """Return any value of a JSON file as text; a dash for an empty value.

    >>> format_value({"A": 3, "B": 4}), format_value([0.123456, None]), format_value(True)
    ('A 3, B 4', '0.1235, –', 'yes')
    """
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format_number(value)
    if isinstance(value, Mapping) and not any(isinstance(item, Mapping | list) for item in value.values()):
        return ", ".join(f"{key} {format_value(item)}" for key, item in value.items())
    if isinstance(value, list) and not any(isinstance(item, Mapping | list) for item in value):
        return ", ".join(format_value(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def format_time(time: object) -> str:
    """Return an ISO time of a log with a space in place of the T, and UTC as a word; empty if it is not a text.

    >>> format_time("2026-01-02T03:04:05+00:00")
    '2026-01-02 03:04:05 UTC'
    """
    return str(time).replace("T", " ", 1).replace("+00:00", " UTC") if isinstance(time, str) else ""


def flatten(value: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return the values of a nested mapping by their key paths; lists and empty mappings stay whole.

    ``path`` is the key path of the mapping itself.

    >>> flatten({"a": {"b": 1, "c": {}}, "d": [2]})
    {'a.b': 1, 'a.c': {}, 'd': [2]}
    """
    flat: dict[str, Any] = {}
    for key, item in value.items():
        here = f"{path}.{key}" if path else str(key)
        flat |= flatten(item, here) if isinstance(item, Mapping) and item else {here: item}
    return flat


def environment_table(log: RunLog) -> Table:
    """Return a table of the content of env.json, with a row for each key."""
    return Table([], [[str(key), format_value(value)] for key, value in log.environment.items()])


def events_table(log: RunLog) -> tuple[Table, int]:
    """Return the table of events in their order, and the number of events in the middle that are left out."""
    events = log.events
    omitted = max(0, len(events) - MAX_EVENTS)
    if omitted:
        events = [*events[: MAX_EVENTS // 4], *events[MAX_EVENTS // 4 - MAX_EVENTS :]]
    rows: list[list[str]] = []
    for event in events:
        shown = ["event", "step", "time"]
        shown += ["values"] if event.get("event") == "finished" else []  # they are in a table of their own
        details = {key: value for key, value in event.items() if key not in shown}
        step = format_value(event["step"]) if is_number(event.get("step")) else ""
        text = "; ".join(f"{key}: {format_value(value)}" for key, value in details.items())
        rows.append([format_time(event.get("time")), format_value(event.get("event")), step, text])
    return Table(["time", "event", "step", ""], rows), omitted
