"""Turn records into a table of texts: mean ± deviation over seeds, the best in bold, the paper's values, footnotes.

``ganzoo.bench.page`` builds a table, and ``ganzoo.bench.render`` renders it. A spec has columns (``build_table``) or a
matrix (``build_matrix_table``); both take the values of a cell from ``ganzoo.bench.values``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganzoo.bench.columns import Column
from ganzoo.bench.matrix import Domain, Matrix, distance_name
from ganzoo.bench.records import record_of
from ganzoo.bench.spec import MEAN, Bench, Cell, Spec
from ganzoo.bench.values import SeedValues, mean_values, seed_values
from ganzoo.provenance.record import Record
from ganzoo.utils.formatting import format_duration

Outdated = Callable[[Cell, Record], Sequence[str]]
"""A function that returns what has changed since a cell's record was written, from the cell and its record."""


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
        title: the table's title; only HTML shows it.
        about: a paragraph about the table; empty if there is none.
        head: the texts of the first row.
        rows: the cells of the rows below it.
        notes: the texts of the footnotes, which are numbered from 1.
        details: sentences on seeds, images, networks, machine, time and command.
    """

    title: str
    about: str
    head: list[str]
    rows: list[list[Text]]
    notes: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    def note(self, text: str) -> int:
        """Return the number of the footnote with this text; add the footnote if it is new."""
        if text not in self.notes:
            self.notes.append(text)
        return self.notes.index(text) + 1


# A table of columns


def build_table(bench: Bench, records: Sequence[Record], outdated: Outdated) -> Table:
    """Return the table of a spec with columns.

    Args:
        bench: the table's spec and files.
        records: the records of the table's cells; records of other cells are ignored.
        outdated: a function that returns what has changed since a record was written.
    """
    spec = bench.spec
    heads = [(data, column) for data in spec.shown_data for column in spec.columns]
    papers = spec.paper.values if spec.paper else {}
    keys = {head: bench.key(*head) for head in heads}
    shown = {key for key in keys.values() if any(key in values for values in papers.values())}
    table = Table(spec.title, spec.about, [""], [])
    for head in heads:
        label = _label(bench, *head)
        table.head += [label, f"{label}, in the paper"] if keys[head] in shown else [label]
    mean_column, mean_of_paper = spec.mean and len(spec.columns) == 1, any(MEAN in values for values in papers.values())
    if mean_column:
        table.head += [MEAN, f"{MEAN}, in the paper"] if mean_of_paper else [MEAN]
    read = mean_values if spec.mean and not mean_column else seed_values
    values = {row: {head: read(bench, records, row, *head) for head in heads} for row in spec.rows}
    changed = {row: _changes_since(bench, records, row, outdated) for row in spec.rows}
    competing = [row for row, about in spec.rows.items() if not about.reference]
    best = {head: _best({row: values[row][head] for row in competing}, head[1]) for head in heads}
    for row, about in spec.rows.items():
        cells = [Text(about.label, notes=_row_notes(table, bench, row, changed[row]))]
        for head in heads:
            cells.append(_format_cell(table, values[row][head], head[1], bold=best[head] == row and not changed[row]))
            if keys[head] in shown:
                cells.append(_paper_text(papers.get(row, {}).get(keys[head])))
        if mean_column:
            cells.append(_format_mean(mean_values(bench, records, row, "", spec.columns[0]), spec.columns[0]))
            cells += [_paper_text(papers.get(row, {}).get(MEAN))] if mean_of_paper else []
        table.rows.append(cells)
    table.details = [
        f"{_describe_seeds(bench)}{_describe_best(spec)}.",
        *_describe_images(bench, records),
        *_describe_runs(bench, records),
    ]
    if spec.paper and (shown or mean_of_paper):
        table.details.append(f"In the paper: {spec.paper.protocol}")
    table.details += _describe_protocol(bench)
    return table


def _paper_text(value: float | None) -> Text:
    return Text("" if value is None else f"{value:g}")


def _label(bench: Bench, data: str, column: Column) -> str:
    names = [bench.spec.data[data].label or data] if data else []
    return ": ".join([*names, *([column.label] if len(bench.spec.columns) > 1 or not names else [])])


def _best(rows: Mapping[str, SeedValues], column: Column) -> str:
    """Return the row whose range, mean ± deviation, is better than that of every other row; "" if there is none.

    Rows that lack the value of a seed do not compete: those that they lack may be the worst.
    """
    sign = -1 if column.better == "more" else 1
    complete = [(row, one) for row, one in rows.items() if one.deviation is not None and not one.missing]
    if not column.better or len(complete) < 2:
        return ""
    (mean, deviation, row), *others = sorted((sign * one.mean, one.deviation or 0.0, row) for row, one in complete)
    return row if all(mean + deviation < other - wide for other, wide, _ in others) else ""


def _format_mean(means: SeedValues, column: Column) -> Text:
    """Return the text of a row's mean over the data sets; it is over the seeds that have a value on all of them."""
    if not means.values:
        return Text("—")
    return Text(f"{means.mean:z.{column.digits}f}" + (f" (n = {len(means.values)})" if means.missing else ""))


