"""A run: a recipe trained in a folder, new or resumed from its last checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from ganzoo.build import METRICS, Experiment
from ganzoo.data.sampler import image_counts
from ganzoo.engine.checkpoint import load_checkpoint
from ganzoo.engine.checkpoint_files import PROGRESS, find_checkpoint
from ganzoo.engine.distributed import start_accelerator
from ganzoo.errors import GanzooError, SettingsChangedError
from ganzoo.evaluation.evaluator import Evaluator
from ganzoo.provenance.environment import environment
from ganzoo.provenance.fingerprint import cache_code_checksums
from ganzoo.provenance.sessions import append_session, make_session
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.training.callbacks import Callbacks
from ganzoo.training.progress import Progress
from ganzoo.training.reporter import Reporter
from ganzoo.training.run_folder import RunFolder, run_path
from ganzoo.utils.console import Console
from ganzoo.utils.reading import guard_content


class Run:
    """A recipe that is trained in a folder, ``<root>/<recipe>/<name>/``; callbacks receive it as ``RunInfo``.

    Create it with ``Run.prepare``; train it with ``ganzoo.training.loop.train``.

    Args:
        recipe: a checked recipe.
        folder: the run's folder.
        accelerator: this process's accelerator.

    Raises GanzooError for what is missing or does not fit.
    """

    def __init__(self, recipe: Recipe, folder: Path, accelerator: Accelerator) -> None:
        self.recipe = recipe
        self.settings: Mapping[str, Any] = recipe.resolved()
        self.accelerator = accelerator
        self.files = RunFolder(folder, writes=accelerator.is_main_process)
        self.console = Console(quiet=not accelerator.is_main_process)
        cache_code_checksums(recipe)
        experiment = Experiment(recipe, accelerator, training=True)
        self.dataset, self.sampler, self.reader = experiment.dataset, experiment.sampler, experiment.reader
        self.engine, self.metrics, self.sources = experiment.engine, experiment.metrics, experiment.sources
        self.total = experiment.total_steps
        seed, batch = recipe.train.seed, recipe.evaluate.batch
        self.evaluator = Evaluator(self.engine, self.reader, self.metrics, seed=seed, batch=batch)
        self.callbacks = Callbacks(self)
        self.reporter = Reporter(self)
        self.command = ["ganzoo", "run", str(recipe.file)]
        self.sessions: list[dict[str, Any]] = []
        if recipe.evaluate.best and not all(image_counts(self.dataset, "validation").values()):
            raise GanzooError(
                "evaluate.best: the data has no validation images, and the best checkpoint is never chosen on test "
                "images: add some (data.validation), or remove best"
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
        """Check the recipe, build its parts, and create the run's folder or check that it is of the same run.

        Args:
            recipe: the YAML file.
            overrides: ``key.path=value``.
            name: the run's name; the same name resumes.
            root: folder of all runs.
            fresh: rename the folder of an earlier run and start again.

        Raises GanzooError for each mistake, before any file is changed.
        """
        checked = read_recipe(Path(recipe), overrides)
        folder = run_path(Path(root), checked, name)
        accelerator = start_accelerator(checked.train.trackers, str(folder))
        run = cls(checked, folder, accelerator)
        options = [
            *(["--name", name] if name != "default" else []),
            *(["--root", str(root)] if str(root) != "runs" else []),
        ]
        run.command = ["ganzoo", "run", str(recipe), *options, *overrides]
        if accelerator.is_main_process:
            if fresh and folder.exists():
                run.files.rename_old()
            run.report_changes(run.files.describe(Path(recipe), run.settings, run.environment()))
        accelerator.wait_for_everyone()
        return run

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.files.path

    def say(self, text: str) -> None:
        """Print a line, on the main process."""
        self.console.say(text)

    def write_event(self, event: str, **fields: Any) -> None:
        """Append a line to events.jsonl, on the main process."""
        self.files.write_event(event, **fields)

    def environment(self) -> dict[str, Any]:
        """Return the content of env.json: versions, device, numbers of images, checksums of frozen weights and data."""
        return environment(self.accelerator) | {
            "images": dict(self.sampler.counts),
            "weights": self._masker_checksums(),
            "sources": {name: one.key for name, one in self.sources.items()},
        }

    def report_changes(self, changes: Sequence[tuple[str, Any, Any]]) -> None:
        """Print the settings that a resumed run changes: (path, before, now)."""
        for path, before, now in changes:
            self.say(f"changed since the last session: {path}: {before} → {now}")
            if path in ("train.epochs", "train.steps"):
                self.say("the learning rate's schedule is stretched to the new length")

    def _masker_checksums(self) -> dict[str, str]:
        return {f"maskers.{role}": one for role, one in self.engine.method.masks.checksums().items()}

    def record_session(self, step: int) -> None:
        """Record what this session trains with, from a step on; the main process keeps it for checkpoints."""
        if self.accelerator.is_main_process:
            checksums = self._masker_checksums() | {
                name: one.key for name, one in self.sources.items() if not name.startswith(f"{METRICS}.")
            }
            session = make_session(self.recipe, self.dataset, checksums, step)
            self.sessions = append_session(self.sessions, session)

    def restore(self) -> tuple[Progress, dict[str, torch.Tensor]]:
        """Load the last checkpoint, if there is one; return the progress and the running sums of the log.

        Raises SettingsChangedError for a checkpoint of an earlier version of ganzoo.
        """
        if self.accelerator.is_main_process:
            self.files.cut_logs()
        self.accelerator.wait_for_everyone()
        last = self.files.checkpoint("last")
        if find_checkpoint(last) is None:
            return Progress(), {}
        saved, sums = load_checkpoint(last, self.engine)
        if "sessions" not in saved:
            raise SettingsChangedError(
                f"{last}: an earlier version of ganzoo wrote this checkpoint, so training cannot be resumed from it; "
                "--fresh starts the run again, --name starts another (translate and evaluate can still use it)"
            )
        self.sessions = saved["sessions"]
        with guard_content(last / PROGRESS, "the progress of a run"):
            progress = Progress.of(saved)
        self.write_event("resumed", step=progress.step)
        return progress, sums
