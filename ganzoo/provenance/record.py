"""Records of evaluations: each has the metric values of a checkpoint on a data set, and their origin; as JSON lines.

docs/records.md explains each field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from ganzoo.data.sampler import image_counts
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Dataset, Split
from ganzoo.provenance.fingerprint import core_version, plugins_of, portable, recipe_key
from ganzoo.provenance.images import data_key
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.reading import open_regular


class Code(BaseModel):
    """The version of a plugin and the checksum of its code."""

    model_config = ConfigDict(extra="forbid")
    version: str
    code: str


class Session(BaseModel):
    """The code, data and settings of a training session, which is one uninterrupted part of a run's training.

    Args:
        step: the training step at which the session started; the session ends at the step of the next one.
        epochs: the run's length in epochs, which learning rates depend on; 0 if the length is in steps.
        steps: the run's length in steps; 0 if the length is in epochs.
        plugins: name → version and code of each plugin that affects training or the choice of the best checkpoint.
        core: ganzoo's version and the checksum of its code.
        images: split → checksum of its images, for training and validation.
        sources: place in the recipe → checksum of another file that a part reads, such as a bank or frozen weights.
        chosen_by: the settings that choose the best checkpoint; empty if ``evaluate.best`` is not set.
        evaluations: the settings of the evaluations during training, and plugin → checksum of its code, under
            ``plugins``; empty if they are not known.
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
    evaluations: dict[str, Any] = {}


class Data(BaseModel):
    """The data set of an evaluation.

    Args:
        dataset: name of the data set.
        keys: split → checksum of its images.
        images: split → domain → number of images.
    """

    model_config = ConfigDict(extra="forbid")
    dataset: str
    keys: dict[str, str] = {}
    images: dict[str, dict[str, int]] = {}


class Cost(BaseModel):
    """The cost of training: total seconds, median images per second, peak memory in bytes; None if unknown."""

    model_config = ConfigDict(extra="forbid")
    seconds: float | None = None
    images_per_s: float | None = None
    peak_memory: int | None = None


class Values(Protocol):
    """The result of an evaluation, as records need it; ``ganzoo.evaluation.evaluator.Evaluation`` implements it."""

    @property
    def values(self) -> dict[str, float]:
        """Metric values by name."""

    @property
    def images(self) -> dict[str, int]:
        """Domain → number of images that were measured."""

    @property
    def about(self) -> dict[str, dict[str, Any]]:
        """Name of a value → its metric, numbers of images, and implementation and network if they are stated."""

    @property
    def failed(self) -> dict[str, str]:
        """Metric → the reason why values of it are missing."""