def _describe_best(spec: Spec) -> str:
    arrows = [f"{one.label} {'↑' if one.better == 'more' else '↓'}" for one in spec.columns if one.better]
    references = "; ".join(row.label for row in spec.rows.values() if row.reference)
    competing = f" (only for comparison: {references})" if references else ""
    if not arrows:
        return ""
    rule = "; bold: the best of the rows with all seeds, if its range overlaps no other's"
    return f"; better: {', '.join(arrows)}{rule if len(spec.seeds) > 1 else ''}{competing}"


def _describe_images(bench: Bench, records: Sequence[Record]) -> list[str]:
    """Return sentences on the numbers of images and on the networks of metrics, from the records."""
    labels: dict[str, dict[str, None]] = {}
    for record in _shown_records(bench, records):
        for column in bench.spec.columns:
            about = record.about.get(column.name_in(record.about), {})
            counts = f"{about['n_fake']} translated" if "n_fake" in about else ""
            counts += f" ({about['fake']})" if "fake" in about else ""
            counts += f", {about['n_real']} real ({about['real']})" if "n_real" in about else ""
            network = f", network {about['network']}" if "network" in about else ""
            if counts:
                labels.setdefault(f"{counts} images{network}", {})[column.label] = None
    return [f"{'; '.join(names)}: {counts}." for counts, names in labels.items()]


# A table of a matrix


def build_matrix_table(bench: Bench, records: Sequence[Record], outdated: Outdated) -> Table:
    """Return the table of a spec with a matrix: for each panel a line for each set; a column for each set.

    Arguments as for ``build_table``.
    """
    spec, matrix = bench.spec, matrix_of(bench)
    table = Table(spec.title, spec.about, ["", *matrix.sets], [])
    papers = spec.paper.values if spec.paper else {}
    noted: set[str] = set()
    for panel in panels(bench, records):
        for first in matrix.sets:
            notes: tuple[int, ...] = ()
            if panel.row not in noted:
                notes = _row_notes(table, bench, panel.row, _changes_since(bench, records, panel.row, outdated))
                noted.add(panel.row)
            line = [Text(f"{panel.label}: {first}", notes=notes)]
            for second in matrix.sets:
                key = distance_name(panel.domain, first, second)
                column = Column(value=key, label=key, digits=matrix.digits)
                cell = _format_cell(table, panel.values[first, second], column)
                paper_value = papers.get(panel.row, {}).get(key)
                if paper_value is not None and spec.paper:
                    note = table.note(f"in the paper {paper_value:g}: {spec.paper.protocol}")
                    cell = Text(cell.text, cell.bold, (*cell.notes, note))
                line.append(cell)
            table.rows.append(line)
    if metric := describe_metric(bench, records):
        table.details.append(f"{metric}, of each line's set, taken as translations, from each column's, taken as real.")
    for panel in panels(bench, records):
        if panel.counts:
            counts = ", ".join(f"{panel.counts[name]} {name}" for name in matrix.sets if name in panel.counts)
            table.details.append(f"Images of {panel.label}: {counts}.")
    table.details += [
        f"{_describe_seeds(bench)}.",
        *_describe_runs(bench, records),
        *_describe_protocol(bench),
    ]
    return table


@dataclass(frozen=True)
class Panel:
    """One matrix of a table: the values of a row on a data set, in one domain.

    Args:
        row: the row's name in the spec.
        domain: the domain of the images.
        label: a name made of the labels of the row, the data set and the domain.
        values: (first set, second set) → the values over the seeds.
        counts: set → number of its images, if it is known.
    """

    row: str
    domain: Domain
    label: str
    values: dict[tuple[str, str], SeedValues]
    counts: dict[str, int]


def panels(bench: Bench, records: Sequence[Record]) -> Iterator[Panel]:
    """Yield the panels of a table with a matrix, by row, data set and domain; the heat map draws them too."""
    spec, matrix = bench.spec, matrix_of(bench)
    for row, about in spec.rows.items():
        for data in spec.data or [""]:
            for domain, domain_label in matrix.domains.items():
                names = [about.label, *([spec.data[data].label or data] if data else []), domain_label]
                values: dict[tuple[str, str], SeedValues] = {}
                counts: dict[str, int] = {}
                for first in matrix.sets:
                    for second in matrix.sets:
                        key = distance_name(domain, first, second)
                        values[first, second] = seed_values(bench, records, row, data, Column(value=key, label=key))
                        if facts := _about_value(bench, records, row, data, key):
                            counts |= {first: facts["n_fake"], second: facts["n_real"]}
                yield Panel(row, domain, ", ".join(names), values, counts)


