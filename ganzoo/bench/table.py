"""Turn records into a table of texts: mean ± deviation over seeds, the best, the paper's values, footnotes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ganzoo.bench.matrix import Domain, Matrix, distance_name
from ganzoo.bench.runner import record_of
from ganzoo.bench.spec import Bench, Cell, Column
from ganzoo.provenance.record import Record
from ganzoo.utils.formatting import format_duration


@dataclass(frozen=True)
class Text:
    """The content of a cell: a text, bold or not, and the numbers of its footnotes."""

    text: str
    bold: bool = False
    notes: tuple[int, ...] = ()


@dataclass
class Table:
    """A table, ready to be rendered in any format.

    Args:
        title: over it.
        about: a paragraph.
        head: the first row.
        rows: the others.
        notes: footnotes, numbered from 1.
        made: lines on how it was measured.
    """

    title: str
    about: str
    head: list[str]
    rows: list[list[Text]]
    notes: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    def note(self, text: str) -> int:
        """Return the number of a footnote, which is added where it is new."""
        if text not in self.notes:
            self.notes.append(text)
        return self.notes.index(text) + 1


@dataclass(frozen=True)
class Found:
    """The values of one cell over its seeds, times the column's factor; ``lost`` holds the reasons for missing ones."""

    values: tuple[float, ...]
    lost: tuple[str, ...] = ()

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.mean(self.values)

    @property
    def spread(self) -> float | None:
        """The standard deviation over the seeds; None for a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


def build_table(bench: Bench, records: Sequence[Record], outdated: Callable[[Cell, Record], Sequence[str]]) -> Table:
    """Return the table of records.

    Args:
        bench: the table.
        records: of its cells; others are ignored.
        outdated: cell and its record → what has changed since it was written.
    """
    spec = bench.spec
    heads = [(data, column) for data in spec.data or [""] for column in spec.columns]
    table = Table(spec.title, spec.about, [""], [])
    papers = spec.paper.values if spec.paper else {}
    shown = [key for key in (_key(bench, *one) for one in heads) if any(key in values for values in papers.values())]
    for data, column in heads:
        table.head.append(_label(bench, data, column))
        if _key(bench, data, column) in shown:
            table.head.append(f"{_label(bench, data, column)}, in the paper")
    if spec.mean:
        table.head.append("mean")
    found = {row: {one: found_of(bench, records, row, *one) for one in heads} for row in spec.rows}
    changed = {row: changed_in(bench, records, row, outdated) for row in spec.rows}
    competing = [row for row, about in spec.rows.items() if not about.reference]
    best = {one: _best({row: found[row][one] for row in competing}, one[1]) for one in heads}
    for row, about in spec.rows.items():
        label = Text(about.label, notes=tuple(table.note(one) for one in notes_of(bench, row, changed[row])))
        cells = [label]
        for one in heads:
            cells.append(cell_of(table, found[row][one], one[1], bold=best[one] == row and not changed[row]))
            if _key(bench, *one) in shown:
                theirs = papers.get(row, {}).get(_key(bench, *one))
                cells.append(Text("" if theirs is None else f"{theirs:g}"))
        if spec.mean:
            cells.append(_mean([found[row][one] for one in heads], spec.columns[0]))
        table.rows.append(cells)
    table.made = [
        describe_seeds(bench) + _better(spec.columns) + ".",
        *_counts(bench, records),
        *describe_runs(bench, records),
    ]
    if spec.paper and shown:
        table.made.append(f"In the paper: {spec.paper.protocol}")
    return table


def _key(bench: Bench, data: str, column: Column) -> str:
    return data if data and len(bench.spec.columns) == 1 else column.value


def _label(bench: Bench, data: str, column: Column) -> str:
    names = [bench.spec.data[data].label or data] if data else []
    return ": ".join([*names, *([column.label] if len(bench.spec.columns) > 1 or not names else [])])


def found_of(bench: Bench, records: Sequence[Record], row: str, data: str, column: Column) -> Found:
    """Return the values of a column over the seeds of a row on a data set."""
    values, lost = [], []
    for seed in bench.spec.seeds:
        record = record_of(records, Cell(row, data, seed))
        value = record.values.get(column.name_in(record.values)) if record else None
        if record is None:
            lost.append("not run")
        elif value is None:
            lost.append(_why(record, column.value, records) or f"the record has no value {column.value}")
        elif not math.isfinite(value):
            lost.append(f"{column.value} is not finite")
        else:
            values.append(value * column.factor)
    return Found(tuple(values), tuple(dict.fromkeys(lost)))


def _why(record: Record, value: str, records: Sequence[Record]) -> str:
    """Return why a record lacks a value: why its metric failed, or every failure where the metric is not known.

    The metric of a value is known from records that have the value, or else by the beginning of its name.
    """
    metrics = {one.about[value]["metric"] for one in records if value in one.about}
    if not metrics:
        begins = {name: name.partition(" (")[0] for name in record.failed}  # a second one is called "name (2)"
        begins = {name: begin for name, begin in begins.items() if f"{value}_".startswith(f"{begin}_")}
        metrics = {name for name, begin in begins.items() if begin == max(begins.values(), key=len)}
    found = [why for name, why in record.failed.items() if name == value or name in metrics]
    return found[0] if len(found) == 1 else record.why


def _best(rows: Mapping[str, Found], column: Column) -> str:
    """Return the row that is better than every other beyond the spread: the ranges mean ± deviation do not meet."""
    sign = -1 if column.better == "more" else 1
    there = [(sign * one.mean, one.spread, row) for row, one in rows.items() if one.values]
    if not column.better or len(there) < 2 or any(spread is None for _, spread, _ in there):
        return ""
    (first, spread, row), *others = sorted(there)
    clear = all(first + (spread or 0) < other - (wide or 0) for other, wide, _ in others)
    return row if clear else ""


def cell_of(table: Table, found: Found, column: Column, *, bold: bool = False) -> Text:
    """Return the text of a value; a dash where there is none, with the reasons in the table's footnotes."""
    notes = tuple(table.note(why) for why in found.lost)
    if not found.values:
        return Text("—", notes=notes)
    text = f"{found.mean:z.{column.digits}f}"
    if found.spread is not None:
        text += f" ± {found.spread:.{column.digits}f}"
    if found.lost:
        text += f" (n = {len(found.values)})"
    return Text(text, bold, notes)


