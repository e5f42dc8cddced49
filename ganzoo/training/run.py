"""One run: its folder, its parts, and whether it goes on from an earlier session."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import IO, Any

import torch
import yaml
from accelerate import Accelerator

from ganzoo.build import (
    METRICS,
    attach_losses,
    build_method,
    build_metrics,
    check_pairs,
    check_provided,
    collect_sources,
)
from ganzoo.data.loader import Reader
from ganzoo.data.sampler import Sampler, image_counts
from ganzoo.engine.checkpoint import PROGRESS, load_checkpoint, read_progress, repair_checkpoint
from ganzoo.engine.distributed import close_process_group, start_accelerator
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError, SettingsChangedError
from ganzoo.evaluation.evaluator import Evaluator
from ganzoo.interfaces import Dataset
from ganzoo.provenance.environment import environment
from ganzoo.provenance.fingerprint import note_code
from ganzoo.provenance.sessions import append_session, make_session
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.settings import RESUMABLE
from ganzoo.training.callbacks import Callbacks
from ganzoo.training.progress import Progress
from ganzoo.training.reporter import Reporter
from ganzoo.utils.atomic import lock_file
from ganzoo.utils.console import Console
from ganzoo.utils.jsonl import JsonLines, differences, write_text

SHAPING = ("processes", "images", "weights", "sources")
"""What of the environment shapes the steps, as the recipe does: frozen maskers' weights and banks count by content."""
OURS = {"recipe.yaml", "env.json", "samples", "checkpoints", ".lock"}
"""What may be there of a run that was killed before its folder was described."""


