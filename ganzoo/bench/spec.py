"""Read the spec of a table: a YAML file of rows, data sets, seeds, and columns or a matrix.

docs/benchmarks.md explains it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from ganzoo.bench.columns import STRICT, Column, Number, Reach, Whole
from ganzoo.bench.matrix import Matrix
from ganzoo.bench.spec_errors import describe
from ganzoo.errors import GanzooError, MissingResourceError, suggest
from ganzoo.recipe.yaml_document import Document, FileKind, KeyPath, read_yaml, sort_key
from ganzoo.utils.atomic import is_folder_name
from ganzoo.utils.core_yaml import flow

MEAN = "mean"
"""The heading of the column with the mean over the data sets, and its key in ``paper.values``."""
SPEC = FileKind("spec", "a title, rows, and columns or a matrix", "title: TEXT", Path("benchmarks"))
NAME = r"[\w-]+"
Name = Annotated[str, Field(pattern=f"^{NAME}$")]


class _Part(BaseModel):
    model_config = STRICT


class Row(_Part):
    """A row of a table: a recipe with changes.

    Args:
        label: the row's heading in the table.
        recipe: the recipe's file, relative to the spec.
        set: overrides of the recipe, each ``key.path=value``.
        reference: whether the row is only for comparison; its values are then never marked as the best.
        note: a footnote; empty if there is none.
        differs: how the row differs from the paper's protocol, beside what the whole table's ``differs`` says.
        budget: how the row's settings were chosen: what was tried, and how often; empty if nothing was.
    """

    label: str
    recipe: Path
    set: list[str] = []
    reference: bool = False
    note: str = ""
    differs: list[str] = []
    budget: str = ""


class DataSet(_Part):
    """A data set that every row is trained on.

    Args:
        label: the data set's name in the table; by default its name in the spec.
        set: the overrides of a recipe that select the data set, each ``key.path=value``.
        rows: row → overrides of that row's recipe on this data set alone, applied after those of the row.
    """

    label: str = ""
    set: list[str] = []
    rows: dict[Name, list[str]] = {}


class Preparation(_Part):
    """A preparation that recipes need, such as a bank or a trained network.

    Args:
        command: the command of ganzoo to run, without its first word.
        makes: the path of the file or folder that the command creates.
    """

    command: str
    makes: str


class Paper(_Part):
    """The values that the paper reports.

    Args:
        protocol: how the paper measured them, in words.
        values: row → key → value. The key is the column's ``value``; or the data set, if there are data sets and one
            column, and ``mean`` for its mean; or the name of a distance, if there is a matrix. With several data sets
            there must be exactly one column, or means of several.
    """

    protocol: str
    values: dict[Name, dict[str, Number]]


class Spec(_Part):
    """A checked spec.

    Args:
        title: the table's title.
        about: a paragraph about the table; empty if there is none.
        page: the page with the table's markers, relative to the spec; without a page the table is only printed.
        seeds: the seeds, each used once for every row and data set.
        checkpoint: the checkpoint to measure, ``last`` or ``best``; that of a run of no steps is ``last``.
        set: overrides of all recipes, applied before those of the data set and of the row.
        prepare: preparations by name, run in this order if their results are missing: banks, networks for masks.
        rows: the rows, by name.
        data: the data sets, by name; without them every row uses the data of its recipe.
        columns: the metric values to show.
        reach: a level whose time is measured; columns name it ``steps_to_VALUE`` and ``seconds_to_VALUE``.
        curves: values whose course during training is drawn, as NAME-curves.svg beside the page.
        matrix: the sets of images whose distances are shown, in place of columns.
        mean: whether a further column shows the mean of the only column over the data sets; of several columns each
            shows its mean over the data sets, in place of its values on them.
        paper: the values that the paper reports; None if there are none.
        differs: how all rows differ from the paper's protocol; empty if they do not, or there is no paper.
        budget: how the settings of all rows were chosen; empty if nothing was tried.
        scales: other sizes of the same table: name → the keys of the spec that it replaces, with their values.
    """

    title: str
    about: str = ""
    page: Path | None = None
    seeds: Annotated[list[Whole], Field(min_length=1)] = [0]
    checkpoint: Literal["last", "best"] = "last"
    set: list[str] = []
    prepare: dict[Name, Preparation] = {}
    rows: Annotated[dict[Name, Row], Field(min_length=1)]
    data: dict[Name, DataSet] = {}
    columns: list[Column] = []
    reach: Reach | None = None
    curves: list[Column] = []
    matrix: Matrix | None = None
    mean: bool = False
    paper: Paper | None = None
    differs: list[str] = []
    budget: str = ""
    scales: dict[Name, dict[str, Any]] = {}

    @property
    def shown_data(self) -> list[str]:
        """The names of the data sets that columns show by themselves; empty text for the mean, or for no data set."""
        return [""] if self.mean and len(self.columns) > 1 else list(self.data) or [""]


@dataclass(frozen=True)
class Cell:
    """One run of a table: a row on a data set from a seed. ``data`` is empty if the recipe has its own data."""

    row: str
    data: str
    seed: int

    @property
    def name(self) -> str:
        """The run's name: ``ROW-DATA-seedN``, or ``ROW-seedN`` without a data set."""
        return "-".join([self.row, *([self.data] if self.data else []), f"seed{self.seed}"])


