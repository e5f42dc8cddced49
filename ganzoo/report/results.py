"""The results: figures side by side, with what each is of, and the records with every field that they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from ganzoo.report.markup import Child, node
from ganzoo.report.run_log import Log, is_number
from ganzoo.report.tables import flat, shown, table

Record = Mapping[str, Any]


def results(log: Log) -> list[Element]:
    """Return the tables of the results, those of the last length first."""
    if not log.results:
        return [node("p", {"class": "note"}, "None yet: they are measured at the end of the run.")]
    by_step: dict[Any, list[Record]] = {}
    for one in log.results:
        by_step.setdefault(shown(one.get("step")), []).append(one)
    (step, latest), *earlier = reversed(by_step.items())
    made = [_figures(log, latest), _details("All fields of these records", [_fields(latest)])]
    for step, records in earlier:
        made.append(_details(f"When the run was {step} steps long", [_figures(log, records), _fields(records)]))
    return made


def _figures(log: Log, records: list[Record]) -> Element:
    """Return a row a figure, a column a record; what records say of each figure stands in the last columns."""
    names = list(dict.fromkeys(name for one in records for name in figures_of(one)))
    first: Record = next((one for one in log.lines if one["step"] == 0), {})
    before = {name: value for name, value in figures_of(first).items() if name in names}
    about = about_figures(records, names)
    keys = list(dict.fromkeys(key for one in about.values() for key in one))
    head: list[Child] = [
        "",
        *([_heading(first)] if before else []),
        *(_heading(one) for one in records),
        *keys,
    ]
    rows: list[list[Child]] = []
    for name in names:
        values = [shown(figures_of(one).get(name)) for one in ([first] if before else []) + records]
        rows.append([name, *values, *(shown(about.get(name, {}).get(key)) for key in keys)])
    return table(head, rows)


def figures_of(record: Record) -> Mapping[str, Any]:
    """Return the figures of a record."""
    found = record.get("values")
    return found if isinstance(found, Mapping) else {}


def about_figures(records: list[Record], names: list[str]) -> dict[str, dict[str, str]]:
    """Return what records say of single figures: the mappings of theirs, besides the figures, whose keys are figures.

    Where records say different things of one figure, all of them stand there, in the records' order.

    >>> said = [{"about": {"kid": {"n_real": n, "metric": "kid"}}, "images": {"A": n}} for n in (9, 7)]
    >>> about_figures(said, ["kid"])
    {'kid': {'n_real': '9 / 7', 'metric': 'kid'}}
    """
    found: dict[str, dict[str, dict[str, None]]] = {}
    for record in records:
        for field, value in record.items():
            for name, one in value.items() if is_about_values(field, value, names) else ():
                said = flat(one) if isinstance(one, Mapping) else {field: one}
                for key, what in said.items():
                    found.setdefault(name, {}).setdefault(key, {})[shown(what)] = None
    return {name: {key: " / ".join(said) for key, said in keys.items()} for name, keys in found.items()}


def is_about_values(field: str, value: object, names: list[str]) -> bool:
    """Return whether a record's field says something of each of some figures."""
    return field != "values" and isinstance(value, Mapping) and bool(value) and set(value) <= set(names)


def _heading(record: Record) -> Element:
    """Return a column's heading: which checkpoint, by which rule, of which step, and on how many images."""
    rule, status = record.get("rule"), record.get("status", "ok")
    said = [
        *([str(rule)] if rule and rule != record.get("checkpoint") else []),
        *([shown(status)] if status != "ok" else []),
        *([f"of step {record['trained']}"] if is_number(record.get("trained")) else []),
        *([f"{record['split']} split"] if "split" in record else []),
    ]
    images = record.get("images")
    if isinstance(images, Mapping):
        said.append(", ".join(f"{count} {domain}" for domain, count in images.items()))
    return node("span", {}, shown(record.get("checkpoint", "untrained")), node("small", {}, " · ".join(said)))


def _fields(records: list[Record]) -> Element:
    """Return every field of records but what the table of figures shows, a row a field."""
    names = list(dict.fromkeys(name for one in records for name in figures_of(one)))
    kept = [
        flat({key: one for key, one in record.items() if key != "values" and not is_about_values(key, one, names)})
        for record in records
    ]
    paths = list(dict.fromkeys(path for one in kept for path in one))
    return table(
        ["", *(shown(one.get("checkpoint")) for one in records)],
        [[path, *(shown(one.get(path)) for one in kept)] for path in paths],
    )


def _details(summary: str, children: list[Element]) -> Element:
    return node("details", {}, node("summary", {}, summary), *children)
