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

from ganzoo.engine.checkpoint import PROGRESS, read_progress, repair_checkpoint
from ganzoo.errors import GanzooError
from ganzoo.recipe.reader import read_recipe
from ganzoo.training.resume_rules import Change, RunDescription, accepted_changes
from ganzoo.utils.atomic import ProcessLock, flush_to_disk, lock_file, sibling_path
from ganzoo.utils.core_yaml import dump_yaml, load_yaml
from ganzoo.utils.jsonl import JsonLines, write_text

IMAGES = "images.json"
"""The file that lists the images of training and validation, with checksums of their files."""
UNFINISHED_FILES = {"recipe.yaml", "env.json", IMAGES, "samples", "checkpoints", ".lock"}
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

    def rename_old(self) -> Path:
        """Rename the folder of an earlier run to ``NAME.before-N``, with the first free N; return its new path.

        Raises BusyError if another process trains that run, and GanzooError if the folder cannot be renamed.
        """
        renamed = _free_name(self.path)
        with self._locked() as lock:
            if sys.platform == "win32":  # Windows cannot rename a folder with an open file
                lock.release()
            try:
                self.path.rename(renamed)
            except OSError as error:
                raise GanzooError(f"{self.path}: cannot be renamed: {error.strerror}") from None
        return renamed

    @property
    def resumes(self) -> bool:
        """Whether there is a checkpoint to resume from, even a damaged one; without one the folder binds nothing."""
        last = self.checkpoint("last")
        return last.exists() or sibling_path(last, "old").exists()

    @property
    def lost_checkpoints(self) -> bool:
        """Whether the run was trained, but has no checkpoint to resume from: only a log, or other checkpoints."""
        others = self.path / "checkpoints"
        logged = any(line["step"] > 0 for line in self.metrics if isinstance(line.get("step"), int))
        return not self.resumes and (logged or (others.is_dir() and any(one.is_dir() for one in others.glob("[!.]*"))))

    def describe(self, recipe: Path, now: RunDescription, paths: set[str]) -> tuple[list[Change], list[str]]:
        """Write the files that describe the run, after a check that a folder with a checkpoint is of the same run.

        Args:
            recipe: the user's recipe file.
            now: the run as it is to be trained.
            paths: paths of the recipe's options that name files or folders.

        Returns:
            The changed settings as (path, before, now), and remarks on changed images and processes.

        Raises:
            SettingsChangedError: settings differ that cannot change in a resumed run.
            BusyError: another process trains the run.
            GanzooError: the folder has files but is not a run's, or it cannot be written.
        """
        resolved_file, environment_file = self.path / "resolved.yaml", self.path / "env.json"
        changes: list[Change] = []
        remarks: list[str] = []
        if resolved_file.is_file():
            if self.resumes:
                changes, remarks = accepted_changes(self._described(), now, paths, self.path)
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
        write_text(self.path / IMAGES, json.dumps(now.images, ensure_ascii=False))
        write_text(environment_file, json.dumps(now.environment, indent=1))
        write_text(resolved_file, dump_yaml(dict(now.settings)))
        return changes, remarks

    def _described(self) -> RunDescription:
        """Return what the folder's files say about the run."""
        images = self.path / IMAGES
        return RunDescription(
            settings=load_yaml((self.path / "resolved.yaml").read_text(encoding="utf-8")),
            environment=json.loads((self.path / "env.json").read_text(encoding="utf-8")),
            images=json.loads(images.read_text(encoding="utf-8")) if images.is_file() else {},
        )

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
