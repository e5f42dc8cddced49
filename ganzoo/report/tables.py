"""Tables of what files say, whatever fields they have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from ganzoo.report.charts import format_number
from ganzoo.report.markup import Child, node
from ganzoo.report.run_log import Log, is_number

EVENTS = 200
"""Events that are shown at most: the first quarter and the latest."""


def table(head: Sequence[Child], rows: Sequence[Sequence[Child]]) -> Element:
    """Return a table that scrolls by itself where it is too wide; a row's first cell is its heading."""
    body = node("tbody", {})
    for first, *others in rows:
        body.append(node("tr", {}, node("th", {"scope": "row"}, first), *(node("td", {}, one) for one in others)))
    made = node("table", {}, body)
    if head:
        made.insert(0, node("thead", {}, node("tr", {}, *(node("th", {"scope": "col"}, one) for one in head))))
    return node("div", {"class": "wide"}, made)


def shown(value: object) -> str:
    """Return any value of a JSON file as text.

    >>> shown({"A": 3, "B": 4}), shown([0.123456, None]), shown(True)
    ('A 3, B 4', '0.1235, –', 'yes')
    """
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format_number(value)
    if isinstance(value, Mapping) and not any(isinstance(one, Mapping | list) for one in value.values()):
        return ", ".join(f"{key} {shown(one)}" for key, one in value.items())
    if isinstance(value, list) and not any(isinstance(one, Mapping | list) for one in value):
        return ", ".join(shown(one) for one in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def flat(value: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return a nested mapping's values by their paths, lists left whole.

    >>> flat({"a": {"b": 1, "c": {}}, "d": [2]})
    {'a.b': 1, 'a.c': {}, 'd': [2]}
    """
    found: dict[str, Any] = {}
    for key, one in value.items():
        here = f"{path}.{key}" if path else str(key)
        found |= flat(one, here) if isinstance(one, Mapping) and one else {here: one}
    return found


def environment(log: Log) -> Element:
    """Return what the run ran on."""
    return table([], [[str(key), shown(value)] for key, value in log.environment.items()])


def events(log: Log) -> list[Element]:
    """Return what happened, and when, in order."""
    told = log.events
    out = len(told) - EVENTS
    if out > 0:
        told = [*told[: EVENTS // 4], *told[EVENTS // 4 - EVENTS :]]
    rows: list[list[Child]] = []
    for one in told:
        rest = {key: value for key, value in one.items() if key not in ("event", "step", "time")}
        step = shown(one["step"]) if is_number(one.get("step")) else ""
        said = "; ".join(f"{key}: {shown(value)}" for key, value in rest.items())
        rows.append([when(one.get("time")), shown(one.get("event")), step, said])
    note = [node("p", {"class": "note"}, f"{out} events in between are left out; events.jsonl has them.")]
    return [table(["time", "event", "step", ""], rows), *(note if out > 0 else [])]


def when(time: object) -> str:
    """Return a time of a log, to the second, without its date's T.

    >>> when("2026-01-02T03:04:05+00:00")
    '2026-01-02 03:04:05 UTC'
    """
    return str(time).replace("T", " ", 1).replace("+00:00", " UTC") if isinstance(time, str) else ""
