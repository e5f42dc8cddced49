"""The files of a run's folder: create, lock and check it for training, and write it for imported networks."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo.engine.checkpoint_files import (
    PROGRESS,
    read_progress,
    repair_checkpoint,
    verify_checkpoint,
    write_progress,
)
from ganzoo.errors import GanzooError
from ganzoo.provenance.images import IMAGES, ImageList, earlier_images, read_image_list
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.run_recipe import RESOLVED
from ganzoo.recipe.schema import Recipe
from ganzoo.training.resume_rules import Change, RunDescription, accepted_changes
from ganzoo.utils.atomic import (
    MAX_NAME,
    ProcessLock,
    clean_replacement,
    clean_temporaries,
    is_folder_name,
    lock_file,
    remove_folder,
    sibling_path,
    write_atomically,
)
from ganzoo.utils.core_yaml import dump_yaml
from ganzoo.utils.jsonl import JsonLines, write_text
from ganzoo.utils.reading import damaged, guard_content, is_number, parse_mapping
from ganzoo.utils.sealed import read_sealed_object, read_sealed_text, seal_object, seal_text
from ganzoo.utils.tensors import write_tensors
from ganzoo.weights.hub import is_published

ENVIRONMENT = "env.json"
LOST_ENVIRONMENT = (
    "restore it, or delete it: the run then resumes without a comparison of its data and of frozen weights"
)
LOST_IMAGES = "restore it, or delete it: the run then resumes without a comparison of its images"
UNFINISHED_FILES = {"recipe.yaml", ENVIRONMENT, IMAGES, "samples", "checkpoints", ".lock"}
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

    def refuse_published(self) -> None:
        """Raise GanzooError if the folder was published: without discriminators and optimizers nothing is resumed."""
        if is_published(self.path):
            raise GanzooError(
                f"{self.path}: published networks, whose training cannot be resumed; train.start={self.path} begins "
                "another run (--name) with them"
            )

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
        logged = any(line["step"] > 0 for line in self.metrics if is_number(line.get("step")))
        return not self.resumes and (logged or (others.is_dir() and any(one.is_dir() for one in others.glob("[!.]*"))))

    def describe(self, recipe: bytes, now: RunDescription, paths: set[str]) -> tuple[list[Change], list[str]]:
        """Write the files that describe the run, after a check that a folder with a checkpoint is of the same run.

        Args:
            recipe: the content of the user's recipe file.
            now: the run as it is to be trained.
            paths: paths of the recipe's options that name files or folders.

        Returns:
            The changed settings as (path, before, now), and remarks on changed images and processes.

        Raises:
            SettingsChangedError: settings differ that cannot change in a resumed run.
            BusyError: another process trains the run.
            GanzooError: the folder has files but is not a run's, or it cannot be written.
        """
        changes: list[Change] = []
        remarks: list[str] = []
        images = now.images
        if (self.path / RESOLVED).exists():
            if self.resumes:
                before, lost = self._described(now)
                changes, remarks = accepted_changes(before, now, paths, self.path)
                changes += [(name, "missing", "written anew, without a comparison") for name in lost]
                images = {**images, **earlier_images(before.images, images)}
        elif self.resumes:
            raise damaged(self.path / RESOLVED, "it is missing", "restore it, or start the run again with --fresh")
        elif self.path.exists() and not self._is_unfinished():
            raise GanzooError(f"{self.path}: not empty, and not a run's folder; move its files away")
        try:
            (self.path / "samples").mkdir(parents=True, exist_ok=True)
            (self.path / "checkpoints").mkdir(exist_ok=True)
            self.lock = self._locked()
            write_atomically(self.path / "recipe.yaml", recipe)
        except OSError as error:
            raise GanzooError(f"{self.path}: cannot be written: {error.strerror}") from None
        write_text(self.path / IMAGES, seal_object(images))
        write_text(self.path / ENVIRONMENT, seal_object(now.environment))
        write_text(self.path / RESOLVED, seal_text(dump_yaml(dict(now.settings))))
        return changes, remarks

    def _described(self, now: RunDescription) -> tuple[RunDescription, list[str]]:
        """Return what the folder's files say about the run, and which are missing: env.json, images.json.

        Without env.json the environment is that of ``now``, without images.json there are no images. Raises
        DamagedError if a file is damaged or was edited.
        """
        file, lost = self.path / RESOLVED, []
        settings = parse_mapping(read_sealed_text(file), file, "a recipe")
        with guard_content(file, "the recipe of a run"):
            _ = RunDescription(settings, now.environment, {}).images_per_step
        file, environment = self.path / ENVIRONMENT, now.environment
        if file.exists():
            environment = read_sealed_object(file, "the environment of a run", LOST_ENVIRONMENT)
            with guard_content(file, "the environment of a run", LOST_ENVIRONMENT):
                _ = RunDescription(settings, environment, {}).images_per_step
        else:
            lost.append(file.name)
        file = self.path / IMAGES
        images: ImageList = {}
        if file.exists():
            images = read_image_list(file, LOST_IMAGES)
        else:
            lost.append(file.name)
        return RunDescription(settings, environment, images), lost

    def cut_logs(self) -> None:
        """Repair the checkpoint ``last``; remove the sample grids and the lines of the logs after its step.

        The resumed run writes them again, in metrics.jsonl, results.jsonl and ``samples``. Without a checkpoint all are
        removed. The checkpoint ``best`` is deleted if it is of a later step than ``last``, so of weights that the
        resumed run may not reach. What killed processes left is deleted. Raises DamagedError, before anything is
        changed, for a checkpoint of which a file is missing or damaged.
        """
        last, best, step = self.checkpoint("last"), self.checkpoint("best"), -1
        if repair_checkpoint(last):
            verify_checkpoint(last)
            step = int(read_progress(last)["step"])
        if step >= 0 and repair_checkpoint(best) and (of_best := int(read_progress(best)["step"])) > step:
            self.write_event("best-deleted", step=of_best, last=step)
            remove_folder(best)
        for leftover in last.parent.glob(".*.*"):
            clean_replacement(last.with_name(leftover.stem.removeprefix(".")), PROGRESS)
        for folder in (self.path, self.path / "samples"):
            clean_temporaries(folder)
        for log in (self.metrics, self.results):
            log.cut(step)
        for grid in (self.path / "samples").glob("step-*.png"):
            if (number := grid.stem[5:]).isdecimal() and int(number) > step:
                grid.unlink()

    def close(self) -> None:
        """Release the folder's lock, if it is held."""
        if self.lock:
            self.lock.release()

    def _is_unfinished(self) -> bool:
        """Return whether the folder is empty, or that of a run that was killed before it was described."""
        names = {one.name for one in self.path.iterdir() if one.suffix != ".part"}
        return names <= UNFINISHED_FILES

    def _locked(self) -> ProcessLock:
        busy = f"{self.path}: another process is training this run; wait for it, or set another --name"
        return lock_file(self.path / ".lock", busy)


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
        progress: fields of the checkpoint's progress.json: ``step``, and ``channels`` and ``classes`` by domain.

    Raises GanzooError with each mistake in the recipe, and if the folder exists or cannot be written; nothing is then
    left of it.
    """
    if folder.exists():
        raise GanzooError(f"{folder}: it exists already; choose another folder")
    new = sibling_path(folder.absolute(), "new")
    shutil.rmtree(new, ignore_errors=True)
    checkpoint = new / "checkpoints/last"
    try:
        (checkpoint / "networks").mkdir(parents=True)
        (new / "recipe.yaml").write_text(dump_yaml(dict(recipe)), encoding="utf-8")
        resolved = read_recipe(new / "recipe.yaml").resolved()
        write_text(new / RESOLVED, seal_text(dump_yaml(resolved)))
        names = {f"networks/{slot}.safetensors": state for slot, state in networks.items()}
        files = {name: write_tensors(checkpoint / name, state) for name, state in names.items()}
        write_progress(checkpoint, progress, files)
        new.rename(folder)
    except OSError as error:
        raise GanzooError(f"{folder}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