def matrix_of(bench: Bench) -> Matrix:
    """Return the matrix of a table, which must have one."""
    assert bench.spec.matrix is not None
    return bench.spec.matrix


def _about_value(bench: Bench, records: Sequence[Record], row: str, data: str, key: str) -> dict[str, Any]:
    of_seeds = (record_of(records, Cell(row, data, seed)) for seed in bench.spec.seeds)
    return next((record.about[key] for record in of_seeds if record and key in record.about), {})


def describe_metric(bench: Bench, records: Sequence[Record]) -> str:
    """Return the name of the metric value in a table's matrix, and its network; empty if the records do not say it."""
    keys = set(matrix_of(bench).value_names())
    facts = [about for record in records for key, about in record.about.items() if key in keys]
    names = [[one["value"], *([f"network {one['network']}"] if "network" in one else [])] for one in facts]
    return " and ".join(dict.fromkeys(", ".join(one) for one in names))


# What both kinds of tables use


def _format_cell(table: Table, cell: SeedValues, column: Column, *, bold: bool = False) -> Text:
    """Return the text of a value, a dash if there is none. The reasons for missing values become footnotes."""
    notes = tuple(table.note(why) for why in cell.missing)
    if not cell.values:
        return Text("—", notes=notes)
    text = f"{cell.mean:z.{column.digits}f}"
    if cell.deviation is not None:
        text += f" ± {cell.deviation:.{column.digits}f}"
    if cell.missing:
        text += f" (n = {len(cell.values)})"
    return Text(text, bold, notes)


def _changes_since(bench: Bench, records: Sequence[Record], row: str, outdated: Outdated) -> list[str]:
    """Return what has changed since the cells of a row were run, each change once."""
    changes: dict[str, None] = {}
    for cell in bench.cells():
        record = record_of(records, cell) if cell.row == row else None
        if record is not None:
            changes |= dict.fromkeys(outdated(cell, record))
    return list(changes)


def _row_notes(table: Table, bench: Bench, row: str, changes: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of a row's footnotes: note, differences, choice of settings, what changed since it was run."""
    about = bench.spec.rows[row]
    notes = [about.note] if about.note else []
    notes += [f"differs from the paper: {'; '.join(about.differs)}"] if about.differs else []
    notes += [f"settings: {about.budget}"] if about.budget else []
    notes += [f"outdated: changed since it was run: {', '.join(changes)}"] if changes else []
    return tuple(table.note(one) for one in notes)


def _describe_seeds(bench: Bench) -> str:
    count = len(bench.spec.seeds)
    return f"Mean ± standard deviation over {count} seeds" if count > 1 else "One seed"


def _shown_records(bench: Bench, records: Sequence[Record]) -> list[Record]:
    """Return the records of the table's cells that have at least one finite value of the table."""

    def names(values: Mapping[str, float]) -> Iterable[str]:
        spec = bench.spec
        return spec.matrix.value_names() if spec.matrix else [column.name_in(values) for column in spec.columns]

    of_cells = [record for record in (record_of(records, cell) for cell in bench.cells()) if record]
    return [
        record
        for record in of_cells
        if any(math.isfinite(record.values.get(name, math.nan)) for name in names(record.values))
    ]


def _describe_protocol(bench: Bench) -> list[str]:
    """Return sentences on what all rows have in common: differences from the paper, and the choice of settings."""
    differs, budget = bench.spec.differs, bench.spec.budget
    return [
        *([f"All rows differ from the paper: {'; '.join(differs)}."] if differs else []),
        *([f"Settings: {budget}"] if budget else []),
    ]


def _describe_runs(bench: Bench, records: Sequence[Record]) -> list[str]:
    """Return sentences on machine, time and command, from the records."""
    shown, lines = _shown_records(bench, records), []
    machines = {f"{one.environment['device']}, {one.environment['cores']} cores" for one in shown if one.environment}
    trained = [(one.step, one.cost.seconds) for one in shown if one.cost.seconds]
    if machines and trained:
        steps, times = sorted({step for step, _ in trained}), [seconds for _, seconds in trained]
        span = f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"
        runs = f"One run of {span} steps, {format_duration(times[0])}"
        if len(trained) > 1:
            shortest, longest, total = (format_duration(one) for one in (min(times), max(times), sum(times)))
            runs = f"{len(trained)} runs of {span} steps, {shortest} to {longest} each, {total} in all"
        lines.append(f"{runs} of training on {' and '.join(sorted(machines))}.")
    scale = f" --scale {bench.scale}" if bench.scale else ""
    lines.append(f"Made by `ganzoo bench {bench.file.name}{scale}`; records in `{bench.records.name}`.")
    return lines