@dataclass(frozen=True)
class Places:
    """Folders of this machine.

    Args:
        root: the folder below which the runs are.
        data: the folder that ``{data}`` in a spec stands for; None if it is not known.
    """

    root: Path
    data: Path | None = None


@dataclass(frozen=True)
class Bench:
    """A spec at a scale, with the paths of its files.

    Args:
        file: the spec's file.
        scale: the scale's name; empty for the spec without the changes of a scale.
        spec: the spec, with the scale's changes.
    """

    file: Path
    scale: str
    spec: Spec

    @property
    def name(self) -> str:
        """The table's name, in its markers and its file of records: the name of the spec's file, and the scale."""
        return "-".join([self.file.stem, *([self.scale] if self.scale else [])])

    @property
    def records(self) -> Path:
        """The path of the table's records, beside the spec; the file may not exist yet."""
        return self.file.with_name(f"{self.name}.jsonl")

    @property
    def page(self) -> Path | None:
        """The path of the page with the table; None if the spec names none."""
        return self.file.parent / self.spec.page if self.spec.page else None

    @property
    def prepared(self) -> str:
        """A checksum of the preparations' commands; empty if there are none."""
        commands = {name: one.command for name, one in self.spec.prepare.items()}
        return sha256(json.dumps(commands, sort_keys=True).encode()).hexdigest()[:16] if commands else ""

    def cells(self) -> Iterator[Cell]:
        """Yield the cells of the table, by row, data set and seed."""
        for row in self.spec.rows:
            for data in self.spec.data or [""]:
                for seed in self.spec.seeds:
                    yield Cell(row, data, seed)

    def recipe(self, cell: Cell) -> Path:
        """Return the path of a cell's recipe."""
        return self.file.parent / self.spec.rows[cell.row].recipe

    def changes(self, cell: Cell, places: Places) -> list[str]:
        """Return the overrides of a cell's recipe: of all recipes, the data set, the row and the matrix, and the seed.

        ``{run}`` in an override stands for the cell's name, which is also that of its run in another table with the
        same rows and data sets. Raises MissingResourceError, as ``filled`` does.
        """
        spec = self.spec
        data = spec.data[cell.data] if cell.data else DataSet()
        changes = [*spec.set, *data.set, *spec.rows[cell.row].set, *data.rows.get(cell.row, [])]
        if spec.matrix:  # so that a run that cannot be measured at its end is refused at its start
            changes.append(f"evaluate.metrics=[{flow(spec.matrix.metric)}]")
        return [*(self._change(one, cell, places) for one in changes), f"train.seed={cell.seed}"]

    def _change(self, change: str, cell: Cell, places: Places) -> str:
        """Return an override with its placeholders filled; a path that is its value is quoted where YAML needs it."""
        key, _, value = (self.filled(part, places).replace("{run}", cell.name) for part in change.partition("="))
        given = change.partition("=")[2]
        nested = re.sub(r"\{(data|root|here|run)\}", "", given).lstrip().startswith(("[", "{", "'", '"'))
        return f"{key}={value if nested or value == given else flow(value)}"

    def key(self, data: str, column: Column) -> str:
        """Return the key of a value in ``paper.values``; ``data`` is empty if the table shows no data set by itself."""
        return data if data and len(self.spec.columns) == 1 else column.value

    def differs(self, row: str) -> list[str]:
        """Return how a row differs from the paper's protocol: first what all rows have in common, then its own."""
        return [*self.spec.differs, *self.spec.rows[row].differs]

    def budget(self, row: str) -> str:
        """Return how a row's settings were chosen, in words; empty if nothing was tried."""
        return " ".join(one for one in (self.spec.budget, self.spec.rows[row].budget) if one)

    def words(self, command: str, places: Places) -> list[str]:
        """Return the words of a command with ``filled`` applied to each: a folder with a space stays one word."""
        return [self.filled(word, places) for word in shlex.split(command)]

    def filled(self, text: str, places: Places) -> str:
        """Return a text in which ``{data}``, ``{root}`` and ``{here}`` are replaced by folders.

        They are the folder of the data, of this table's runs, and of the spec. Raises MissingResourceError for
        ``{data}`` if the folder of the data is not known.
        """
        if "{data}" in text and places.data is None:
            raise MissingResourceError(
                f"{self.file}: it reads images from the folder {{data}}: say where that is, --data FOLDER or the "
                "variable GANZOO_DATA"
            )
        names = {"data": places.data, "root": places.root / self.name, "here": self.file.parent.absolute()}
        for name, folder in names.items():
            text = text.replace(f"{{{name}}}", str(folder))
        return text


def resolve_places(root: Path, data: Path | None) -> Places:
    """Return the folders as absolute paths.

    The data folder is ``data``, or else that of the variable GANZOO_DATA, or else None.
    """
    folder = data or (Path(os.environ["GANZOO_DATA"]) if os.environ.get("GANZOO_DATA") else None)
    return Places(root.absolute(), folder.absolute() if folder else None)