class Record(BaseModel):
    """The record of one evaluation; docs/records.md explains its fields.

    A field whose value is not known is empty. Raises pydantic's ValidationError for a field that does not exist or has
    a wrong value.
    """

    model_config = ConfigDict(extra="forbid")

    record: Literal[2] = 2
    status: Literal["ok", "failed"] = "ok"
    why: str = ""
    recipe: str = ""
    name: str = ""
    method: str = ""
    recipe_key: str = ""
    plugins: dict[str, Code] = {}
    core: str = ""
    trained_by: list[Session] = []
    data: Data
    seed: int = 0
    step: int = 0
    trained: int = 0
    checkpoint: str = ""
    rule: str = ""
    weights: str = ""
    split: str = ""
    images: dict[str, int] = {}
    metrics: list[dict[str, Any]] = []
    values: dict[str, float] = {}
    about: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    cost: Cost = Cost()
    environment: dict[str, Any] = {}
    cell: dict[str, str] = {}
    differs: list[str] = []
    budget: str = ""
    history: dict[str, list[tuple[int, float]]] = {}
    time: str = ""

    def measured(self, result: Values) -> Record:
        """Return a copy with the result of an evaluation; if a metric failed, ``status`` and ``why`` say so."""
        measured = {"values": result.values, "images": result.images, "about": result.about, "failed": result.failed}
        why = "; ".join(f"{name}: {reason}" for name, reason in result.failed.items())
        return self.model_copy(update={**measured, "status": "failed" if result.failed else "ok", "why": why})

    @classmethod
    def of_recipe(cls, recipe: Recipe, name: str) -> Record:
        """Return a record with the fields that a recipe determines: method, checksum, plugins, seed, metrics.

        Args:
            recipe: the run's recipe.
            name: the run's name.
        """
        return cls(
            recipe=recipe.name,
            name=name,
            method=recipe.method.component.name,
            recipe_key=recipe_key(recipe),
            plugins={plugin: Code(**code) for plugin, code in plugins_of(recipe).items()},
            core=core_version(),
            data=Data(dataset=recipe.data.component.name),
            seed=recipe.train.seed,
            metrics=portable(recipe.resolved()["evaluate"]["metrics"]),
        )

    @classmethod
    def of_failure(cls, recipe: Recipe, name: str, why: str, cell: Mapping[str, str]) -> Record:
        """Return the record of a run that failed before it could be measured.

        Args:
            recipe: the run's recipe.
            name: the run's name.
            why: the reason, in one line.
            cell: the field ``cell``: the cell of the benchmark table that the run is for.
        """
        return cls.of_recipe(recipe, name).model_copy(update={"status": "failed", "why": why, "cell": dict(cell)})

    @classmethod
    def of_checkpoint(
        cls, recipe: Recipe, name: str, dataset: Dataset, split: Split, progress: Mapping[str, Any]
    ) -> Record:
        """Read the images of the split, and return the record of a checkpoint, still without metric values.

        Args:
            recipe: the run's recipe.
            name: the run's name.
            dataset: the data set of the evaluation.
            split: the split of the evaluation.
            progress: the fields of the checkpoint's progress.json.
        """
        splits: list[Split] = list(dict.fromkeys(("train", split)))
        images: dict[str, dict[str, int]] = {one: image_counts(dataset, one) for one in splits}
        keys: dict[str, str] = {}
        with suppress(GanzooError):  # an image became unreadable: the metrics report it
            keys[split] = data_key(dataset, split, recipe.data)
        data = Data(dataset=recipe.data.component.name, keys=keys, images=images)
        sessions = [Session.model_validate(one) for one in progress.get("sessions", [])]
        update = {"data": data, "split": split, "trained": int(progress["step"]), "trained_by": sessions}
        return cls.of_recipe(recipe, name).model_copy(update=update)

    @classmethod
    def of_images(cls, name: str, dataset: str, key: str, metrics: list[dict[str, Any]], result: Values) -> Record:
        """Return the record of generated images that are in a folder; the run that generated them is not known.

        Args:
            name: the folder's name.
            dataset: the names of the compared folders.
            key: the checksum of the images.
            metrics: the metrics with all options, as in a resolved recipe.
            result: the result of the evaluation.
        """
        data = Data(dataset=dataset, keys={"test": key}, images={"test": result.images})
        return cls(name=name, core=core_version(), data=data, split="test", metrics=metrics).measured(result)

    def fields(self) -> dict[str, Any]:
        """Return the record as plain data, without ``time`` if it is empty, that is, before the record is written."""
        fields = self.model_dump()
        return fields if self.time else {name: value for name, value in fields.items() if name != "time"}


REQUIRED = set(Record.model_fields) - {"budget", "cell", "differs", "history", "time", "why"}
"""The fields that each line of a file of records must have."""


def parse_record(fields: Mapping[str, Any]) -> Record:
    """Return the record with these fields. Raises ValueError if a field is missing, not known or wrong."""
    record = Record.model_validate(fields)
    if missing := sorted(REQUIRED - set(fields)):
        raise ValueError(f"{missing[0]}: Field required")
    return record


def is_record(fields: Mapping[str, Any]) -> bool:
    """Return whether these fields are those of a record."""
    try:
        parse_record(fields)
    except ValueError:
        return False
    return True


def read_records(file: Path) -> list[Record]:
    """Return the records in a file of JSON lines; empty lines are skipped.

    Raises GanzooError if the file does not exist or cannot be read, and, with the line's number, for an invalid line.
    """
    if not file.exists():
        raise GanzooError(f"{file}: there are no records")
    return [_record(line, f"{file}:{number}") for number, line in _lines(file)]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        with open_regular(file) as opened:
            text = opened.read().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GanzooError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    lines = text.split("\n")  # splitlines would also split at characters that are valid in JSON
    yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _record(line: str, where: str) -> Record:
    try:
        fields: Mapping[str, Any] = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise GanzooError(f"{where}: not a line of JSON: {error}") from None
    try:
        return parse_record(fields)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise GanzooError(f"{where}: not a record of schema 2: {path}: {first['msg']}") from None
    except ValueError as error:
        raise GanzooError(f"{where}: not a record of schema 2: {error}") from None
