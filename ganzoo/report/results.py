"""Build the tables of a run's results: one of the metric values side by side, one of the records' other fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganzoo.report.run_log import RunLog
from ganzoo.report.tables import Heading, Table, flatten, format_value
from ganzoo.utils.reading import is_number

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """The results of a run at one of its lengths; a run that was continued may have several.

    Args:
        step: the length in steps, as text.
        values: a table with a row for each metric value and a column for each record.
        fields: a table with a row for each field of the records that ``values`` does not show.
    """

    step: str
    values: Table
    fields: Table


def collect_results(log: RunLog) -> list[Results]:
    """Return the results at each length of the run, the last length first; empty if there are none."""
    by_step: dict[str, list[Record]] = {}
    for record in log.results:
        by_step.setdefault(format_value(record.get("step")), []).append(record)
    return [
        Results(step, _values_table(log, records), _fields_table(records))
        for step, records in reversed(by_step.items())
    ]


def _values_table(log: RunLog, records: list[Record]) -> Table:
    """Return the table with a row for each metric value.

    Its columns are the untrained networks, if they were evaluated, then each record, then what the records say of the
    value.
    """
    names = list(dict.fromkeys(name for record in records for name in values_of(record)))
    untrained: Record = next((line for line in log.metrics.evaluations if line["step"] == 0), {})
    compared = [untrained] if set(names) & set(values_of(untrained)) else []
    details = value_details(records, names)
    keys = list(dict.fromkeys(key for detail in details.values() for key in detail))
    rows = [
        [
            name,
            *(format_value(values_of(record).get(name)) for record in [*compared, *records]),
            *(format_value(details.get(name, {}).get(key)) for key in keys),
        ]
        for name in names
    ]
    return Table(["", *(_heading(record) for record in [*compared, *records]), *keys], rows)


def values_of(record: Record) -> Mapping[str, Any]:
    """Return the metric values of a record by name; empty if it has none."""
    values = record.get("values")
    return values if isinstance(values, Mapping) else {}


def value_details(records: Sequence[Record], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return what records say of single metric values: name of a value → key → text.

    It is read from the fields that map names of values to something, such as ``about``. If the records differ, their
    different texts are joined by a slash, in the order of the records.

    Args:
        records: the records.
        names: the names of the metric values.

    >>> records = [{"about": {"kid": {"n_real": n, "metric": "kid"}}, "images": {"A": n}} for n in (9, 7)]
    >>> value_details(records, ["kid"])
    {'kid': {'n_real': '9 / 7', 'metric': 'kid'}}
    """
    texts: dict[str, dict[str, dict[str, None]]] = {}  # name → key → the texts, each once
    for record in records:
        for field, value in record.items():
            for name, item in value.items() if describes_values(field, value, names) else ():
                details = flatten(item) if isinstance(item, Mapping) else {field: item}
                for key, detail in details.items():
                    texts.setdefault(name, {}).setdefault(key, {})[format_value(detail)] = None
    return {name: {key: " / ".join(each) for key, each in keys.items()} for name, keys in texts.items()}


def describes_values(field: str, value: object, names: Sequence[str]) -> bool:
    """Return whether a field of a record maps names of metric values to something that describes them.

    Args:
        field: the field's name.
        value: the field's content.
        names: the names of all metric values.
    """
    return field != "values" and isinstance(value, Mapping) and bool(value) and set(value) <= set(names)


def _heading(record: Record) -> Heading:
    """Return the heading of a record's column: its checkpoint, and below it rule, status, step, split and images."""
    rule, status = record.get("rule"), record.get("status", "ok")
    notes = [
        *([str(rule)] if rule and rule != record.get("checkpoint") else []),
        *([format_value(status)] if status != "ok" else []),
        *([f"of step {record['trained']}"] if is_number(record.get("trained")) else []),
        *([f"{record['split']} split"] if "split" in record else []),
    ]
    images = record.get("images")
    if isinstance(images, Mapping):
        notes.append(", ".join(f"{count} {domain}" for domain, count in images.items()))
    return Heading(format_value(record.get("checkpoint", "untrained")), " · ".join(notes))


def _fields_table(records: list[Record]) -> Table:
    """Return the table with a row for each field of the records that the table of values does not show."""
    names = list(dict.fromkeys(name for record in records for name in values_of(record)))
    fields = [
        flatten(
            {key: item for key, item in record.items() if key != "values" and not describes_values(key, item, names)}
        )
        for record in records
    ]
    paths = list(dict.fromkeys(path for flat in fields for path in flat))
    return Table(
        ["", *(format_value(flat.get("checkpoint")) for flat in fields)],
        [[path, *(format_value(flat.get(path)) for flat in fields)] for path in paths],
    )
