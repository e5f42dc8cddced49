"""Open a run in a tracker, new or continued, and send it values and images; one class for each kind of tracker.

Accelerate's classes talk to the trackers; the classes here choose their arguments, and add what Accelerate lacks.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from PIL import Image

from ganzoo.errors import MissingResourceError
from ganzoo.training.wandb_files import last_step

EXTRAS = ("mlflow", "tensorboard", "trackio", "wandb")
"""The trackers that are extras of ganzoo."""
WHOLE = 10**9
"""More lines than a step has: all of the step."""

Position = tuple[int, int]
"""A step, and how many of its lines in metrics.jsonl were sent; all lines of earlier steps were, too."""
NOTHING: Position = (-1, WHOLE)
State = dict[str, Any]
"""What a run's trackers.json says about one tracker."""


class Tracker:
    """A tracker that takes numbers and nothing else; each session is a run of its own there.

    Args:
        name: the tracker's name.
        run_name: the run's name, ``RECIPE/NAME``.
        folder: the run's folder.
        options: the tracker's options in the recipe.
    """

    def __init__(self, name: str, run_name: str, folder: Path, options: Mapping[str, Any]) -> None:
        self.name, self.folder = name, folder
        self.options = {key: value for key, value in options.items() if key != "tracker"}
        project = self.options.pop("project", run_name.partition("/")[0])
        self.project = self.options.pop("experiment", project)
        self.run_name = self.options.pop("name", run_name)
        self.inner: Any = None

    def open(self, state: State, step: int, config: Mapping[str, Any]) -> Position:
        """Open the run in the tracker, and send its settings; return the position up to which it has the lines.

        Args:
            state: what is known of the run there; empty for a new one. The run's id is added.
            step: the step that training continues from; -1 for a new run.
            config: the settings by key path.
        """
        self.start(self.project)
        self.inner.store_init_configuration(dict(config))
        return (step, WHOLE)

    def start(self, project: str, **arguments: Any) -> None:
        """Start Accelerate's class for the tracker with these arguments."""
        kind = LOGGER_TYPE_TO_CLASS[self.name]
        place = {"logging_dir": str(self.folder)} if kind.requires_logging_directory else {}
        self.inner = kind(project, **place, **arguments)
        self.inner.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send values by name."""
        self.inner.log(dict(values), step=step)

    def show(self, step: int, name: str, file: Path) -> None:
        """Send an image file, if the tracker takes images."""

    def finish(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values of the final evaluation, if there are any, and close the run in the tracker."""
        if values:
            self.log(step, values)
        self.inner.finish()


class TensorBoard(Tracker):
    """TensorBoard: event files in the run's folder ``tensorboard``."""

    def open(self, state: State, step: int, config: Mapping[str, Any]) -> Position:
        """Open the folder; events that a killed session wrote after the step are hidden, or all if nothing is known."""
        self.start("tensorboard", purge_step=step + 1 if state else 0)
        if not state:
            from torch.utils.tensorboard.summary import hparams

            for summary in hparams({key: value for key, value in config.items() if value is not None}, {}):
                self.inner.writer.file_writer.add_summary(summary)
        text = "\n".join(f"| {key} | {value} |" for key, value in config.items())
        self.inner.writer.add_text("recipe", f"| setting | value |\n| --- | --- |\n{text}", max(step, 0))
        return min(_sent(state), (step, WHOLE))

    def show(self, step: int, name: str, file: Path) -> None:
        """Send an image file."""
        self.inner.writer.add_image(name, np.asarray(Image.open(file)), step, dataformats="HWC")
        self.inner.writer.flush()


class Wandb(Tracker):
    """Weights & Biases; its files are in the run's folder ``wandb``."""

    def open(self, state: State, step: int, config: Mapping[str, Any]) -> Position:
        """Open the run by its id. The server, or without network the files, say up to which step it has values."""
        import wandb

        run_id = state.setdefault("id", uuid.uuid4().hex[:8])
        try:
            written = last_step(self.folder, run_id)
        except Exception:  # the files of another version of wandb
            written = None
        arguments = {"id": run_id, "resume": "allow", "name": self.run_name, "dir": str(self.folder), **self.options}
        # By default the last 15 seconds before a kill are lost.
        self.start(self.project, **arguments, settings=wandb.Settings(x_transaction_log_flush_interval=1.0))
        self.inner.store_init_configuration(dict(config))
        if not self.inner.run.offline:
            return (self.inner.run.starting_step - 1, WHOLE)
        return _sent(state) if written is None else (written, WHOLE)

    def show(self, step: int, name: str, file: Path) -> None:
        """Send an image file."""
        import wandb

        self.inner.log({name: wandb.Image(str(file))}, step=step)

    def finish(self, step: int, values: Mapping[str, float]) -> None:
        """Put the values of the final evaluation into the run's summary, and close it."""
        self.inner.run.summary.update(dict(values))
        self.inner.finish()


class Mlflow(Tracker):
    """MLflow, on the server or in the folder that its variable MLFLOW_TRACKING_URI names."""

    def open(self, state: State, step: int, config: Mapping[str, Any]) -> Position:
        """Open the run by its id; settings that have changed become tags, as MLflow's parameters never change."""
        import mlflow

        # By default a server that does not answer would hold the training up for many minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        self.start(self.project, run_id=state.get("id"), run_name=self.run_name, **self.options)
        known = mlflow.get_run(self.inner.tracker.info.run_id).data.params
        self.inner.store_init_configuration({key: value for key, value in config.items() if key not in known})
        changed = {key: str(value) for key, value in config.items() if known.get(key, str(value)) != str(value)}
        if changed:
            mlflow.set_tags({f"changed.{key}": value for key, value in changed.items()})
        state["id"] = self.inner.tracker.info.run_id
        return _sent(state)

    def show(self, step: int, name: str, file: Path) -> None:
        """Send an image file."""
        import mlflow

        with Image.open(file) as image:
            mlflow.log_image(image, key=name, step=step, synchronous=True)


class Trackio(Tracker):
    """Trackio, on this machine or in the Space that ``space_id`` names."""

    def open(self, state: State, step: int, config: Mapping[str, Any]) -> Position:
        """Open the run by its name."""
        resume = "allow" if state else "never"
        self.start(self.project, name=self.run_name, resume=resume, config=dict(config), embed=False, **self.options)
        state["id"] = self.inner.run.id
        return min(_sent(state), (self.inner.run._next_step - 1, WHOLE))  # it writes in the background

    def show(self, step: int, name: str, file: Path) -> None:
        """Send an image file."""
        import trackio

        self.inner.log({name: trackio.Image(str(file))}, step=step)


KINDS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": Wandb,
    "mlflow": Mlflow,
    "trackio": Trackio,
}


def make_tracker(setting: str | Mapping[str, Any], run_name: str, folder: Path) -> Tracker:
    """Return the tracker that an entry of ``train.trackers`` names.

    Raises MissingResourceError if its package is not installed.
    """
    options = {"tracker": setting} if isinstance(setting, str) else setting
    name = options["tracker"]
    if name not in map(str, get_available_trackers()):
        package = f"'ganzoo-i2i[{name}]'" if name in EXTRAS else name
        raise MissingResourceError(f"{name} is not installed: pip install {package}")
    return KINDS.get(name, Tracker)(name, run_name, folder, options)


def _sent(state: State) -> Position:
    return (state["step"], state["lines"]) if "step" in state else NOTHING
