"""The settings of a recipe that belong to no component: ``images``, ``train`` and ``evaluate``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ganzoo.errors import GanzooError

Tracker = Literal["aim", "clearml", "comet_ml", "dvclive", "mlflow", "swanlab", "tensorboard", "trackio", "wandb"]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(kw_only=True, frozen=True)
class ImageSettings:
    """How training images are scaled, cropped and varied.

    Args:
        size: side of the square that the networks see, in pixels.
        load: side to scale to before the random crop; 0 means ``size``, that is, no jitter. (CycleGAN: 286 for 256.)
        fit: ``stretch`` scales both sides to ``load``, whatever the aspect; ``cover`` scales the shorter side.
        flip: mirror left and right with probability ½.
        rotate: largest rotation, degrees, either way; corners are filled by reflection.
        color: largest relative change of brightness, contrast and saturation, 0 … 1.
        cache: decoded, scaled images kept in memory, MiB; 0 decodes them anew each time.
    """

    size: Count = 256
    load: CountOrZero = 0
    fit: Literal["stretch", "cover"] = "stretch"
    flip: bool = True
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    color: Annotated[float, Field(ge=0, lt=1)] = 0.0
    cache: CountOrZero = 2048

    def __post_init__(self) -> None:
        if self.load and self.load < self.size:
            raise GanzooError(f"load is {self.load}, smaller than size, {self.size}")

    @property
    def scale_to(self) -> int:
        """The side that images are scaled to before the crop."""
        return self.load or self.size


@dataclass(kw_only=True, frozen=True)
class TrainSettings:
    """How long, how fast and how precisely to train.

    Args:
        epochs: passes over the larger domain; give this or ``steps``, unless the method has nothing to train.
        steps: optimizer steps; likewise.
        batch: images of each domain a process and micro-batch.
        accumulate: micro-batches a step; each phase runs over all of them, then steps.
        lr: learning rate, before the factors of the method's optims.
        decay: share of the run, at its end, over which the learning rate falls linearly.
        precision: ``bf16`` and ``fp16`` run the networks under autocast; losses stay in fp32.
        seed: everything random in the run follows from it.
        ema: decay of the exponential moving average of all networks but discriminators, which samples, metrics and
            translation then use; 0: none.
        patience: steps in a row that may be not finite before the run stops.
        log: steps between lines of metrics.jsonl.
        sample: steps between sample grids; 0: only at the end.
        save: steps between checkpoints; one is written at the end and at SIGTERM in any case.
        keep: steps between checkpoints that are kept for good as ``step-N``; 0: none.
        workers: threads that read images ahead.
        trackers: Accelerate's trackers to log to besides, such as ``tensorboard``.
    """

    epochs: CountOrZero = 0
    steps: CountOrZero = 0
    batch: Count = 1
    accumulate: Count = 1
    lr: Annotated[float, Field(gt=0)] = 2e-4
    decay: Share = 0.5
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    seed: int = 0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    patience: Count = 10
    log: Count = 50
    sample: CountOrZero = 500
    save: Count = 500
    keep: CountOrZero = 0
    workers: Count = 2
    trackers: tuple[Tracker, ...] = ()

    def __post_init__(self) -> None:
        if self.epochs and self.steps:
            raise GanzooError("both 'epochs' and 'steps' are given: leave one out, or set it to 0")


@dataclass(kw_only=True, frozen=True)
class EvaluateSettings:
    """When and what to measure.

    Args:
        every: steps between evaluations on the validation split while training; 0: only at the end.
        batch: images at a time.
        limit: at most so many images of each domain while training; 0: all. The closing evaluation takes all.
        best: which checkpoint is kept as ``best``: ``min FIGURE`` or ``max FIGURE``, a figure of the metrics.
        patience: evaluations in a row without a better ``best`` figure after which the training ends; 0: never.
    """

    every: CountOrZero = 0
    batch: Count = 16
    limit: CountOrZero = 0
    best: str | None = None
    patience: CountOrZero = 0

    def __post_init__(self) -> None:
        if self.best and not re.fullmatch(r"(min|max) \S+", self.best):
            raise GanzooError(f"best is {self.best!r}; it is 'min FIGURE' or 'max FIGURE', such as 'min cycle_l1'")
        if self.best and not self.every:
            raise GanzooError("best needs every, the steps between evaluations")
        if self.patience and not self.best:
            raise GanzooError("patience needs best, the figure that is to get better: best: min FIGURE")


RESUMABLE = {
    "images": {"cache"},
    "train": {"epochs", "steps", "patience", "log", "sample", "save", "keep", "workers", "trackers"},
    "evaluate": {"every", "batch", "limit", "best", "patience", "metrics"},
}
"""What may change when a run is resumed: its length, logging, evaluation and workers; nothing that shapes a step."""
