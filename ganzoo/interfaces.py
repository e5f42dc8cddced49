"""What a plugin implements. Every interface is small; its docstring holds a complete working example.

Options: the keyword-only parameters of a component's constructor are the options that recipes may set; those before
the ``*`` are supplied by ganzoo (a generator gets ``in_channels, out_channels``, a discriminator ``in_channels``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError
from ganzoo.randomness import Draws
from ganzoo.roles import Roles
from ganzoo.step import Step

if TYPE_CHECKING:
    from ganzoo.data.loading import Reader
    from ganzoo.runs import Run

Split = Literal["train", "validation", "test"]
Direction = Literal["AB", "BA", "AA"]
"""From which domain to which; AA is what a supervised method makes of the pictures of its one domain."""


@dataclass(frozen=True)
class Slot:
    """A place for a network.

    Args:
        kind: ``generator``, ``discriminator`` or ``masker``; empty for a network that the method builds itself in
            ``setup``. All but discriminators are averaged (``train.ema``) and used to translate.
        reads: the domains whose channels enter, side by side (pix2pix's discriminator: ``("A", "B")``).
        writes: the domain whose channels leave (generators).
        calls: what the method calls on the network; a component that lacks one of these is refused.
        default: the component and options used when the recipe names none.
        own: the method builds it itself in ``setup``, though it has a kind.
    """

    kind: Literal["generator", "discriminator", "masker", ""]
    reads: tuple[str, ...] = ()
    writes: str = ""
    calls: tuple[str, ...] = ("forward",)
    default: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False


@dataclass(frozen=True)
class Source:
    """What a component reads besides recipe and data: where it lies, and a checksum of what it holds.

    A run goes on only where the checksum is what it was; ``check`` says how large it is.
    """

    path: Path
    key: str


@dataclass(frozen=True)
class Optim:
    """An optimizer over some slots. ``lr`` is a factor on the run's; ``clip`` bounds the gradient's norm.

    Parameters that two of its networks share are stepped once.
    """

    slots: tuple[str, ...]
    optimizer: type[torch.optim.Optimizer] = torch.optim.Adam
    options: Mapping[str, Any] = field(default_factory=lambda: {"betas": (0.5, 0.999)})
    lr: float = 1.0
    clip: float | None = None


@dataclass(frozen=True)
class Phase:
    """One turn within a step: the loss terms that it sums, and the optims that it then steps.

    Every network that the phase does not train is frozen meanwhile; gradients still pass through it.

    Args:
        name: shown in logs and named by a recipe's ``losses``.
        steps: names of optims.
        losses: step → {term: scalar, a mean over samples}; the terms are summed. Every process must name the same
            terms: what found nothing is 0, not absent.
        every: run in each n-th step only.
        forward: ``shared`` reads the step's one forward, with its graph; ``detached`` reads the same tensors without
            it; ``fresh`` has the method's forward run anew for this phase (so draws made by key stay the same unless
            the method keys them by phase: ``step.phase``).
        waits: its optims step only once the next phase of the step has its gradients, too: both are then those of the
            same weights, and one step follows the other.
    """

    name: str
    steps: tuple[str, ...]
    losses: Callable[[Step], dict[str, Tensor]]
    every: int = 1
    forward: Literal["shared", "detached", "fresh"] = "shared"
    waits: bool = False


class Method(ABC):
    """A training scheme: networks it needs, tensors it makes, phases it runs.

    One without phases has nothing to train: its recipe gives no length; its run measures, draws samples, and is there
    to translate with.

    A complete one, an autoencoder with a critic:

    >>> class Auto(Method):
    ...     def __init__(self, *, weight: float = 1.0) -> None:
    ...         self.weight = weight
    ...         self.slots = {"G_AA": Slot("generator", ("A",), "A", default={"generator": "resnet"})}
    ...         self.optims = {"G": Optim(("G_AA",))}
    ...         self.phases = [Phase("generator", ("G",), self.losses)]
    ...         self.tensors = ["rec_A"]
    ...     def forward(self, step: Step) -> None:
    ...         step["rec_A"] = self.networks["G_AA"](step["real_A"])
    ...     def losses(self, step: Step) -> dict[str, Tensor]:
    ...         return {"rec": self.weight * (step["rec_A"] - step["real_A"]).abs().mean()}
    >>> Auto(weight=2.0).optims["G"].slots
    ('G_AA',)
    """

    directions: ClassVar[tuple[Direction, ...]] = ("AB", "BA")
    accepts: ClassVar[tuple[str, ...]] = ()
    """The mask roles that it can take: ``input``, ``judge``, ``composite``, ``labels``."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Those of them without which it is another method."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Tensors that the data set must give besides the pictures, such as ``given_mask_A``."""
    paired: ClassVar[bool] = False
    """Whether it needs data in which A and B show the same scene."""
    group: ClassVar[int] = 1
    """How many pictures of a domain it takes together: ``train.batch`` is a multiple of it."""

    slots: Mapping[str, Slot]
    optims: Mapping[str, Optim]
    phases: Sequence[Phase]
    tensors: Sequence[str]
    networks: Mapping[str, nn.Module]
    masks: Roles
    sources: Mapping[str, Source] = MappingProxyType({})

    def bind(self, networks: Mapping[str, nn.Module], masks: Roles) -> None:
        """Take the built networks and the recipe's maskers, before ``setup``; later ``networks`` may hold averages."""
        self.networks = networks
        self.masks = masks

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Build the networks of slots without a kind, after one look at an example (batch 1, without gradient)."""
        return {}

    def prepare(self, reader: Reader) -> None:
        """Get ready to train, and refuse at once what cannot be: at ``check`` and before a run, not to translate.

        Args:
            reader: gives pictures scaled and cropped as they are trained on; ``reader.images`` says how.
        """

    @abstractmethod
    def forward(self, step: Step) -> None:
        """Put into the step what the phases, grids and metrics read: ``fake_B``, ``rec_A``, …"""

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Translate (B, C, H, W) in [−1, 1], any H and W. ``step`` brings draws, given masks and a given ``style``."""
        raise GanzooError(f"the method {type(self).__name__} does not translate single pictures")

    def style_size(self, domain: str) -> int:
        """Return how many numbers tell a style of a domain; 0 where translations have none."""
        return 0

    def draw_style(self, domain: str, draws: Draws) -> Tensor:
        """Return a style of a domain for each generator, (B, numbers): N(0, I), unless the method knows better."""
        return draws.normal(self.style_size(domain))

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the styles (B, numbers) of a domain's pictures (B, C, H, W) in [−1, 1]."""
        raise GanzooError(f"the method {type(self).__name__} knows no styles")

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return the learning rate's factor after ``done`` of ``total`` epochs, or steps, as the run is given.

        ``step`` counts steps in any case. See ``schedule.py``.
        """
        from ganzoo.schedule import linear_decay

        return linear_decay(done, total, decay)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what the method keeps between steps (pools, banks), so that a resumed run goes on the same."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what ``state_dict`` gave."""

    def undo(self) -> None:
        """Take back what this step put into the kept state; called when the step was not finite and is skipped."""


