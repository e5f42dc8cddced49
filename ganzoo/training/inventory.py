"""Find the runs below a folder, and read what a list of runs shows: state, progress, metric values, size, age."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganzoo.errors import BusyError, GanzooError, one_line, suggest_path
from ganzoo.report.run_log import RunLog
from ganzoo.utils.atomic import find_complete, lock_file
from ganzoo.utils.reading import is_number, mapping
from ganzoo.utils.sealed import read_sealed_object
from ganzoo.weights.hub import is_published

RESOLVED, PROGRESS, LOCK = "resolved.yaml", "progress.json", ".lock"


@dataclass
class RunSummary:
    """What a list of runs shows of one.

    Args:
        folder: the run's folder.
        state: ``running``, ``finished``, ``stopped``, ``imported`` (networks from elsewhere), ``published``
            (by ``ganzoo publish``) or ``damaged``.
        problem: what is damaged, in words; empty for other states.
        method: the recipe's method.
        data: the recipe's data set.
        step: finished steps, by the checkpoint ``last``, or else by the latest one.
        total: the run's length in steps; 0 if it is unknown.
        values: the newest metric values: of the final evaluation of ``last``, or else of the last one while training.
        best: the name of the metric value that chooses ``best``, and that value; empty if there is none.
        checkpoints: checkpoint → its bytes.
        bytes: size of the folder on the disk.
        changed: time of the last change, in seconds since 1970.
    """

    folder: Path
    state: str = "stopped"
    problem: str = ""
    method: str = ""
    data: str = ""
    step: int = 0
    total: int = 0
    values: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    checkpoints: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    changed: float = 0.0

    def fields(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return {**asdict(self), "folder": str(self.folder)}


def find_runs(root: Path) -> list[Path]:
    """Return the folders of all runs below a folder, sorted; links and hidden folders are not followed."""
    return sorted(_runs_below(root))


def _runs_below(folder: Path) -> Iterator[Path]:
    if is_run(folder):
        yield folder
        return
    with suppress(OSError):  # a folder that may not be read has no runs to show
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                yield from _runs_below(Path(entry.path))


def is_run(folder: Path) -> bool:
    """Return whether a folder is that of a run, complete or not: it has a recipe in full, and its checkpoints."""
    return (folder / RESOLVED).is_file() and (folder / "checkpoints").is_dir()


def resolve_run(word: Path, root: Path) -> Path:
    """Return the folder of a run that a user names, as a path or as ``RECIPE/NAME`` below the folder of all runs.

    Raises GanzooError if there is no such run.
    """
    for folder in (word, root / word):
        if is_run(folder):
            return folder if folder.name not in ("", "..") else folder.resolve()
    inner = [run for folder in (word, root / word) if folder.is_dir() for run in find_runs(folder)]
    hint = f" (did you mean {str(inner[0])!r}?)" if inner else suggest_path(word) or suggest_path(root / word)
    raise GanzooError(f"{word}: {'not a run' if word.exists() else 'no such run'}{hint}")


def is_running(folder: Path) -> bool:
    """Return whether a process trains the run at this moment."""
    if not (folder / LOCK).is_file():
        return False
    try:
        with lock_file(folder / LOCK, ""):
            return False
    except BusyError:
        return True


def summarize(folder: Path, *, verify: bool = False) -> RunSummary:
    """Return the summary of a run; with ``verify`` also compare each file of its checkpoints with its checksum.

    What cannot be read makes the state ``damaged``, and no error.
    """
    summary = RunSummary(folder, checkpoints=checkpoint_sizes(folder), bytes=disk_size(folder))
    summary.changed = max((file.stat().st_mtime for file in folder.glob("*.jsonl")), default=folder.stat().st_mtime)
    problems = []
    try:
        _read_log(summary, RunLog(folder))
    except GanzooError as error:
        problems.append(str(error))
    try:
        _read_progress(summary)
        if verify:
            from ganzoo.engine.checkpoint_files import verify_checkpoint  # imports torch

            for name in summary.checkpoints:
                if complete := find_complete(folder / "checkpoints" / name, PROGRESS):
                    verify_checkpoint(complete)
    except GanzooError as error:
        problems.append(str(error))
    except (LookupError, TypeError, ValueError) as error:
        problems.append(f"{folder}: {one_line(error)}")
    if is_running(folder):
        summary.state = "running"
    elif problems:
        summary.state = "damaged"
    summary.problem = "; ".join(problems)
    return summary


def _read_log(summary: RunSummary, log: RunLog) -> None:
    summary.method = str(log.section("method").get("method", ""))
    data = log.section("data")
    place = data.get("root") or data.get("A") or ""
    summary.data = " ".join(str(one) for one in (data.get("dataset", ""), place) if one)
    lengths = [one.get("total") for one in log.events if one.get("event") == "started"]
    summary.total = next((int(one) for one in reversed(lengths) if is_number(one)), 0)
    ends = [one for one in log.last_session if one.get("event") == "finished"]
    if ends:
        summary.state = "finished"
    elif not log.events and not log.environment:
        summary.state = "published" if is_published(summary.folder) else "imported"
    evaluations = log.metrics.evaluations
    if summary.state == "published":
        evaluations = [one for one in log.results if one.get("status") == "ok"]
    values = mapping(evaluations[-1].get("values")) if evaluations else {}
    if ends:  # not of the records, which ganzoo evaluate writes too, on other images or with other metrics
        values = mapping(mapping(ends[-1].get("values")).get("last")) or values
    summary.values = {name: value for name, value in values.items() if is_number(value)}


def _read_progress(summary: RunSummary) -> None:
    folder = summary.folder / "checkpoints"
    found: dict[str, dict[str, Any]] = {}
    for name in summary.checkpoints:
        place = find_complete(folder / name, PROGRESS)
        found[name] = read_sealed_object((place or folder / name) / PROGRESS, "the progress of a checkpoint")
    if found:
        fields = found.get("last") or max(found.values(), key=lambda one: int(one["step"]))
        summary.step = int(fields["step"])
        if is_number(fields.get("best")) and fields.get("best_of"):
            summary.best = {str(fields["best_of"]).split()[-1]: fields["best"]}


def checkpoint_sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of each checkpoint of a run by its name; one whose replacement was interrupted counts, too."""
    sizes: dict[str, int] = {}
    with suppress(OSError):
        for entry in sorted(os.scandir(folder / "checkpoints"), key=lambda one: one.name):
            name = entry.name
            if name.startswith("."):
                name, _, word = name[1:].rpartition(".")
                if word != "old" or (folder / "checkpoints" / name).exists():
                    continue
            if entry.is_dir(follow_symlinks=False):
                sizes[name] = disk_size(Path(entry.path))
    return sizes


def disk_size(folder: Path) -> int:
    """Return the bytes of all files below a folder; links are not followed."""
    total = 0
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                total += disk_size(Path(entry.path))
            else:
                with suppress(OSError):  # it was deleted meanwhile
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def age(summary: RunSummary) -> float:
    """Return the seconds since a run's last change."""
    return max(time.time() - summary.changed, 0.0)


def summaries(folders: Sequence[Path], *, verify: bool = False) -> list[RunSummary]:
    """Return the summaries of runs, in the same order; those that are deleted meanwhile are left out."""
    found = []
    for folder in folders:
        with suppress(FileNotFoundError):
            found.append(summarize(folder, verify=verify))
    return found
