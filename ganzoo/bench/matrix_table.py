"""Turn the records of a matrix into rows of text, and into the numbers of a heat map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ganzoo.bench.matrix import Domain, Matrix, figure
from ganzoo.bench.running import of
from ganzoo.bench.spec import Bench, Cell, Column
from ganzoo.bench.table import Found, Table, Text, cell_of, changed_in, found_of, making, notes_of, seeds_of
from ganzoo.provenance.record import Record


@dataclass(frozen=True)
class Panel:
    """One matrix of a table: what a row of it made on a data set, in a domain.

    Args:
        row: of the spec.
        domain: whose pictures.
        label: of all three.
        found: first set, second set → what was found.
        counts: set → how many pictures, where they are known.
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
                        key = figure(domain, first, second)
                        found[first, second] = found_of(bench, records, row, data, Column(figure=key, label=key))
                        if facts := _about(bench, records, row, data, key):
                            counts |= {first: facts["n_fake"], second: facts["n_real"]}
                yield Panel(row, domain, ", ".join(names), found, counts)


def of_bench(bench: Bench) -> Matrix:
    """Return a table's matrix, which is there."""
    assert bench.spec.matrix is not None
    return bench.spec.matrix


def _about(bench: Bench, records: Sequence[Record], row: str, data: str, key: str) -> dict[str, int]:
    found = (of(records, Cell(row, data, seed)) for seed in bench.spec.seeds)
    return next((one.about[key] for one in found if one and key in one.about), {})


def measured_with(bench: Bench, records: Sequence[Record]) -> str:
    """Return the figure's name and its network, where records have them."""
    keys = set(of_bench(bench).figures())
    facts = [about for one in records for key, about in one.about.items() if key in keys]
    return " and ".join(dict.fromkeys(", ".join([one["figure"], *_network(one)]) for one in facts))


def _network(about: dict[str, str]) -> list[str]:
    return [f"network {about['network']}"] if "network" in about else []


def matrix_of(bench: Bench, records: Sequence[Record], outdated: Callable[[Cell, Record], Sequence[str]]) -> Table:
    """Return the table of a matrix: a line for each set of each panel, a column for each set; as ``table_of``."""
    spec, matrix = bench.spec, of_bench(bench)
    table = Table(spec.title, spec.about, ["", *matrix.sets], [])
    theirs = spec.paper.figures if spec.paper else {}
    noted: set[str] = set()
    for panel in panels(bench, records):
        for first in matrix.sets:
            notes: list[str] = []
            if panel.row not in noted:
                notes = notes_of(bench, panel.row, changed_in(bench, records, panel.row, outdated))
                noted.add(panel.row)
            line = [Text(f"{panel.label}: {first}", notes=tuple(table.note(one) for one in notes))]
            for second in matrix.sets:
                key = figure(panel.domain, first, second)
                shown = Column(figure=key, label=key, digits=matrix.digits)
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
            table.made.append(f"Pictures of {panel.label}: {said}.")
    table.made += [f"{seeds_of(bench)}.", *making(bench, records)]
    return table
