"""Delete runs and checkpoints so that a kill at any moment leaves nothing half deleted that looks whole.

What is deleted is first renamed to a hidden name, ``.NAME.removed``, which no command reads. A run that another process
trains is refused; while a run is changed here, nobody can train it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError
from ganzoo.report.run_log import RunLog
from ganzoo.training.inventory import LOCK, PROGRESS, checkpoint_sizes, disk_size, find_runs, is_run
from ganzoo.utils.atomic import REMOVED, ProcessLock, find_complete, lock_file, remove_folder, sibling_path
from ganzoo.utils.reading import parse_mapping, read_text


@dataclass(frozen=True)
class Removal:
    """Something to delete.

    Args:
        run: the folder of the run.
        checkpoint: the checkpoint's name; empty for the whole run.
        bytes: what it frees.
    """

    run: Path
    checkpoint: str
    bytes: int

    @property
    def folder(self) -> Path:
        """The folder to delete."""
        return self.run / "checkpoints" / self.checkpoint if self.checkpoint else self.run


def plan_removal(runs: Sequence[Path]) -> list[Removal]:
    """Return what ``ganzoo runs rm`` deletes. Raises GanzooError for a folder that must not be deleted."""
    for run in runs:
        check_is_run(run)
    return [Removal(run, "", disk_size(run)) for run in runs]


def plan_keeping(runs: Sequence[Path], names: Collection[str], *, every: bool = False) -> list[Removal]:
    """Return the checkpoints that ``ganzoo runs keep`` deletes: all but those of the given names.

    Args:
        runs: the runs' folders.
        names: the checkpoints to keep.
        every: whether each run must have all of them, as a misspelt name would delete what should stay; else one is
            enough.

    Raises GanzooError for a run that lacks these checkpoints, or in which one of them is damaged.
    """
    from ganzoo.engine.checkpoint_files import verify_checkpoint  # imports torch

    plan = []
    for run in runs:
        check_is_run(run)
        sizes = checkpoint_sizes(run)
        missing = [name for name in names if name not in sizes]
        if len(missing) == len(names) or (every and missing):
            there = ", ".join(sizes) or "none"
            raise GanzooError(f"{run}: it has no checkpoint {' or '.join(missing)}; there are: {there}")
        others = [Removal(run, name, size) for name, size in sizes.items() if name not in names]
        for name in [one for one in names if one in sizes] if others else []:
            complete = find_complete(run / "checkpoints" / name, PROGRESS)
            try:
                if complete is None:
                    raise GanzooError(f"it has no {PROGRESS}")
                verify_checkpoint(complete)
            except GanzooError as error:
                raise GanzooError(
                    f"{run}: the checkpoint {name} is damaged, so the others are not deleted; name those to keep with "
                    f"--checkpoint: {error}"
                ) from error
        plan += others
    return plan


def check_is_run(folder: Path) -> None:
    """Raise GanzooError for what is not a run's folder, is a link, or has other runs in it."""
    if folder.is_symlink():
        raise GanzooError(f"{folder}: a link; name the folder itself: {folder.resolve()}")
    if not is_run(folder):
        raise GanzooError(f"{folder}: not a run's folder, so nothing in it is deleted")
    below = [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()]
    if inner := [run for one in below for run in find_runs(one)]:
        raise GanzooError(f"{folder}: another run is in it, {inner[0]}; move that one away")


def remove(plan: Sequence[Removal]) -> int:
    """Delete what a plan names; return the bytes that were freed.

    Raises BusyError if a process trains one of the runs, or GanzooError if one cannot be locked, both before anything
    is changed; and GanzooError if a folder cannot be renamed.
    """
    with ExitStack() as stack:
        locks = {run: stack.enter_context(_locked(run)) for run in dict.fromkeys(one.run for one in plan)}
        for removal in plan:
            places = [removal.folder]
            if removal.checkpoint:  # of an interrupted replacement: it must not become the checkpoint again
                places = [*(sibling_path(removal.folder, word) for word in ("new", "old")), removal.folder]
            elif sys.platform == "win32":  # Windows cannot rename a folder with an open file
                locks[removal.run].release()
            for place in places:
                remove_folder(place)
    return sum(one.bytes for one in plan)


def clean_removed(runs: Iterable[Path]) -> None:
    """Delete what a killed ``ganzoo runs rm`` or ``keep`` left beside runs and in their ``checkpoints``."""
    for folder in dict.fromkeys(one for run in runs for one in (run.parent, run / "checkpoints")):
        for leftover in folder.glob(f".*.{REMOVED}"):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover, ignore_errors=True)


def _locked(run: Path) -> ProcessLock:
    lock = lock_file(run / LOCK, f"{run}: a process is training this run; nothing is deleted")
    if not lock.held:
        raise GanzooError(f"{run}: it cannot be locked, so it may be in training; delete it yourself if it is not")
    return lock


def users_of(plan: Sequence[Removal], root: Path) -> list[str]:
    """Return a line for each run below ``root``, and each recipe near it, that names something that a plan deletes.

    Recipes are those in the present folder and in ``recipes``.
    """
    going = {removal.run.resolve() for removal in plan if not removal.checkpoint}
    lines = []
    for run in find_runs(root):
        if run.resolve() not in going:
            lines += _uses(run, _settings_of(run), plan)
    for file in [*Path().glob("*.yaml"), *Path("recipes").glob("*.yaml")]:
        with suppress(GanzooError):  # a YAML file of another kind, or one that cannot be read
            lines += _uses(file, parse_mapping(read_text(file), file, "a recipe"), plan)
    return list(dict.fromkeys(lines))


def _settings_of(run: Path) -> Any:
    with suppress(GanzooError):
        return RunLog(run).recipe
    return {}


def _uses(user: Path, settings: Any, plan: Sequence[Removal]) -> list[str]:
    lines = []
    for key, value in _texts(settings):
        if (target := _folder_of(value)) is None:
            continue
        for removal in plan:
            gone = removal.folder.resolve()
            inside = target == gone or gone in target.parents
            if inside or (target == removal.run.resolve() and removal.checkpoint == _meant_by_a_run(removal.run)):
                lines.append(f"{user} names it: {key}: {value}")
    return lines


def _meant_by_a_run(run: Path) -> str:
    """Return the checkpoint that a recipe means which names only the run."""
    return "best" if find_complete(run / "checkpoints" / "best", PROGRESS) else "last"


def _folder_of(text: str) -> Path | None:
    """Return the folder that a text of a recipe may name; None for other texts, some of which cannot be paths."""
    with suppress(OSError, RuntimeError, ValueError):  # too long, a home folder of nobody, with a NUL
        named = Path(text).expanduser()
        if "/" in text or named.is_dir():
            return named.resolve()
    return None


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _texts(one, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _texts(one, f"{path}.{number}")