def _mean(found: Sequence[Found], column: Column) -> Text:
    if not all(one.values for one in found):
        return Text("—")
    return Text(f"{statistics.mean(one.mean for one in found):.{column.digits}f}")


def _better(columns: Sequence[Column]) -> str:
    arrows = [f"{one.label} {'↑' if one.better == 'more' else '↓'}" for one in columns if one.better]
    return f"; better: {', '.join(arrows)}; bold where the best's range meets no other" if arrows else ""


def changed_in(
    bench: Bench, records: Sequence[Record], row: str, outdated: Callable[[Cell, Record], Sequence[str]]
) -> list[str]:
    """Return what has changed since a row was run."""
    changed: dict[str, None] = {}
    for cell in bench.cells():
        record = record_of(records, cell) if cell.row == row else None
        if record is not None:
            changed |= dict.fromkeys(outdated(cell, record))
    return list(changed)


def notes_of(bench: Bench, row: str, changed: Sequence[str]) -> list[str]:
    """Return the notes of a row: its own, and what has changed since it was run."""
    notes = [bench.spec.rows[row].note] if bench.spec.rows[row].note else []
    return [*notes, *([f"outdated: changed since it was run: {', '.join(changed)}"] if changed else [])]


def describe_seeds(bench: Bench) -> str:
    """Return how many seeds the values are over."""
    count = len(bench.spec.seeds)
    return f"Mean ± standard deviation over {count} seeds" if count > 1 else "One seed"


def _shown(bench: Bench, records: Sequence[Record]) -> list[Record]:
    """Return the records with at least one value of the table."""
    columns = bench.spec.columns
    mine = [one for one in (record_of(records, cell) for cell in bench.cells()) if one]

    def keys(values: Mapping[str, float]) -> Iterable[str]:
        return bench.spec.matrix.value_names() if bench.spec.matrix else [one.name_in(values) for one in columns]

    return [one for one in mine if any(math.isfinite(one.values.get(key, math.nan)) for key in keys(one.values))]


def _counts(bench: Bench, records: Sequence[Record]) -> list[str]:
    """Return lines on the numbers of images and the networks, from the records."""
    labels: dict[str, dict[str, None]] = {}
    for one in _shown(bench, records):
        for column in bench.spec.columns:
            about = one.about.get(column.name_in(one.about), {})
            counts = f"{about['n_fake']} translated" if "n_fake" in about else ""
            counts += f", {about['n_real']} real ({about['real']})" if "n_real" in about else ""
            network = f", seen by {about['network']}" if "network" in about else ""
            if counts:
                labels.setdefault(f"{counts} images{network}", {})[column.label] = None
    return [f"{'; '.join(names)}: {counts}." for counts, names in labels.items()]


