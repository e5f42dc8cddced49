"""A run: a recipe trained in a folder, new or resumed from its last checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from ganzoo.build import METRICS, Experiment, metric_origins
from ganzoo.contracts.dataset import try_dataset
from ganzoo.data.loader import micro_steps
from ganzoo.data.sampler import image_counts
from ganzoo.engine.checkpoint import load_checkpoint
from ganzoo.engine.checkpoint_files import PROGRESS, find_checkpoint
from ganzoo.engine.distributed import start_accelerator
from ganzoo.engine.fitting import fitting_overrides
from ganzoo.engine.start import SETTING, Start, is_import, load_start, require_networks
from ganzoo.engine.trial import try_components, try_step
from ganzoo.errors import GanzooError, SettingsChangedError, catch_out_of_memory, catch_torch_errors
from ganzoo.evaluation.evaluator import Evaluator
from ganzoo.evaluation.trial import try_metrics
from ganzoo.interfaces import Row
from ganzoo.provenance.environment import environment
from ganzoo.provenance.fingerprint import cache_code_checksums
from ganzoo.provenance.image_sizes import check_sizes, extreme_rows
from ganzoo.provenance.images import image_list, read_images
from ganzoo.provenance.sessions import append_session, make_session
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.step import Step
from ganzoo.training.callbacks import Callbacks
from ganzoo.training.compilation import Compilation
from ganzoo.training.lr_policy import check_schedule
from ganzoo.training.progress import Progress
from ganzoo.training.reporter import Reporter
from ganzoo.training.resume_rules import Change, RunDescription, path_options
from ganzoo.training.run_folder import RunFolder, run_path
from ganzoo.utils.console import Console
from ganzoo.utils.reading import guard_content
from ganzoo.weights.hub import is_published


class Run:
    """A recipe that is trained in a folder, ``<root>/<recipe>/<name>/``; callbacks receive it as ``RunInfo``.

    Create it with ``Run.prepare``; train it with ``ganzoo.training.loop.train``.

    Args:
        recipe: a checked recipe.
        folder: the run's folder.
        accelerator: this process's accelerator.

    Raises GanzooError if a part of the recipe cannot be built or does not fit, or if the recipe has the rule
    ``evaluate.best`` and a domain has no validation images.
    """

    def __init__(self, recipe: Recipe, folder: Path, accelerator: Accelerator) -> None:
        self.recipe = recipe
        self.settings: Mapping[str, Any] = recipe.resolved()
        self.accelerator = accelerator
        self.files = RunFolder(folder, writes=accelerator.is_main_process)
        self.console = Console(quiet=not accelerator.is_main_process)
        cache_code_checksums(recipe)
        experiment = Experiment(recipe, accelerator, training=True)
        self.dataset = experiment.dataset
        self.images = read_images(self.dataset, data=recipe.data, accelerator=accelerator, console=self.console)
        check_sizes(self.images, recipe.images, recipe.train.batch, paired=experiment.paired)
        try_dataset(self.dataset, recipe.data.component.origin)
        self.sampler, self.reader = experiment.sampler, experiment.reader
        self.engine, self.metrics, self.sources = experiment.engine, experiment.metrics, experiment.sources
        self.total = experiment.total_steps
        seed, batch = recipe.train.seed, recipe.evaluate.batch
        origins = metric_origins(recipe.metrics)
        self.evaluator = Evaluator(
            self.engine, self.reader, self.metrics, seed=seed, batch=batch, console=self.console, origins=origins
        )
        self.compilation = Compilation(recipe.train.compile, self.say)
        self.callbacks = Callbacks(self)
        self.reporter = Reporter(self)
        self.command = ["run", str(recipe.file)]
        self.sessions: list[dict[str, Any]] = []
        self.start: Start | None = None
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
        demo: bool = False,
        device: str = "",
    ) -> Run:
        """Check recipe and images, build the parts, and create the run's folder or check that it is of the same run.

        A new run first tries a step, and every run its metrics, so that one that cannot be trained leaves no folder,
        and a resumed one fails before it trains. The folder stays locked until the training ends. Changed settings are
        printed.

        Args:
            recipe: the YAML file.
            overrides: changes of the recipe, each ``key.path=value``.
            name: the run's name; the same name resumes it.
            root: the folder that contains all runs.
            fresh: whether to rename the folder of an earlier run of this name and start again.
            demo: whether the recipe's section ``demo`` applies.
            device: a torch device; by default the accelerator, if there is one.
        """
        checked = read_recipe(Path(recipe), overrides, demo=demo)
        folder = run_path(Path(root), checked, name)
        accelerator = start_accelerator(device=device)
        run = cls(checked, folder, accelerator)
        options = [
            *(["--demo"] if demo else []),
            *(["--name", name] if name != ("demo" if demo else "default") else []),
            *(["--root", str(root)] if str(root) != "runs" else []),
            *(["--device", device] if device else []),
        ]
        run.command = ["run", str(recipe), *options, *overrides]
        if not fresh:
            run.files.refuse_published()
        if fresh or not run.files.resumes:
            run.load_start()
            run.try_step()
        if run.total:
            try_metrics(run.evaluator, checked.evaluate.best)
        if accelerator.is_main_process:
            run.open_folder(fresh)
        accelerator.wait_for_everyone()
        return run

    def try_step(self) -> None:
        """Check the components, compute the first step with one micro-batch, and undo both.

        Raises ComponentError for a component that is wrong, GanzooError when the step cannot be computed.

        With images in their own sizes it is also tried with the smallest and the largest ones.
        """
        recipe, engine = self.recipe, self.engine
        if not self.total:
            return
        seed, trials = recipe.train.seed, [self.sampler.micro_batches(0)[0]]
        if recipe.images.fit == "none" and recipe.train.batch == 1:
            trials += extreme_rows(self.images, paired=self.reader.paired)
        failed = f"{recipe.file}: a training step cannot be computed"
        memory = "a step does not fit into the memory"
        place: dict[str, Any] = {"seed": seed, "index": engine.cycle - 1, "progress": 0.0, "epoch": 0}
        check_schedule(recipe.train, engine.method, self.total, self.sampler.steps_per_epoch, engine.origins["method"])
        for number, rows in enumerate(trials):

            def micros(rows: Sequence[Row] = rows) -> list[Step]:
                batch = self.reader.training_batch(rows, 0, seed)
                return micro_steps([batch], engine.device, recipe.images, self.reader.paired, **place)

            def advise(micros: Callable[[], list[Step]] = micros) -> str:
                return fitting_overrides(engine, micros()[0], recipe.train, recipe.images)

            with catch_torch_errors(failed), catch_out_of_memory(memory, advise):
                if number == 0:
                    try_components(engine, micros()[0])
                with self.compilation:
                    try_step(engine, micros())

    def open_folder(self, fresh: bool) -> None:
        """Create the run's folder, or check that it is of the same run; print what has changed.

        A folder that has a log but no checkpoint is renamed, as one is with ``fresh``. A line is printed if the folder
        cannot be locked.
        """
        lost, file = self.files.lost_checkpoints, self.recipe.file
        try:
            recipe = file.read_bytes()  # it may be in the folder that is renamed
        except OSError as error:
            raise GanzooError(f"{file}: cannot be read: {error.strerror}") from None
        if lost or (fresh and self.folder.exists()):
            renamed = self.files.rename_old()
            if fresh:
                self.say(f"{self.folder}: the earlier run is now {renamed}")
            else:
                self.say(
                    f"{self.folder}: there is no checkpoint last to resume from, so training begins at step 0; the "
                    f"earlier log and samples are in {renamed}"
                )
        description = RunDescription(self.settings, self.environment(), image_list(self.images))
        self.report_changes(*self.files.describe(recipe, description, path_options(self.recipe)))
        if not (self.files.lock and self.files.lock.held):
            self.say(f"{self.folder}: this folder cannot be locked; make sure that no second process trains this run")

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.files.path

    @property
    def partition(self) -> list[int]:
        """Processes, batch and accumulate: how the images of a step are divided."""
        return [self.sampler.processes, self.sampler.batch, self.sampler.accumulate]

    def say(self, text: str) -> None:
        """Print a line, on the main process only."""
        self.console.say(text)

    def write_event(self, event: str, **fields: Any) -> None:
        """Append an event with these fields to events.jsonl, on the main process only."""
        self.files.write_event(event, **fields)

    def load_start(self) -> None:
        """Load the networks that ``train.start`` names, and say which; warn where an import's recipe names none."""
        if self.recipe.train.start:
            self.start = load_start(self.recipe.train.start, self.engine)
            self.say(str(self.start))
            if not self.total:
                require_networks(self.start, self.engine)
            return
        for file in self.recipe.files:
            what = "published" if is_published(file.parent) else "imported"
            if what == "published" or is_import(file.parent):
                self.say(
                    f"{file}: it describes {what} networks, but this run begins with new ones; "
                    f"{SETTING}={file.parent} begins with the {what} ones"
                )

    def environment(self) -> dict[str, Any]:
        """Return the content of env.json: versions, device, precision, numbers of training images, and checksums.

        The checksums are those of the weights of frozen maskers, and of the sources: files that parts read besides the
        data.
        """
        return environment(self.accelerator) | {
            "precision": self.engine.precision,
            "images": dict(self.sampler.counts),
            "weights": self._masker_checksums(),
            "sources": {name: one.key for name, one in self.sources.items()},
        }

    def report_changes(self, changes: Sequence[Change], remarks: Sequence[str]) -> None:
        """Print the settings that a resumed run changes, each (path, before, now), and remarks on images and others."""
        for path, before, now in changes:
            self.say(f"changed since the last session: {path}: {before} → {now}")
        for remark in remarks:
            self.say(f"changed since the last session: {remark}")

    def _masker_checksums(self) -> dict[str, str]:
        return {f"maskers.{role}": one for role, one in self.engine.method.masks.checksums().items()}

    def record_session(self, step: int) -> None:
        """Add the code, data and settings of this session to ``sessions``, which checkpoints save.

        Only the main process does this. Nothing is added if they equal those of the session before. ``step`` is the
        step at which this session starts.
        """
        if self.accelerator.is_main_process:
            checksums = self._masker_checksums() | {
                name: one.key for name, one in self.sources.items() if not name.startswith(f"{METRICS}.")
            }
            earlier = self.sessions[-1]["sources"].get(SETTING) if self.sessions else None
            if key := self.start.key if self.start else earlier:
                checksums[SETTING] = key
            session = make_session(self.recipe, self.dataset, self.images, checksums, step)
            self.sessions = append_session(self.sessions, session)

    def restore(self) -> tuple[Progress, dict[str, torch.Tensor]]:
        """Load the checkpoint ``last``; return its progress and the sums of its unfinished logging interval.

        The sums are those that ``Meters`` starts with. Lines of metrics.jsonl and results.jsonl after its step are
        removed, and so is a ``best`` of a later step. Without a checkpoint, the progress is at step 0 and there are no
        sums. Every process must call this.

        Raises SettingsChangedError if an earlier version of ganzoo wrote the checkpoint, and GanzooError if a file is
        missing, damaged or has weights of another architecture.
        """
        if self.accelerator.is_main_process:
            self.files.cut_logs()
        self.accelerator.wait_for_everyone()
        last = self.files.checkpoint("last")
        if find_checkpoint(last) is None:
            if self.start:
                self.write_event("begins-with", checkpoint=str(self.start.checkpoint), networks=list(self.start.found))
            return Progress(), {}
        saved, sums = load_checkpoint(last, self.engine, self.partition)
        if "sessions" not in saved:
            raise SettingsChangedError(
                f"{last}: an earlier version of ganzoo wrote this checkpoint, so training cannot be resumed from it; "
                "--fresh starts the run again, --name starts another (translate and evaluate can still use it)"
            )
        self.sessions = saved["sessions"]
        with guard_content(last / PROGRESS, "the progress of a run"):
            progress = Progress.of(saved)
        if find_checkpoint(self.files.checkpoint("best")) is None:
            progress.best = None  # the next evaluation saves one
        self.write_event("resumed", step=progress.step)
        return progress, sums
