"""Take the values of a table's cells from its records: over the seeds, or their means over the data sets."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ganzoo.bench.columns import Column
from ganzoo.bench.records import record_of
from ganzoo.bench.spec import Bench, Cell
from ganzoo.provenance.record import Record


@dataclass(frozen=True)
class SeedValues:
    """The values of a row in one column, on one data set, over the seeds.

    Args:
        values: the value of each seed that has a finite one, multiplied by the column's factor.
        missing: the reasons why seeds have no value, each reason once.
    """

    values: tuple[float, ...]
    missing: tuple[str, ...] = ()

    @property
    def mean(self) -> float:
        """The mean over the seeds; at least one seed must have a value."""
        return statistics.mean(self.values)

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation over the seeds; None if fewer than two seeds have a value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


def seed_values(bench: Bench, records: Sequence[Record], row: str, data: str, column: Column) -> SeedValues:
    """Return the values of a column over the seeds of a row on a data set, and the reasons for missing ones.

    ``data`` is empty if the table has no data sets.
    """
    values, missing = [], []
    for seed in bench.spec.seeds:
        record = record_of(records, Cell(row, data, seed))
        value = record.values.get(column.name_in(record.values)) if record else None
        if record is None:
            missing.append("not run")
        elif value is None:
            about = record.about.get(column.name_in(record.about), {})
            reason = about.get("missing") or _reason(record, column.value, records)
            missing.append(reason or f"the record has no value {column.value}")
        elif not math.isfinite(value):
            missing.append(f"{column.value} is not finite")
        else:
            values.append(value * column.factor)
    return SeedValues(tuple(values), tuple(dict.fromkeys(missing)))


def mean_values(bench: Bench, records: Sequence[Record], row: str, data: str, column: Column) -> SeedValues:
    """Return the means of a row's column over the data sets, for each seed that has a value on all of them.

    ``data`` is not read; the arguments are those of ``seed_values``.
    """
    values, missing = [], []
    for seed in bench.spec.seeds:
        one = Bench(bench.file, bench.scale, bench.spec.model_copy(update={"seeds": [seed]}))
        cells = [seed_values(one, records, row, name, column) for name in bench.spec.data]
        missing += [why for cell in cells for why in cell.missing]
        if all(cell.values for cell in cells):
            values.append(statistics.mean(cell.values[0] for cell in cells))
    return SeedValues(tuple(values), tuple(dict.fromkeys(missing)))


def _reason(record: Record, value: str, records: Sequence[Record]) -> str:
    """Return why a record lacks a value: the failure of its metric, or all failures if the metric is not known.

    The metric of a value is known from records that have the value, or else by the beginning of its name.
    """
    metrics = {one.about[value]["metric"] for one in records if value in one.about}
    if not metrics:
        begins = {name: name.partition(" (")[0] for name in record.failed}  # a second one is called "name (2)"
        begins = {name: begin for name, begin in begins.items() if f"{value}_".startswith(f"{begin}_")}
        metrics = {name for name, begin in begins.items() if begin == max(begins.values(), key=len)}
    reasons = [why for name, why in record.failed.items() if name == value or name in metrics]
    return reasons[0] if len(reasons) == 1 else record.why