def read_spec(file: Path, scale: str = "") -> Bench:
    """Read and check a spec, at a scale if one is named; an empty text is the spec without a scale.

    Raises GanzooError with one line for each mistake, ``file:line: path: what``, and if there is no such file or scale.
    """
    document = read_yaml(file, SPEC)
    if not is_folder_name(file.stem):
        raise GanzooError(f"{file}: the spec's name is {file.stem!r}; it names the folder of the runs: give it another")
    spec = _checked(document.data, document)
    if scale:
        if scale not in spec.scales:
            raise GanzooError(f"{file}: it has no scale {scale!r}{suggest(scale, spec.scales)}")
        prefix: KeyPath = ("scales", scale)
        places = document.places | {key[2:]: place for key, place in document.places.items() if key[:2] == prefix}
        scaled = {**document.data, **spec.scales[scale], "scales": {}}
        spec = _checked(scaled, Document(scaled, {**places, (): document.place(prefix)}))
    return Bench(file, scale, spec)


def _checked(data: dict[str, Any], document: Document) -> Spec:
    try:
        spec = Spec.model_validate(data)
    except ValidationError as error:
        problems = [describe(dict(one), Spec) for one in error.errors()]
    else:
        problems = [*_inconsistent(spec)]
    lines = [f"{document.place(path)}: {'.'.join(map(str, path)) or 'spec'}: {what}" for path, what in problems]
    if lines:
        raise GanzooError("\n".join(sorted(dict.fromkeys(lines), key=sort_key)))
    return spec


def _inconsistent(spec: Spec) -> Iterator[tuple[KeyPath, str]]:
    by_data = spec.data and len(spec.columns) == 1
    keys = {*spec.data, *([MEAN] if spec.mean else [])} if by_data else {one.value for one in spec.columns}
    if spec.matrix:
        keys = set(spec.matrix.value_names())
    if bool(spec.columns) == bool(spec.matrix):
        yield (), "a table has columns, or a matrix: give one of them"
    if len(set(spec.seeds)) < len(spec.seeds):
        yield ("seeds",), "a seed is listed twice; its second run would be the same"
    named: dict[str, tuple[str, str]] = {}
    for pair in [(row, data) for row in spec.rows for data in spec.data]:
        if (first := named.setdefault("-".join(pair), pair)) != pair:
            one, other = (f"{row} with {data}" for row, data in (first, pair))
            yield (
                ("rows", pair[0]),
                f"runs of {one} and of {other} have the same name: rename a row or a data set",
            )
    if spec.paper and len(spec.data) > 1 and len(spec.columns) != 1 and not spec.mean:
        yield ("paper",), "with several data sets the paper's values can be given for a single column only"
    for row, values in (spec.paper.values if spec.paper else {}).items():
        if row not in spec.rows:
            yield ("paper", "values", row), f"there is no row {row!r}{suggest(row, spec.rows)}"
        for key in values:
            if key not in keys:
                what = "pair of sets" if spec.matrix else "column"
                yield ("paper", "values", row, key), f"there is no {what} {key!r}{suggest(key, keys)}"
    own: list[tuple[KeyPath, list[str]]] = [(("rows", name, "differs"), row.differs) for name, row in spec.rows.items()]
    for path, differences in [(("differs",), spec.differs), *own]:
        if differences and not spec.paper:
            yield path, "there is no paper to differ from: give its protocol and values, under paper"
    if spec.mean and (len(spec.data) < 2 or not spec.columns):
        yield ("mean",), "the mean over data sets needs two of them at least, and columns"
    for name, data in spec.data.items():
        for row in data.rows:
            if row not in spec.rows:
                yield ("data", name, "rows", row), f"there is no row {row!r}{suggest(row, spec.rows)}"
    for path, changes in [
        (("set",), spec.set),
        *((("rows", name, "set"), row.set) for name, row in spec.rows.items()),
        *((("data", name, "set"), one.set) for name, one in spec.data.items()),
        *((("data", name, "rows", row), own) for name, one in spec.data.items() for row, own in one.rows.items()),
    ]:
        for i, one in enumerate(changes):
            if not re.match(r"[^=.\s]+(\.[^=.\s]+)*=", one):
                yield (*path, i), f"{one!r} is not of the form key.path=value"
            elif one.startswith("train.seed="):
                yield (*path, i), "the table sets the seeds: seeds: [0, 1, 2]"
    for name, preparation in spec.prepare.items():
        try:
            if not shlex.split(preparation.command):
                yield ("prepare", name, "command"), "it is empty; give a command of ganzoo, without its first word"
        except ValueError as error:  # no closing quotation
            yield ("prepare", name, "command"), f"it is {preparation.command!r}: {str(error).lower()}"
    for name, scale in spec.scales.items():
        for key in scale:
            if key not in Spec.model_fields or key == "scales":
                yield ("scales", name, key), f"unknown key {key!r}{suggest(key, Spec.model_fields)}"
