"""The files of a run's folder: create, lock and check it for training, and write it for imported networks."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from ganzoo.build import METRICS
from ganzoo.engine.checkpoint import PROGRESS, read_progress, repair_checkpoint
from ganzoo.errors import GanzooError, SettingsChangedError
from ganzoo.recipe.reader import read_recipe
from ganzoo.settings import RESUMABLE
from ganzoo.utils.atomic import ProcessLock, flush_to_disk, lock_file
from ganzoo.utils.core_yaml import dump_yaml, load_yaml
from ganzoo.utils.jsonl import JsonLines, differences, write_text

TRAINING_KEYS = ("processes", "images", "weights", "sources")
"""Keys of env.json that a resumed run compares, as they affect training; ``weights`` and ``sources`` hold checksums."""
UNFINISHED_FILES = {"recipe.yaml", "env.json", "samples", "checkpoints", ".lock"}
"""Names that may be in the folder of a run that was killed before resolved.yaml was written."""


class RunFolder:
    """The files of a run that trains.

    Args:
        path: the run's folder.
        writes: whether ``write_event`` writes; true on the main process only.
    """

    def __init__(self, path: Path, writes: bool) -> None:
        self.path = path
        self.writes = writes
        self.metrics = JsonLines(path / "metrics.jsonl")
        self.events = JsonLines(path / "events.jsonl")
        self.results = JsonLines(path / "results.jsonl")
        self.lock: ProcessLock | None = None

    def checkpoint(self, name: str) -> Path:
        """Return the folder of a checkpoint (``last``, ``best`` or ``step-N``), whether it exists or not."""
        return self.path / "checkpoints" / name

    def write_event(self, event: str, **fields: Any) -> None:
        """Append an event with these fields to events.jsonl, if ``writes`` is true."""
        if self.writes:
            self.events.append(event=event, **fields)

    def rename_old(self) -> None:
        """Rename the folder of an earlier run to ``NAME.before-N``, with the first N that is free.

        Raises BusyError if another process trains that run, and GanzooError if the folder cannot be renamed.
        """
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
        """Write recipe.yaml, env.json and resolved.yaml, after a check that an existing folder belongs to the same run.

        Create missing folders, and lock the run's folder until ``close``.

        Args:
            recipe: the user's recipe file.
            resolved: the resolved recipe.
            environment: the content of env.json.

        Returns:
            The changed settings and changes of the environment, each (path, before, now); empty for a new run.

        Raises:
            SettingsChangedError: settings differ that cannot change in a resumed run.
            BusyError: another process trains the run.
            GanzooError: the folder has files but is not a run's, or it cannot be written.
        """
        resolved_file, environment_file = self.path / "resolved.yaml", self.path / "env.json"
        changes: list[tuple[str, Any, Any]] = []
        earlier: Mapping[str, Any] | None = None
        if resolved_file.is_file():
            before, now = load_yaml(resolved_file.read_text(encoding="utf-8")), dict(resolved)
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
        write_text(resolved_file, dump_yaml(dict(resolved)))
        return changes

    def cut_logs(self) -> None:
        """Repair the checkpoint ``last``, and remove the lines of metrics.jsonl and results.jsonl after its step.

        The resumed run writes these lines again. Without a checkpoint all lines are removed.
        """
        last = self.checkpoint("last")
        exists = repair_checkpoint(last) is not None
        step = int(read_progress(last)["step"]) if exists else -1
        for log in (self.metrics, self.results):
            log.cut(step)

    def close(self) -> None:
        """Release the folder's lock, if it is held."""
        if self.lock:
            self.lock.release()

    def _locked(self) -> ProcessLock:
        busy = f"{self.path}: another process is training this run; wait for it, or set another --name"
        return lock_file(self.path / ".lock", busy)


def _allowed_changes(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> list[tuple[str, Any, Any]]:
    """Return the changes of a resumed run. Raises SettingsChangedError if a change would make it another run."""
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


def is_import(folder: Path) -> bool:
    """Return whether a folder was written by ``write_run``: it has a checkpoint, and no environment of a training."""
    return (folder / "checkpoints/last" / PROGRESS).is_file() and not (folder / "env.json").exists()


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
        progress: fields of the checkpoint's progress.json: ``step``, and ``channels`` and ``classes`` by domain.

    Raises GanzooError with each mistake in the recipe; the folder is then incomplete.
    """
    weights = folder / "checkpoints/last/networks"
    weights.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(dump_yaml(dict(recipe)), encoding="utf-8")
    resolved = read_recipe(folder / "recipe.yaml").resolved()
    (folder / "resolved.yaml").write_text(dump_yaml(resolved), encoding="utf-8")
    for slot, state in networks.items():
        file = weights / f"{slot}.safetensors"
        save_file({name: tensor.detach().clone().contiguous() for name, tensor in state.items()}, file)
        flush_to_disk(file)
    (weights.parent / PROGRESS).write_text(json.dumps(dict(progress)), encoding="utf-8")