class Run:
    """A recipe being trained in a folder, ``<root>/<recipe>/<name>/``.

    Make it with ``Run.prepare``; ``train()`` runs it to its end, from the last checkpoint if there is one.
    """

    def __init__(self, recipe: Recipe, folder: Path, accelerator: Accelerator) -> None:
        self.recipe = recipe
        self.folder = folder
        self.accelerator = accelerator
        self.console = Console(quiet=not accelerator.is_main_process)
        note_code(recipe)
        self.dataset: Dataset = recipe.data.make()
        train = recipe.train
        method = build_method(recipe, self.dataset.channels)
        self.paired = check_pairs(recipe, method, self.dataset)
        check_provided(recipe, method, self.dataset)
        self.order = Sampler(
            image_counts(self.dataset, "train"),
            self.paired,
            train.batch,
            train.accumulate,
            accelerator.num_processes,
            accelerator.process_index,
            train.seed,
        )
        self.reader = Reader(self.dataset, recipe.images, self.paired)
        self.total = train.steps or train.epochs * self.order.steps_per_epoch
        method.prepare(self.reader)
        losses = attach_losses(recipe, method, self.reader, accelerator.device)
        self.engine = Engine(
            method,
            accelerator,
            losses=losses,
            lr=train.lr,
            precision=train.precision,
            ema=train.ema,
        )
        self.metrics = build_metrics(recipe, method, self.reader)
        self.sources = collect_sources(method, losses, self.metrics)
        self.evaluator = Evaluator(self.engine, self.reader, self.metrics, seed=train.seed, batch=recipe.evaluate.batch)
        self.lines = JsonLines(folder / "metrics.jsonl")
        self.events = JsonLines(folder / "events.jsonl")
        self.results = JsonLines(folder / "results.jsonl")
        self.callbacks = Callbacks(self)
        self.report = Reporter(self)
        self.command = ["ganzoo", "run", str(recipe.file)]
        self.lock: IO[str] | None = None
        self.sessions: list[dict[str, Any]] = []
        if recipe.evaluate.best and not all(image_counts(self.dataset, "validation").values()):
            raise GanzooError(
                "evaluate.best: the data has no validation images, and the best is never chosen on test images: "
                "give some (data.validation), or leave best out"
            )

    @classmethod
    def prepare(
        cls,
        recipe: str | PathLike[str],
        overrides: Sequence[str] = (),
        *,
        name: str = "default",
        root: str | PathLike[str] = "runs",
        fresh: bool = False,
    ) -> Run:
        """Check everything, build the parts, make or find the folder. Raises GanzooError before any harm is done."""
        checked = read_recipe(Path(recipe), overrides)
        if not name or Path(name).name != name or name.startswith("."):
            raise GanzooError(f"--name is {name!r}; it is the name of one folder")
        folder = Path(root) / checked.name / name
        accelerator = start_accelerator(checked.train.trackers, str(folder))
        run = cls(checked, folder, accelerator)
        where = [
            *(["--name", name] if name != "default" else []),
            *(["--root", str(root)] if str(root) != "runs" else []),
        ]
        run.command = ["ganzoo", "run", str(recipe), *where, *overrides]
        if accelerator.is_main_process:
            if fresh and folder.exists():
                lock = lock_file(folder / ".lock", _busy(folder))
                try:
                    folder.rename(_free_name(folder))
                except OSError as error:
                    raise GanzooError(f"{folder}: cannot be put aside: {error.strerror}") from None
                finally:
                    if lock:
                        lock.close()
            run._settle(Path(recipe))
        accelerator.wait_for_everyone()
        return run

    def train(self) -> dict[str, float]:
        """Train to the end and evaluate; return the closing figures."""
        from ganzoo.training.loop import train

        try:
            values = train(self)
            self.accelerator.wait_for_everyone()
            return values
        finally:
            close_process_group()
            if self.lock:
                self.lock.close()

    def checkpoint(self, name: str) -> Path:
        """Return the folder of a checkpoint: ``last``, ``best`` or ``step-N``."""
        return self.folder / "checkpoints" / name

    def write_event(self, event: str, **fields: Any) -> None:
        """Append a line to events.jsonl (main process)."""
        if self.accelerator.is_main_process:
            self.events.append(event=event, **fields)

    def _settle(self, file: Path) -> None:
        """Write the folder's description, or check that the one there is of the same run."""
        resolved, described = self.recipe.resolved(), self.folder / "resolved.yaml"
        environment_file = self.folder / "env.json"
        environment_now = environment(self.accelerator) | {
            "images": dict(self.order.counts),
            "weights": self._frozen(),
            "sources": {name: one.key for name, one in self.sources.items()},
        }
        changes = []
        if described.is_file():
            begun, now = yaml.safe_load(described.read_text(encoding="utf-8")), dict(resolved)
            earlier = json.loads(environment_file.read_text(encoding="utf-8"))
            for key in SHAPING:
                begun[key], now[key] = earlier.get(key, {}), environment_now[key]
            changes = _changes(begun, now, self.folder)
        elif self.folder.exists() and {path.name for path in self.folder.iterdir() if path.suffix != ".new"} - OURS:
            raise GanzooError(f"{self.folder}: not empty, and not a run's folder; choose another --name")
        try:
            (self.folder / "samples").mkdir(parents=True, exist_ok=True)
            (self.folder / "checkpoints").mkdir(exist_ok=True)
            with suppress(shutil.SameFileError):
                shutil.copyfile(file, self.folder / "recipe.yaml")
        except OSError as error:
            raise GanzooError(f"{self.folder}: cannot be written: {error.strerror}") from None
        self.lock = lock_file(self.folder / ".lock", _busy(self.folder))
        if described.is_file():
            changes += [one for one in differences(earlier, environment_now) if one[0].split(".")[0] not in SHAPING]
        write_text(environment_file, json.dumps(environment_now, indent=1))
        write_text(described, yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True))
        for path, before, new in changes:
            self.console.say(f"changed since the last session: {path}: {before} → {new}")
            if path in ("train.epochs", "train.steps"):
                self.console.say("the learning rate's schedule is stretched to the new length")

    def _frozen(self) -> dict[str, str]:
        return {f"maskers.{role}": one for role, one in self.engine.method.masks.checksums().items()}

    def record_session(self, step: int) -> None:
        """Note what the training goes on with from a step (main process)."""
        if self.accelerator.is_main_process:
            read = self._frozen() | {
                name: one.key for name, one in self.sources.items() if not name.startswith(f"{METRICS}.")
            }
            self.sessions = append_session(self.sessions, make_session(self.recipe, self.dataset, read, step))

    def start_step(self) -> tuple[Progress, dict[str, torch.Tensor]]:
        """Return the progress and the log's sums, from the last checkpoint or from nothing."""
        last = self.checkpoint("last")
        if self.accelerator.is_main_process:
            found = repair_checkpoint(last) is not None
            step = int(read_progress(last)["step"]) if found else 0
            for lines in (self.lines, self.results):
                lines.cut(step if found else -1)
        self.accelerator.wait_for_everyone()
        if not (last / PROGRESS).is_file():
            return Progress(), {}
        saved, sums = load_checkpoint(last, self.engine)
        self.sessions = saved["sessions"]
        progress = Progress.of(saved)
        self.write_event("resumed", step=progress.step)
        return progress, sums


def _changes(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> list[tuple[str, Any, Any]]:
    """Return what a resumed run changes. Raises GanzooError, naming each, for what would make it another run."""
    allowed = {f"{section}.{key}" for section, keys in RESUMABLE.items() for key in keys}
    allowed |= {"images.A", "images.B"}  # a damaged image that was taken out must not end a run
    found = differences(before, now)
    measured = f"sources.{METRICS}."  # metrics may come and go, but not be of something else under the same name
    refused = [
        f"{path}: {old} → {new}"
        for path, old, new in found
        if path not in allowed and not (path.startswith(measured) and None in (old, new))
    ]
    if refused:
        raise SettingsChangedError(
            f"{folder}: this run was started with other settings, so it cannot be resumed with these: "
            f"{'; '.join(refused)} (--name starts another run beside it, --fresh starts this one anew)"
        )
    return found


def _busy(folder: Path) -> str:
    return f"{folder}: another process is training this run; wait for it, or give --name"


def _free_name(folder: Path) -> Path:
    return next(one for i in range(1, 10**6) if not (one := folder.with_name(f"{folder.name}.before-{i}")).exists())
