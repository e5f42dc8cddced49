"""The files of a study: its page, the key that says what each trial showed, and the participants' answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ganzoo.errors import GanzooError
from ganzoo.evaluation.study.templates import read_asset, render
from ganzoo.evaluation.study.trials import Task, Trial
from ganzoo.utils.jsonl import to_json, write_text
from ganzoo.utils.templates import page_policy

PAGE, KEY = "index.html", "key.json"
QUESTIONS: dict[Task, str] = {
    "real-or-fake": "Which image is a real photograph or picture, not one that a computer made?",
    "better": "Which image is the better version of the one above?",
}
WITHOUT_SOURCE = "Which image is better?"
"""The question of ``better`` in trials without a source above the images."""


class KeyTrial(BaseModel):
    """What a trial showed."""

    model_config = ConfigDict(extra="forbid")
    shown: dict[Literal["left", "right"], str]
    image: str
    practice: bool


class Key(BaseModel):
    """What the trials of a study showed, which the page does not know."""

    model_config = ConfigDict(extra="forbid")
    study: str
    task: Task
    labels: list[str]
    trials: dict[str, KeyTrial]


class Answer(BaseModel):
    """The answer to a trial: the chosen side, and the seconds from the images to the choice."""

    model_config = ConfigDict(extra="forbid")
    trial: str
    choice: Literal["left", "right"]
    seconds: float


class Answers(BaseModel):
    """What the page saves for a participant."""

    model_config = ConfigDict(extra="forbid")
    study: str
    participant: str
    answers: list[Answer]


def require_free(folder: Path) -> None:
    """Raise GanzooError if a folder has a study already, or a page of something else, which would be lost."""
    if (folder / KEY).exists():
        raise GanzooError(f"{folder}: there is a study already, and its answers belong to it: name another folder")
    if (folder / PAGE).exists():
        raise GanzooError(f"{folder / PAGE}: it exists and does not belong to a study; name another folder")


def write_study(
    folder: Path,
    task: Task,
    labels: Sequence[str],
    trials: Sequence[Trial],
    *,
    question: str,
    seconds: float,
) -> None:
    """Write the page and the key of a study.

    Args:
        folder: the folder for them; it is made if it is missing.
        task: what is asked.
        labels: the names of the runs.
        trials: the trials.
        question: what the page asks; empty: the task's own question, in ``better`` by whether a trial has a source.
        seconds: how long the images of a trial are shown; 0: until the answer.

    The study's number, which its answers have, is a checksum of all of that, with the images.

    Raises GanzooError if the folder already has a study, whose answers would not fit the new one, or another page, or
    cannot be written.
    """
    require_free(folder)
    own = {trial.name: WITHOUT_SOURCE for trial in trials if task == "better" and not trial.source and not question}
    data: dict[str, Any] = {
        "seconds": seconds,
        "question": WITHOUT_SOURCE if own else question or QUESTIONS[task],
        "trials": [trial.question() for trial in trials],
    }
    if 0 < len(own) < len(trials):
        for trial in data["trials"]:
            trial["question"] = own.get(trial["name"], QUESTIONS[task])
    known = {"page": data, "task": task, "labels": [*labels], "key": {trial.name: trial.key() for trial in trials}}
    study = data["study"] = hashlib.sha256(to_json(known).encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanzooError(f"{folder}: cannot be made: {error.strerror}") from None
    script = read_asset("study.js")
    page = render(
        "study.html",
        policy=page_policy(script),
        style=read_asset("study.css"),
        script=script,
        data=json.dumps(data, allow_nan=False),
    )
    write_text(folder / PAGE, page)
    key = Key(study=study, task=task, labels=[*labels], trials={one.name: KeyTrial(**one.key()) for one in trials})
    write_text(folder / KEY, key.model_dump_json(indent=1) + "\n")


def read_key(folder: Path) -> Key:
    """Return the key of a study. Raises GanzooError if the folder has none, or a damaged one."""
    return _read(folder / KEY, Key, "the key of a study, which ganzoo study writes")


def read_answers(files: Sequence[Path], key: Key) -> list[Answers]:
    """Return the answers of participants.

    Args:
        files: the files that the page has saved, or folders with such files.
        key: the key of the study.

    Raises GanzooError if a file is no file of answers, or of another study, if a participant or a trial is there twice,
    and if there are none.
    """
    found: dict[str, tuple[Path, Answers]] = {}
    for file in [one for place in files for one in (sorted(place.glob("*.json")) if place.is_dir() else [place])]:
        if file.name == KEY:
            continue
        answers = _read(file, Answers, "a file of answers, which the page of a study saves")
        if answers.study != key.study:
            raise GanzooError(f"{file}: answers to another study")
        if answers.participant in found:
            first = found[answers.participant][0]
            raise GanzooError(f"{file}: participant {answers.participant!r} also answered in {first}: remove one")
        names = [one.trial for one in answers.answers]
        if unknown := sorted({*names} - {*key.trials}):
            raise GanzooError(f"{file}: the study has no trial {unknown[0]!r}")
        if len(set(names)) < len(names):
            raise GanzooError(f"{file}: a trial is answered twice")
        found[answers.participant] = file, answers
    if not found:
        raise GanzooError("no answers: name the files that participants saved, or their folder")
    return [answers for _, answers in found.values()]


def _read(file: Path, kind: type[Any], what: str) -> Any:
    try:
        return kind.model_validate_json(file.read_bytes())
    except OSError as error:
        raise GanzooError(f"{file}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise GanzooError(f"{file}: it is not {what}: {f'{place}: ' if place else ''}{first['msg']}") from None