class Loss(nn.Module):
    """An auxiliary term for any method. The parameters of ``forward`` are the names that a recipe's ``of`` fills.

    It is frozen, in eval mode, and runs in float32 whatever the precision of the networks.

    >>> class Brightness(Loss):
    ...     def __init__(self, *, target: float = 0.0) -> None:
    ...         super().__init__()
    ...         self.target = target
    ...     def forward(self, image: Tensor) -> Tensor:
    ...         return (image.mean(dim=(1, 2, 3)) - self.target).abs().mean()
    >>> float(Brightness(target=0.5)(torch.zeros(2, 3, 4, 4)))
    0.5
    """

    forward: Callable[..., Tensor]
    """Named tensors → a scalar in float32, a mean over samples."""
    sources: Mapping[str, Source] = MappingProxyType({})

    def bind(self, method: Method, reader: Reader) -> None:
        """Take what it attaches to, and refuse at once what cannot be, as ``Metric.bind``."""


class Masker(nn.Module, ABC):
    """Image (B, C, H, W) in [−1, 1] → mask (B, K, H, W), float in [0, 1]; K = 1 foreground, K > 1 classes.

    >>> class Left(Masker):
    ...     def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
    ...         mask = torch.zeros_like(image[:, :1])
    ...         mask[..., : image.shape[-1] // 2] = 1
    ...         return mask
    >>> Left()(torch.zeros(1, 3, 2, 4), Draws([]))[0, 0, 0].tolist()
    [1.0, 1.0, 0.0, 0.0]
    """

    planes: int = 1
    """K, the number of planes it makes."""
    classes: tuple[str, ...] = ()
    """What the planes are called, where they have names."""
    needs: ClassVar[tuple[str, ...]] = ("image",)
    """``image``: it looks at the picture; ``given``: it reads the mask that the data set gives with the source."""
    trains: Literal["", "alone", "along"] = ""
    """Whether it has yet to learn: ``alone``, in the slot of a method that trains it; ``along``, with the generators,
    in the role composite."""
    same_as: str = ""
    """The role whose mask it is given, in place of the data set's."""

    @abstractmethod
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the mask of each image; ``rng`` is keyed by sample, ``given`` the data set's own mask."""

    def terms(self, mask: Tensor) -> dict[str, Tensor]:
        """Return what a masker that learns ``along`` adds to the generators' loss for a mask, means over samples."""
        return {}


