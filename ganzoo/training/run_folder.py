"""The files of a run's folder: written for imported networks, locked and described for runs that train."""

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

SHAPING = ("processes", "images", "weights", "sources")
"""Parts of env.json that shape the steps, as the recipe does: frozen maskers' weights and banks by their checksums."""
OURS = {"recipe.yaml", "env.json", "samples", "checkpoints", ".lock"}
"""Files of a run that was killed before its folder was described."""


class RunFolder:
    """The files of a run that trains.

    Args:
        path: the folder.
        writes: whether this process writes; only the main process does.
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

    def set_aside(self) -> None:
        """Rename the folder of an earlier run. Raises BusyError while another process trains it."""
        with self._locked() as lock:
            if sys.platform == "win32":  # there a folder with an open file cannot be renamed
                lock.release()
            try:
                self.path.rename(_free_name(self.path))
            except OSError as error:
                raise GanzooError(f"{self.path}: cannot be renamed: {error.strerror}") from None

    def describe(
        self, recipe: Path, resolved: Mapping[str, Any], environment: Mapping[str, Any]
    ) -> list[tuple[str, Any, Any]]:
        """Write what the run is, or check that the folder is of the same run; return (path, before, now) of changes.

        Args:
            recipe: the file as given.
            resolved: the recipe in full.
            environment: what goes into env.json.

        Raises:
            SettingsChangedError: the run was started with settings that cannot change.
            BusyError: another process trains it.
            GanzooError: the folder is not a run's, or cannot be written.
        """
        described, environment_file = self.path / "resolved.yaml", self.path / "env.json"
        changes: list[tuple[str, Any, Any]] = []
        earlier: Mapping[str, Any] | None = None
        if described.is_file():
            before, now = yaml.safe_load(described.read_text(encoding="utf-8")), dict(resolved)
            earlier = json.loads(environment_file.read_text(encoding="utf-8"))
            assert earlier is not None
            for key in SHAPING:
                before[key], now[key] = earlier.get(key, {}), environment[key]
            changes = _allowed_changes(before, now, self.path)
        elif self.path.exists() and {one.name for one in self.path.iterdir() if one.suffix != ".new"} - OURS:
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
            changes += [one for one in differences(earlier, environment) if one[0].split(".")[0] not in SHAPING]
        write_text(environment_file, json.dumps(environment, indent=1))
        write_text(described, yaml.safe_dump(dict(resolved), sort_keys=False, allow_unicode=True))
        return changes

    def cut_logs(self) -> None:
        """Repair the last checkpoint, and drop the log lines past its step: the resumed run writes them again."""
        last = self.checkpoint("last")
        there = repair_checkpoint(last) is not None
        step = int(read_progress(last)["step"]) if there else -1
        for lines in (self.metrics, self.results):
            lines.cut(step)

    def close(self) -> None:
        """Release the lock."""
        if self.lock:
            self.lock.release()

    def _locked(self) -> ProcessLock:
        busy = f"{self.path}: another process is training this run; wait for it, or give --name"
        return lock_file(self.path / ".lock", busy)


def _allowed_changes(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> list[tuple[str, Any, Any]]:
    """Return what a resumed run changes. Raises SettingsChangedError for changes that make it another run."""
    allowed = {f"{section}.{key}" for section, keys in RESUMABLE.items() for key in keys}
    allowed |= {"images.A", "images.B"}  # a damaged image that was removed must not end a run
    changes = differences(before, now)
    measured = f"sources.{METRICS}."  # metrics may come and go, but not read something else under the same name
    refused = [
        f"{path}: {old} → {new}"
        for path, old, new in changes
        if path not in allowed and not (path.startswith(measured) and None in (old, new))
    ]
    if refused:
        raise SettingsChangedError(
            f"{folder}: this run was started with other settings, so it cannot be resumed with these: "
            f"{'; '.join(refused)} (--name starts another run beside it, --fresh starts this one again)"
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
    """Write the folder of a run that was trained elsewhere: recipe, and one checkpoint ``last``.

    Args:
        folder: it is created.
        recipe: as a YAML file would hold it.
        networks: slot → state dict.
        progress: ``step``, ``channels`` and ``classes`` of the domains, as in a checkpoint's progress.json.

    Raises GanzooError with every mistake of the recipe.
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
