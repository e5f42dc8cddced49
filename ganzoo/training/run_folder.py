"""The files of a run's folder: create, lock and check it for training, and write it for imported networks."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from ganzoo.build import METRICS
from ganzoo.engine.checkpoint_files import (
    PROGRESS,
    checkpoint_names,
    read_progress,
    repair_checkpoint,
    verify_checkpoint,
    write_progress,
)
from ganzoo.errors import GanzooError, SettingsChangedError
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.run_recipe import RESOLVED
from ganzoo.recipe.schema import Recipe
from ganzoo.settings import RESUMABLE
from ganzoo.utils.atomic import (
    MAX_NAME,
    ProcessLock,
    clean_replacement,
    clean_temporaries,
    is_folder_name,
    lock_file,
)
from ganzoo.utils.jsonl import JsonLines, differences, write_text
from ganzoo.utils.reading import damaged, parse_mapping
from ganzoo.utils.sealed import read_sealed_object, read_sealed_text, seal_object, seal_text
from ganzoo.utils.tensors import write_tensors

TRAINING_KEYS = ("processes", "images", "weights", "sources")
"""Keys of env.json that affect training as the recipe does; weights and banks of frozen parts are checksums."""
LOST_ENVIRONMENT = (
    "restore it, or delete it: the run then resumes without a comparison of its data and of frozen weights"
)
UNFINISHED_FILES = {"recipe.yaml", "env.json", "samples", "checkpoints", ".lock"}
"""Files of a run that was killed before resolved.yaml was written."""


class RunFolder:
    """The files of a run that trains.

    Args:
        path: the folder.
        writes: whether this process writes; true on the main process only.
    """

    def __init__(self, path: Path, writes: bool) -> None:
        self.path = path
        self.writes = writes
        self.metrics = JsonLines(path / "metrics.jsonl")
        self.events = JsonLines(path / "events.jsonl")
        self.results = JsonLines(path / "results.jsonl")
        self.lock: ProcessLock | None = None

    def checkpoint(self, name: str) -> Path:
        """Return the folder of a checkpoint: ``last``, ``best`` or ``step-N``."""
        return self.path / "checkpoints" / name

    def write_event(self, event: str, **fields: Any) -> None:
        """Append a line to events.jsonl."""
        if self.writes:
            self.events.append(event=event, **fields)

    def rename_old(self) -> None:
        """Rename the folder of an earlier run to ``NAME.before-N``. Raises BusyError if another process trains it."""
        with self._locked() as lock:
            if sys.platform == "win32":  # Windows cannot rename a folder with an open file
                lock.release()
            try:
                self.path.rename(_free_name(self.path))
            except OSError as error:
                raise GanzooError(f"{self.path}: cannot be renamed: {error.strerror}") from None

    def describe(
        self, recipe: Path, resolved: Mapping[str, Any], environment: Mapping[str, Any]
    ) -> list[tuple[str, Any, Any]]:
        """Write the files that describe the run, after a check that an existing folder is of the same run.

        Args:
            recipe: the user's recipe file.
            resolved: the resolved recipe.
            environment: content of env.json.

        Returns:
            The changed settings as (path, before, now).

        Raises:
            SettingsChangedError: settings differ that cannot change.
            BusyError: another process trains the run.
            GanzooError: the folder is not a run's, or cannot be written.
        """
        resolved_file, environment_file = self.path / RESOLVED, self.path / "env.json"
        changes: list[tuple[str, Any, Any]] = []
        earlier: Mapping[str, Any] | None = None
        if resolved_file.exists():
            before, now = parse_mapping(read_sealed_text(resolved_file), resolved_file, "a recipe"), dict(resolved)
            if environment_file.exists():
                earlier = read_sealed_object(environment_file, "the environment of a run", LOST_ENVIRONMENT)
                for key in TRAINING_KEYS:
                    before[key], now[key] = earlier.get(key, {}), environment[key]
            changes = _allowed_changes(before, now, self.path)
            if earlier is None:
                changes.append((environment_file.name, "missing", "written anew, without a comparison"))
        elif checkpoint_names(self.path):
            raise damaged(resolved_file, "it is missing", "restore it, or start the run again with --fresh")
        elif self.path.exists() and not self._is_unfinished():
            advice = "move its files away, or choose another --name"
            raise GanzooError(f"{self.path}: not empty, and not a run's folder; {advice}")
        try:
            (self.path / "samples").mkdir(parents=True, exist_ok=True)
            (self.path / "checkpoints").mkdir(exist_ok=True)
            with suppress(shutil.SameFileError):
                shutil.copyfile(recipe, self.path / "recipe.yaml")
        except OSError as error:
            raise GanzooError(f"{self.path}: cannot be written: {error.strerror}") from None
        self.lock = self._locked()
        if earlier is not None:
            changes += [one for one in differences(earlier, environment) if one[0].split(".")[0] not in TRAINING_KEYS]
        write_text(environment_file, seal_object(environment))
        write_text(resolved_file, seal_text(yaml.safe_dump(dict(resolved), sort_keys=False, allow_unicode=True)))
        return changes

    def cut_logs(self) -> None:
        """Repair the last checkpoint, and remove log lines after its step: the resumed run writes them again.

        What killed processes left is deleted. Raises DamagedError, before anything is changed, for a checkpoint of
        which a file is missing or damaged.
        """
        last, step = self.checkpoint("last"), -1
        if repair_checkpoint(last):
            verify_checkpoint(last)
            step = int(read_progress(last)["step"])
        for leftover in last.parent.glob(".*.*"):
            clean_replacement(last.with_name(leftover.stem.removeprefix(".")), PROGRESS)
        for folder in (self.path, self.path / "samples"):
            clean_temporaries(folder)
        for log in (self.metrics, self.results):
            log.cut(step)

    def close(self) -> None:
        """Release the lock."""
        if self.lock:
            self.lock.release()

    def _is_unfinished(self) -> bool:
        """Return whether the folder is empty, or that of a run that was killed before it was described."""
        names = {one.name for one in self.path.iterdir() if one.suffix != ".part"}
        return names <= UNFINISHED_FILES

    def _locked(self) -> ProcessLock:
        busy = f"{self.path}: another process is training this run; wait for it, or set another --name"
        return lock_file(self.path / ".lock", busy)


def _allowed_changes(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> list[tuple[str, Any, Any]]:
    """Return the changes of a resumed run. Raises SettingsChangedError for changes that make it another run."""
    allowed = {f"{section}.{key}" for section, keys in RESUMABLE.items() for key in keys}
    allowed |= {"images.A", "images.B"}  # a run must be able to resume after a damaged image was removed
    changes = differences(before, now)
    measured = f"sources.{METRICS}."  # metrics may be added or removed, but one of the same name must read the same
    refused = [
        f"{path}: {old} → {new}"
        for path, old, new in changes
        if path not in allowed and not (path.startswith(measured) and None in (old, new))
    ]
    if refused:
        raise SettingsChangedError(
            f"{folder}: this run was started with other settings, so it cannot be resumed with these: "
            f"{'; '.join(refused)} (--name starts another run, --fresh starts this one again)"
        )
    return changes


def run_path(root: Path, recipe: Recipe, name: str) -> Path:
    """Return the folder of a run: ``<root>/<recipe>/<name>``.

    Raises GanzooError for a name that would lead elsewhere, or that the file system does not take.
    """
    for what, word in ((f"{recipe.file}: the recipe's name", recipe.name), ("--name", name)):
        if not is_folder_name(word):
            shown = repr(word) if len(word) <= MAX_NAME else f"{word[:20]!r}… of {len(word)} characters"
            raise GanzooError(
                f"{what} is {shown}; it must be the name of one folder: at most {MAX_NAME} bytes, without a slash or "
                "control character, and with no dot in front"
            )
    return root / recipe.name / name


def _free_name(folder: Path) -> Path:
    return next(one for i in range(1, 10**6) if not (one := folder.with_name(f"{folder.name}.before-{i}")).exists())


def write_run(
    folder: Path,
    recipe: Mapping[str, Any],
    networks: Mapping[str, Mapping[str, Tensor]],
    progress: Mapping[str, Any],
) -> None:
    """Write the folder of a run that was trained elsewhere: its recipe, and one checkpoint, ``last``.

    Args:
        folder: a new folder.
        recipe: the content of a recipe file.
        networks: slot → state dict.
        progress: ``step``, ``channels`` and ``classes`` of the domains, as in a checkpoint's progress.json.

    Raises GanzooError with each mistake in the recipe.
    """
    checkpoint = folder / "checkpoints/last"
    (checkpoint / "networks").mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(dict(recipe), sort_keys=False), encoding="utf-8")
    resolved = read_recipe(folder / "recipe.yaml").resolved()
    write_text(folder / RESOLVED, seal_text(yaml.safe_dump(resolved, sort_keys=False)))
    names = {f"networks/{slot}.safetensors": state for slot, state in networks.items()}
    files = {name: write_tensors(checkpoint / name, state) for name, state in names.items()}
    write_progress(checkpoint, progress, files)