@dataclass(frozen=True)
class Sample:
    """One picture as a data set holds it. Every plane has the picture's height and width.

    Args:
        image: (H, W, C) uint8.
        name: unique within split and domain; for files the path below the domain's folder.
        mask: (H, W) uint8, 0 … 255, the foreground that the data set gives.
        labels: (H, W) uint8, class indices.
        target: (H, W, C') uint8, the same scene in the other domain, where it is known.
        values: numbers for metrics, such as the digit that is shown.
    """

    image: np.ndarray
    name: str
    mask: np.ndarray | None = None
    labels: np.ndarray | None = None
    target: np.ndarray | None = None
    values: Mapping[str, float] = field(default_factory=dict)


class Dataset(ABC):
    """Pictures of two domains, or one, in up to three splits. It reads; scaling, cropping and order are ganzoo's.

    >>> class Noise(Dataset):
    ...     def __init__(self, *, count: int = 4) -> None:
    ...         self.size = count
    ...     def count(self, split: Split, domain: str) -> int:
    ...         return self.size
    ...     def sample(self, split: Split, domain: str, index: int) -> Sample:
    ...         pixels = np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    ...         return Sample(pixels, f"{index}.png")
    >>> Noise(count=2).sample("train", "A", 0).image.shape
    (8, 8, 3)
    """

    paired: bool = False
    """Whether picture i of A and picture i of B show the same scene."""
    channels: Mapping[str, int] = {"A": 3, "B": 3}
    """Domain → channels of its pictures; supervised data may have A alone."""
    classes: Mapping[str, int] = MappingProxyType({})
    """Domain → K, where its pictures are label maps: samples have them as (H, W, 1) of 0 … K − 1, networks one-hot, K
    channels of −1 and 1. ``channels`` then says K, too."""

    @abstractmethod
    def count(self, split: Split, domain: str) -> int:
        """Return how many pictures there are; 0 when the split is not there."""

    @abstractmethod
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Read one picture. Raises GanzooError with the file's path when it cannot be read."""


class Metric(ABC):
    """A figure of an evaluation. Rows are collected a sample at a time, in the data's order, from all processes.

    >>> class Brightness(Metric):
    ...     def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
    ...         return {"brightness": step[f"fake_{direction[1]}"].mean(dim=(1, 2, 3))}
    >>> Brightness().compute({"brightness": torch.tensor([1.0, 3.0])}, {})
    {'brightness': 2.0}
    """

    directions: tuple[Direction, ...] = ("AB", "BA")
    sources: Mapping[str, Source] = MappingProxyType({})
    real: Literal["", "measured", "train"] = ""
    """Whether ``compute`` also reads rows of real pictures of a direction's target, and of which split."""
    real_key: str = ""
    """What those follow from besides the pictures (network, its weights, resizing): with it, they are kept on disk."""
    about: Mapping[str, str] = MappingProxyType({})
    """What a record says of it besides its name: ``implementation``, ``network``."""

    def bind(self, method: Method, reader: Reader) -> None:
        """Take what is measured, and refuse at once what cannot be: at ``check``, and before a run begins.

        Args:
            method: the run's own: its ``masks`` make the mask of any picture of a step.
            reader: gives pictures scaled and cropped as they are measured; ``reader.dataset`` as they are.
        """

    def prepare(self, seed: int) -> None:
        """Get ready, once a run (train a judge, read reference features), the same on every process."""

    @abstractmethod
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return one row for each source picture of the step, (B, …): what ``compute`` needs of it."""

    def real_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return one row for each real picture of a domain in the step, (B, …), as ``rows`` does for translations."""
        raise GanzooError(f"the metric {type(self).__name__} reads no real pictures")

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Turn the rows of all pictures into figures; by default the mean of each, in float64.

        Args:
            rows: of all translations of a direction.
            real: of all real pictures of its target, in any order, where ``self.real`` asks for them.

        Raises GanzooError where there are too few: never a number that means nothing.
        """
        return {name: float(column.double().mean()) for name, column in rows.items()}


class Callback:
    """An observer of a run; a plugin returns one from ``ganzoo_callbacks(run)``. One that raises is switched off."""

    def on_start(self, run: Run) -> None:
        """Before the first step."""

    def on_step(self, run: Run, step: int, losses: Mapping[str, float]) -> None:
        """At each logging interval, with the terms' means since the last."""

    def on_evaluation(self, run: Run, step: int, figures: Mapping[str, float]) -> bool:
        """After an evaluation; return True to end the training here."""
        return False

    def on_checkpoint(self, run: Run, step: int) -> None:
        """After a checkpoint is safely written."""

    def on_end(self, run: Run) -> None:
        """After the last step."""
