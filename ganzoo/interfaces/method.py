"""What a training scheme is made of: slots for networks, optims, phases, and the method that has them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step

if TYPE_CHECKING:
    from ganzoo.data.loader import Reader

Direction = Literal["AB", "BA", "AA"]
"""From which domain to which; AA is what a supervised method makes of the images of its one domain."""


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
        defer_step: step the optims after the next phase's backward, so that both phases use the same weights.
    """

    name: str
    steps: tuple[str, ...]
    losses: Callable[[Step], dict[str, Tensor]]
    every: int = 1
    forward: Literal["shared", "detached", "fresh"] = "shared"
    defer_step: bool = False


@dataclass(frozen=True)
class Output:
    """What a tensor is that a method puts into the step.

    Args:
        source: domain of the real image that it comes from, whose mask serves it: ``A`` for ``fake_B``. None: it comes
            from no image of this step, as one from an image pool.
        shows: domain whose images it looks like, with their channels and classes: ``B`` for ``fake_B``. Empty: it is a
            mask in [0, 1].
        for_losses: it is there in every training step, so a recipe's losses may read it.
        in_grid: sample grids show it.
    """

    source: str | None
    shows: str
    for_losses: bool = True
    in_grid: bool = True

    @property
    def is_translation(self) -> bool:
        """Whether it shows an image of one domain in the look of the other."""
        return bool(self.source and self.shows and self.source != self.shows)


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
    ...         self.tensors = {"rec_A": Output(source="A", shows="A")}
    ...     def forward(self, step: Step) -> None:
    ...         step["rec_A"] = self.networks["G_AA"](step["real_A"])
    ...     def losses(self, step: Step) -> dict[str, Tensor]:
    ...         return {"rec": self.weight * (step["rec_A"] - step["real_A"]).abs().mean()}
    >>> Auto(weight=2.0).optims["G"].slots
    ('G_AA',)
    """

    directions: ClassVar[tuple[Direction, ...]] = ("AB", "BA")
    accepts: ClassVar[tuple[str, ...]] = ()
    """The mask roles that it can take: ``input``, ``discriminator``, ``composite``, ``labels``."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Those of them without which it is another method."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Tensors that the data set must give besides the images, such as ``given_mask_A``."""
    paired: ClassVar[bool] = False
    """Whether it needs data in which A and B show the same scene."""
    group: ClassVar[int] = 1
    """How many images of a domain it takes together: ``train.batch`` is a multiple of it."""

    slots: Mapping[str, Slot]
    optims: Mapping[str, Optim]
    phases: Sequence[Phase]
    tensors: Mapping[str, Output]
    networks: Mapping[str, nn.Module]
    masks: Roles
    sources: Mapping[str, Source] = MappingProxyType({})

    def bind(self, networks: Mapping[str, nn.Module], masks: Roles) -> None:
        """Take the built networks and the recipe's maskers, before ``setup``; later ``networks`` may hold averages."""
        self.networks = networks
        self.masks = masks
        masks.set_sources({name: output.source for name, output in self.tensors.items()})

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Build the networks of slots without a kind, after one look at an example (batch 1, without gradient)."""
        return {}

    def prepare(self, reader: Reader) -> None:
        """Get ready to train, and refuse at once what cannot be: at ``check`` and before a run, not to translate.

        Args:
            reader: gives images scaled and cropped as they are trained on; ``reader.images`` says how.
        """

    @abstractmethod
    def forward(self, step: Step) -> None:
        """Put into the step what the phases, grids and metrics read: ``fake_B``, ``rec_A``, …"""

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Translate (B, C, H, W) in [−1, 1], any H and W. ``step`` brings draws, given masks and a given ``style``."""
        raise GanzooError(f"the method {type(self).__name__} does not translate single images")

    def translated(self, direction: Direction) -> str:
        """Return the name of the tensor that holds a direction's translations, such as ``fake_B`` for AB."""
        for name, output in self.tensors.items():
            if (output.source, output.shows) == (direction[0], direction[1]):
                return name
        raise GanzooError(f"the method {type(self).__name__} lists no tensor with translations {direction}")

    def style_size(self, domain: str) -> int:
        """Return how many numbers tell a style of a domain; 0 where translations have none."""
        return 0

    def draw_style(self, domain: str, draws: Draws) -> Tensor:
        """Return a style of a domain for each generator, (B, numbers): N(0, I), unless the method knows better."""
        return draws.normal(self.style_size(domain))

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the styles (B, numbers) of a domain's images (B, C, H, W) in [−1, 1]."""
        raise GanzooError(f"the method {type(self).__name__} knows no styles")

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return the learning rate's factor after ``done`` of ``total`` epochs, or steps, as the run is given.

        ``step`` counts steps in any case. See ``schedule.py``.
        """
        from ganzoo.interfaces.lr_schedule import linear_decay

        return linear_decay(done, total, decay)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what the method keeps between steps (pools, banks), so that a resumed run goes on the same."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what ``state_dict`` gave."""

    def undo(self) -> None:
        """Take back what this step put into the kept state; called when the step was not finite and is skipped."""
