"""The settings in a recipe's sections ``images``, ``train`` and ``evaluate``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, Required

from pydantic import Field
from typing_extensions import TypedDict

from ganzoo.errors import GanzooError

Tracker = Literal["aim", "clearml", "comet_ml", "dvclive", "mlflow", "swanlab", "tensorboard", "trackio", "wandb"]


class WandbTracker(TypedDict, total=False):
    """The options of the tracker ``wandb`` (Weights & Biases)."""

    tracker: Required[Literal["wandb"]]
    project: str
    name: str
    entity: str
    group: str
    tags: list[str]
    mode: Literal["online", "offline"]


class MlflowTracker(TypedDict, total=False):
    """The options of the tracker ``mlflow``; its server is set by the variable MLFLOW_TRACKING_URI."""

    tracker: Required[Literal["mlflow"]]
    experiment: str
    name: str
    tags: dict[str, str]


class TrackioTracker(TypedDict, total=False):
    """The options of the tracker ``trackio``."""

    tracker: Required[Literal["trackio"]]
    project: str
    name: str
    group: str
    space_id: str


class OtherTracker(TypedDict):
    """A tracker without options."""

    tracker: Literal["aim", "clearml", "comet_ml", "dvclive", "swanlab", "tensorboard"]


TrackerOptions = Annotated[WandbTracker | MlflowTracker | TrackioTracker | OtherTracker, Field(discriminator="tracker")]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Resample = Literal["bicubic", "bilinear"]
Compile = bool | Literal["reduce-overhead"]
LrPolicy = Literal["linear", "cosine", "step", "plateau"]
READ_BY: Mapping[str, tuple[LrPolicy, ...]] = MappingProxyType(
    {
        "lr_every": ("step",),
        "lr_gamma": ("step", "plateau"),
        "lr_patience": ("plateau",),
        "lr_threshold": ("plateau",),
        "lr_floor": ("cosine", "plateau"),
    }
)
"""Option of ``train`` → the policies of the learning rate that read it."""
Factor = Annotated[float, Field(ge=0.001, le=1000)]
Shape = tuple[int, int]
"""Height and width in pixels."""


@dataclass(kw_only=True, frozen=True)
class ImageSettings:
    """How images are scaled and cropped, and how training images are augmented.

    Images for evaluation are scaled to ``size`` as ``fit`` says, cropped at the center, and not augmented. Raises
    GanzooError for options that contradict each other, such as a ``load`` smaller than ``size``.

    Args:
        size: height and width of the images that the networks get, in pixels: [H, W], or one number for squares. With
            ``fit: none`` it is only the size of the blank images with which networks are built.
        load: height and width that training images are scaled to before they are cropped at a random place, in pixels;
            one number is the shorter side, in the proportions of ``size``; 0 means ``size``. CycleGAN scales to 286 and
            crops to 256.
        fit: ``stretch`` scales both sides to ``load`` and ignores the aspect ratio; ``cover`` keeps the aspect ratio
            and scales the image until it just covers ``load``; ``crop`` does not scale, and crops ``size`` at a random
            place; ``none`` takes each image whole, as it is: with ``train.batch: 1``, or if all have one size.
        resample: the filter that scales images, ``bicubic`` or ``bilinear``, also before a translation; by default
            ``bicubic``. Masks are always scaled bilinearly, label maps by nearest neighbour.
        zoom: range of a random factor of the scale before the crop, uniform for each image; by default 1.
        scales: factors of the scale before the crop, of which one is drawn for each image, for crops at several scales.
        jitter: the share of the run, from its start, in which training images are scaled to ``load``, with ``zoom`` and
            ``scales``, if these are set; after it they are scaled to ``size``. By default the whole run. CUT stops when
            its learning rate begins to fall.
        flip: whether each image is mirrored horizontally with probability ½.
        rotate: largest rotation in either direction, in degrees; corners are filled by reflection.
        color: largest relative change of brightness, contrast and saturation, from 0 to less than 1.
        cache: largest memory of each process for decoded, scaled images, in MiB; 0 decodes each image every time.
    """

    size: Count | tuple[Count, Count] = 256
    load: CountOrZero | tuple[Count, Count] = 0
    fit: Literal["stretch", "cover", "crop", "none"] = "stretch"
    resample: Resample | None = None
    zoom: tuple[Factor, Factor] | None = None
    scales: Annotated[tuple[Factor, ...], Field(min_length=1)] | None = None
    jitter: Share | None = None
    flip: bool = True
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    color: Annotated[float, Field(ge=0, lt=1)] = 0.0
    cache: CountOrZero = 2048

    def __post_init__(self) -> None:
        if isinstance(self.size, tuple) and self.size[0] == self.size[1]:  # written in one way, so that equal is equal
            object.__setattr__(self, "size", self.size[0])
        if isinstance(self.size, int) and isinstance(self.load, tuple) and self.load[0] == self.load[1]:
            object.__setattr__(self, "load", self.load[0])
        if self.resample == "bicubic":
            object.__setattr__(self, "resample", None)
        if self.jitter == 1 or not (self.load or self.zoom or self.scales):
            object.__setattr__(self, "jitter", None)
        if self.fit == "none" and (self.zoom or self.scales):
            raise GanzooError("zoom and scales need a crop, and fit: none takes whole images; use fit: crop")
        if self.fit in ("crop", "none") and self.load:
            raise GanzooError(f"load is {self.load}, but fit: {self.fit} does not scale images; set load to 0")
        if self.zoom and self.zoom[0] > self.zoom[1]:
            raise GanzooError(f"zoom is {list(self.zoom)}; the first number must not be the larger")
        if self.load_shape is None:
            return
        if any(scaled < side for scaled, side in zip(self.load_shape, self.shape, strict=True)):
            advice = f"set load to {_plain(self.size)} or more, or to 0 for no crop"
            raise GanzooError(f"load is {_plain(self.load)}, smaller than size ({_plain(self.size)}); {advice}")
        least = self.zoom_range[0]
        if any(round(scaled * least) < side for scaled, side in zip(self.load_shape, self.shape, strict=True)):
            wanted = _plain(_one(ceil(side / least) for side in self.shape))
            raise GanzooError(
                f"zoom and scales shrink images to {least:g} of load ({_plain(self.load or self.size)}), smaller than "
                f"size ({_plain(self.size)}); set load to {wanted} or more"
            )

    @property
    def shape(self) -> Shape:
        """Height and width of the images that the networks get, in pixels; with ``fit: none`` images have their own."""
        return pair(self.size)

    @property
    def load_shape(self) -> Shape | None:
        """The height and width that training images are scaled to before zoom and crop; None: they keep their own."""
        if self.fit in ("crop", "none"):
            return None
        if isinstance(self.load, tuple):
            return self.load
        factor = self.load / min(self.shape) if self.load else 1.0
        return round(self.shape[0] * factor), round(self.shape[1] * factor)

    @property
    def filter(self) -> Resample:
        """The filter with which images are scaled, by ``resample``."""
        return self.resample or "bicubic"

    @property
    def read_shape(self) -> Shape | None:
        """Height and width that training images are scaled to when they are read; None: they keep their own."""
        shape = self.load_shape
        return None if shape is None else (round(shape[0] * self.read_zoom), round(shape[1] * self.read_zoom))

    @property
    def read_zoom(self) -> float:
        """The zoom at which training images are read: the largest, so that none is enlarged after it was shrunk."""
        return 1.0 if self.load_shape is None else self.zoom_range[1]

    def without_jitter(self) -> ImageSettings:
        """Return the settings of training images after the share ``jitter`` of the run."""
        return replace(self, load=0, zoom=None, scales=None, jitter=None)

    @property
    def zoom_range(self) -> tuple[float, float]:
        """The smallest and the largest factor of the scale before the crop, by ``zoom`` and ``scales``."""
        low, high = self.zoom or (1.0, 1.0)
        scales = self.scales or (1.0,)
        return low * min(scales), high * max(scales)


def pair(size: int | Shape) -> Shape:
    """Return a size, [H, W] or the side of a square, as height and width."""
    return size if isinstance(size, tuple) else (size, size)


def _one(sides: Iterable[int]) -> int | Shape:
    """Return height and width as a recipe writes them: one number for a square."""
    height, width = sides
    return height if height == width else (height, width)


def _plain(size: int | Shape) -> str:
    return str(list(size) if isinstance(size, tuple) else size)


@dataclass(kw_only=True, frozen=True)
class TrainSettings:
    """Training length, batch, optimization, precision and logging.

    Raises GanzooError if both ``epochs`` and ``steps`` are set, and for an option that ``lr_policy`` lacks or ignores.

    Args:
        epochs: training length as passes over the larger domain. Set this or ``steps``, unless the method has
            nothing to train, or ``start`` names networks to measure as they are.
        steps: training length in steps.
        batch: images of each domain per process and micro-batch.
        accumulate: micro-batches per step; each phase runs over all of them, then updates its networks once.
        lr: learning rate; each optimizer of the method may multiply it by a factor.
        decay: fraction of the run, at its end, in which the learning rate falls, with ``linear`` and ``cosine``; by
            default 0.5, with ``cosine`` 1. Most methods' own schedules read it, too.
        lr_policy: schedule of the learning rate: ``linear`` falls towards 0, ``cosine`` along half a wave; ``step``
            multiplies it by ``lr_gamma`` after each ``lr_every``; ``plateau`` when the value of ``evaluate.best`` stops
            improving. By default the method's own schedule: for most ``linear``.
        lr_every: for ``step``: epochs between two reductions, or steps if the run's length is in steps.
        lr_gamma: the factor of one reduction; by default 0.1 for ``step``, 0.2 for ``plateau``.
        lr_patience: for ``plateau``: evaluations without an improvement that are tolerated; by default 5.
        lr_threshold: for ``plateau``: least relative improvement that counts; by default 0.01.
        lr_floor: for ``cosine`` and ``plateau``: smallest learning rate, as a fraction of ``lr``; by default 0.
        warmup: steps at the start of the run in which the learning rate rises linearly to that of the schedule.
        precision: ``bf16`` and ``fp16`` run the networks under autocast; losses stay in fp32. ``fp16`` needs a GPU.
            ``auto`` is bf16 on processors and GPUs that compute it faster, else fp32; the run prints which it is.
        compile: whether ``torch.compile`` compiles each network that is trained, in the first steps; it needs a C++
            compiler. ``reduce-overhead`` also records CUDA graphs, on a GPU. Evaluation and translation run uncompiled.
        checkpointing: whether blocks of the generators are computed again in the backward pass instead of being kept
            in memory: the results are the same, steps take longer and need less memory. It excludes ``compile``.
        seed: seed of every random draw in the run.
        ema: decay of the exponential moving average of the weights of all networks except discriminators. Samples,
            metrics and translation then use the average. 0: none.
        patience: non-finite steps in a row after which the run stops.
        max_damaged: training images that may become unreadable during a session; others take their place. With one more
            the run saves its state and stops.
        log: steps between lines of metrics.jsonl.
        sample: steps between sample grids; 0: only at the end.
        save: steps between checkpoints; one is always written at the end, at SIGTERM and at Ctrl-C.
        keep: steps between checkpoints that are kept as ``step-N``; 0: none.
        workers: number of threads that load images in advance.
        trackers: trackers that also get the losses, metric values, sample grids and settings: names such as
            ``tensorboard``, or with options ``{tracker: wandb, project: paintings}``.
        start: run or import whose networks training begins with, on any data: ``RUN`` or ``RUN/checkpoints/NAME``; by
            default new networks. Networks that it lacks or that do not fit are new, and the run says so.
    """

    epochs: CountOrZero = 0
    steps: CountOrZero = 0
    batch: Count = 1
    accumulate: Count = 1
    lr: Annotated[float, Field(gt=0)] = 2e-4
    decay: Share | None = None
    lr_policy: LrPolicy | None = None
    lr_every: Count | None = None
    lr_gamma: Annotated[float, Field(gt=0, lt=1)] | None = None
    lr_patience: CountOrZero | None = None
    lr_threshold: Share | None = None
    lr_floor: Share | None = None
    warmup: CountOrZero | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: Compile = False
    checkpointing: bool = False
    seed: int = 0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    patience: Count = 10
    max_damaged: CountOrZero = 10
    log: Count = 50
    sample: CountOrZero = 500
    save: Count = 500
    keep: CountOrZero = 0
    workers: Count = 2
    trackers: tuple[Tracker | TrackerOptions, ...] = ()
    start: Path | None = None

    def __post_init__(self) -> None:
        if self.epochs and self.steps:
            raise GanzooError("both 'epochs' and 'steps' are set: remove one, or set it to 0")
        if self.checkpointing and self.compile:
            raise GanzooError("both 'checkpointing' and 'compile' are set, and one excludes the other: remove one")
        names = [one if isinstance(one, str) else one["tracker"] for one in self.trackers]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise GanzooError(f"trackers names {repeated[0]} {names.count(repeated[0])} times: remove all but one")
        for name, policies in READ_BY.items():
            if getattr(self, name) is not None and self.lr_policy not in policies:
                has = (
                    f"lr_policy: {self.lr_policy} does not" if self.lr_policy else "the method's own schedule does not"
                )
                raise GanzooError(f"{name} is set, but {has} read it: remove it, or set lr_policy: {policies[0]}")
        if self.lr_policy == "step" and self.lr_every is None:
            unit = "in the unit of the run's length"
            raise GanzooError(f"lr_policy: step needs lr_every, the time between two reductions of the rate, {unit}")
        if self.decay is None:
            object.__setattr__(self, "decay", 1.0 if self.lr_policy == "cosine" else 0.5)


@dataclass(kw_only=True, frozen=True)
class EvaluateSettings:
    """When to evaluate, on how many images, and which checkpoint is the best.

    Raises GanzooError if ``best`` is not of its form or is set without ``every``, or ``patience`` without ``best``.

    Args:
        every: steps between evaluations while training, on the validation split (without one, on the test split). 0:
            only before the first step and at the end.
        batch: images per batch in evaluations.
        limit: largest number of images of each domain in evaluations while training; 0: all. The final evaluation
            always uses all.
        best: which evaluation's checkpoint is saved as ``best``: ``min NAME`` or ``max NAME``, the one with the
            smallest or largest metric value NAME.
        patience: evaluations in a row without a better ``best`` value after which training ends; 0: never.
        bootstrap: number of draws for the 95 % intervals of the final evaluation's values; 0: no intervals.
    """

    every: CountOrZero = 0
    batch: Count = 16
    limit: CountOrZero = 0
    best: str | None = None
    patience: CountOrZero = 0
    bootstrap: CountOrZero = 0

    def __post_init__(self) -> None:
        if self.best and not re.fullmatch(r"(min|max) \S+", self.best):
            raise GanzooError(f"best is {self.best!r}; it must be 'min NAME' or 'max NAME', such as 'min cycle_l1'")
        if self.best and not self.every:
            raise GanzooError("best needs 'every', the steps between evaluations")
        if self.patience and not self.best:
            raise GanzooError("patience needs 'best', the metric value to improve: best: min NAME")


RESUMABLE = {
    "images": {"cache"},
    "train": {
        "checkpointing",
        "epochs",
        "steps",
        "patience",
        "max_damaged",
        "log",
        "sample",
        "save",
        "keep",
        "workers",
        "trackers",
    },
    "evaluate": {"every", "batch", "limit", "best", "patience", "bootstrap", "metrics"},
}
"""Settings that may change when a run is resumed, by section: length, logging, evaluation and loading of images.

A new length also changes the schedule of the learning rate.
"""