def describe_runs(bench: Bench, records: Sequence[Record]) -> list[str]:
    """Return lines on machine, time and command, from the records."""
    mine, lines = _shown(bench, records), []
    machines = {f"{one.environment['device']}, {one.environment['cores']} cores" for one in mine if one.environment}
    times = [one.cost.seconds for one in mine if one.cost.seconds]
    if machines and times:
        steps = sorted({one.step for one in mine})
        span = f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"
        many = f"One run of {span} steps, {format_duration(times[0])}"
        if len(mine) > 1:
            shortest, longest, total = (format_duration(one) for one in (min(times), max(times), sum(times)))
            each = f"{shortest} to {longest} each, {total} in all"
            many = f"{len(mine)} runs of {span} steps, {each}"
        lines.append(f"{many} of training on {' and '.join(sorted(machines))}.")
    scale = f" --scale {bench.scale}" if bench.scale else ""
    lines.append(f"Made by `ganzoo bench {bench.file.name}{scale}`; records in `{bench.records.name}`.")
    return lines


@dataclass(frozen=True)
class Panel:
    """One matrix of a table: of a row on a data set, in a domain.

    Args:
        row: of the spec.
        domain: whose images.
        label: of all three.
        found: first set, second set → the values.
        counts: set → how many images, where they are known.
    """

    row: str
    domain: Domain
    label: str
    found: dict[tuple[str, str], Found]
    counts: dict[str, int]


def panels(bench: Bench, records: Sequence[Record]) -> Iterator[Panel]:
    """Yield the matrices of a table, in its order."""
    spec, matrix = bench.spec, of_bench(bench)
    for row, about in spec.rows.items():
        for data in spec.data or [""]:
            for domain, called in matrix.domains.items():
                names = [about.label, *([spec.data[data].label or data] if data else []), called]
                found: dict[tuple[str, str], Found] = {}
                counts: dict[str, int] = {}
                for first in matrix.sets:
                    for second in matrix.sets:
                        key = distance_name(domain, first, second)
                        found[first, second] = found_of(bench, records, row, data, Column(value=key, label=key))
                        if facts := _about(bench, records, row, data, key):
                            counts |= {first: facts["n_fake"], second: facts["n_real"]}
                yield Panel(row, domain, ", ".join(names), found, counts)


def of_bench(bench: Bench) -> Matrix:
    """Return the matrix of a table that has one."""
    assert bench.spec.matrix is not None
    return bench.spec.matrix


def _about(bench: Bench, records: Sequence[Record], row: str, data: str, key: str) -> dict[str, int]:
    found = (record_of(records, Cell(row, data, seed)) for seed in bench.spec.seeds)
    return next((one.about[key] for one in found if one and key in one.about), {})


def measured_with(bench: Bench, records: Sequence[Record]) -> str:
    """Return the value's name and its network, from the records."""
    keys = set(of_bench(bench).value_names())
    facts = [about for one in records for key, about in one.about.items() if key in keys]
    return " and ".join(dict.fromkeys(", ".join([one["value"], *_network(one)]) for one in facts))


def _network(about: dict[str, str]) -> list[str]:
    return [f"network {about['network']}"] if "network" in about else []


def build_matrix_table(
    bench: Bench, records: Sequence[Record], outdated: Callable[[Cell, Record], Sequence[str]]
) -> Table:
    """Return the table of a matrix: a line for each set of each panel, a column for each set; as ``build_table``."""
    spec, matrix = bench.spec, of_bench(bench)
    table = Table(spec.title, spec.about, ["", *matrix.sets], [])
    theirs = spec.paper.values if spec.paper else {}
    noted: set[str] = set()
    for panel in panels(bench, records):
        for first in matrix.sets:
            notes: list[str] = []
            if panel.row not in noted:
                notes = notes_of(bench, panel.row, changed_in(bench, records, panel.row, outdated))
                noted.add(panel.row)
            line = [Text(f"{panel.label}: {first}", notes=tuple(table.note(one) for one in notes))]
            for second in matrix.sets:
                key = distance_name(panel.domain, first, second)
                shown = Column(value=key, label=key, digits=matrix.digits)
                cell = cell_of(table, panel.found[first, second], shown)
                paper = theirs.get(panel.row, {}).get(key)
                if paper is not None and spec.paper:
                    note = table.note(f"in the paper {paper:g}: {spec.paper.protocol}")
                    cell = Text(cell.text, cell.bold, (*cell.notes, note))
                line.append(cell)
            table.rows.append(line)
    if measured := measured_with(bench, records):
        table.made.append(f"{measured}, of each line's set, taken as translations, from each column's, taken as real.")
    for panel in panels(bench, records):
        if panel.counts:
            said = ", ".join(f"{panel.counts[name]} {name}" for name in matrix.sets if name in panel.counts)
            table.made.append(f"Images of {panel.label}: {said}.")
    table.made += [f"{describe_seeds(bench)}.", *describe_runs(bench, records)]
    return table
