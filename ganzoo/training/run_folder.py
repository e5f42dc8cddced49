"""The files of a run's folder: create, lock and check it for training, and write it for imported networks."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import save_file
from torch import Tensor

from ganzoo.build import METRICS
from ganzoo.engine.checkpoint import PROGRESS, read_progress, repair_checkpoint
from ganzoo.errors import GanzooError, SettingsChangedError
from ganzoo.recipe.reader import read_recipe
from ganzoo.settings import RESUMABLE
from ganzoo.utils.atomic import ProcessLock, flush_to_disk, lock_file
from ganzoo.utils.jsonl import JsonLines, differences, write_text

TRAINING_KEYS = ("processes", "images", "weights", "sources")
"""Keys of env.json that affect training as the recipe does; weights and banks of frozen parts are checksums."""
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
        resolved_file, environment_file = self.path / "resolved.yaml", self.path / "env.json"
        changes: list[tuple[str, Any, Any]] = []
        earlier: Mapping[str, Any] | None = None
        if resolved_file.is_file():
            before, now = yaml.safe_load(resolved_file.read_text(encoding="utf-8")), dict(resolved)
            earlier = json.loads(environment_file.read_text(encoding="utf-8"))
            assert earlier is not None
            for key in TRAINING_KEYS:
                before[key], now[key] = earlier.get(key, {}), environment[key]
            changes = _allowed_changes(before, now, self.path)
        elif (
            self.path.exists() and {one.name for one in self.path.iterdir() if one.suffix != ".new"} - UNFINISHED_FILES
        ):
            raise GanzooError(f"{self.path}: not empty, and not a run's folder; choose another --name")
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
        write_text(environment_file, json.dumps(environment, indent=1))
        write_text(resolved_file, yaml.safe_dump(dict(resolved), sort_keys=False, allow_unicode=True))
        return changes

    def cut_logs(self) -> None:
        """Repair the last checkpoint, and remove log lines after its step: the resumed run writes them again."""
        last = self.checkpoint("last")
        exists = repair_checkpoint(last) is not None
        step = int(read_progress(last)["step"]) if exists else -1
        for log in (self.metrics, self.results):
            log.cut(step)

    def close(self) -> None:
        """Release the lock."""
        if self.lock:
            self.lock.release()

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
    weights = folder / "checkpoints/last/networks"
    weights.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(dict(recipe), sort_keys=False), encoding="utf-8")
    resolved = read_recipe(folder / "recipe.yaml").resolved()
    (folder / "resolved.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False), encoding="utf-8")
    for slot, state in networks.items():
        file = weights / f"{slot}.safetensors"
        save_file({name: tensor.detach().clone().contiguous() for name, tensor in state.items()}, file)
        flush_to_disk(file)
    (weights.parent / PROGRESS).write_text(json.dumps(dict(progress)), encoding="utf-8")
