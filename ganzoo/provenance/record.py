"""Records: one line of JSON for one evaluated checkpoint × data × seed, with where its figures came from.

docs/records.md explains every field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ganzoo.errors import GanzooError


class Code(BaseModel):
    """A plugin as it was: its version, and the checksum of its code."""

    model_config = ConfigDict(extra="forbid")
    version: str
    code: str


class Session(BaseModel):
    """What a stretch of training ran with: from a step on, until the next one's.

    Args:
        step: at which it began.
        epochs: that the run was to have, or else ``steps``: schedules follow it.
        steps: likewise.
        plugins: whose code shapes a step, or chooses the best checkpoint.
        core: ganzoo's version, and the checksum of its code.
        images: checksums of those of training and validation.
        sources: checksums of what parts read besides: banks, weights.
        chosen_by: how the best checkpoint is chosen, where one is kept.
    """

    model_config = ConfigDict(extra="forbid")
    step: int
    epochs: int
    steps: int
    plugins: dict[str, Code]
    core: str
    images: dict[str, str]
    sources: dict[str, str]
    chosen_by: dict[str, Any] = {}


class Data(BaseModel):
    """Images measured: the data set's name, for each split its checksum and how many of each domain there are."""

    model_config = ConfigDict(extra="forbid")
    dataset: str
    keys: dict[str, str]
    images: dict[str, dict[str, int]]


class Cost(BaseModel):
    """What the training took: seconds in all, images a second (median), and bytes at the most; None: not known."""

    model_config = ConfigDict(extra="forbid")
    seconds: float | None = None
    images_per_s: float | None = None
    peak_memory: int | None = None


class Record(BaseModel):
    """One record. Raises pydantic's ValidationError for what is no such record."""

    model_config = ConfigDict(extra="forbid")

    record: Literal[2] = 2
    status: Literal["ok", "failed"]
    why: str = ""
    recipe: str
    name: str
    method: str
    recipe_key: str
    plugins: dict[str, Code]
    core: str
    trained_by: list[Session]
    data: Data
    seed: int
    step: int
    trained: int
    checkpoint: str
    rule: str
    weights: str
    split: str
    images: dict[str, int]
    metrics: list[dict[str, Any]]
    values: dict[str, float]
    about: dict[str, dict[str, Any]]
    failed: dict[str, str]
    cost: Cost
    environment: dict[str, Any]
    cell: dict[str, str] = {}
    time: str = ""

    def fields(self) -> dict[str, Any]:
        """Return it as plain data, the time only where it has been written already."""
        found = self.model_dump()
        return found if self.time else {name: value for name, value in found.items() if name != "time"}


def read_records(file: Path) -> list[Record]:
    """Return the records of a file of JSON lines. Raises GanzooError, with file and line, for what is none."""
    if not file.is_file():
        raise GanzooError(f"{file}: there are no records")
    return [_record(line, f"{file}:{number}") for number, line in _lines(file)]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")  # splitlines would also cut at what JSON leaves as it is
    except (OSError, UnicodeDecodeError) as error:
        raise GanzooError(f"{file}: cannot be read: {error}") from None
    yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _record(line: str, where: str) -> Record:
    try:
        found: Mapping[str, Any] = json.loads(line)
        return Record.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise GanzooError(f"{where}: no record of schema 2: {path}: {first['msg']}") from None
    except ValueError as error:
        raise GanzooError(f"{where}: no line of JSON: {error}") from None
