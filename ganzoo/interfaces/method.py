"""The interface of methods (training schemes), with the slots, optims, phases and outputs that a method declares."""

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
from ganzoo.interfaces.lr_schedule import linear_decay
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step

if TYPE_CHECKING:
    from ganzoo.data.loader import Reader

Direction = Literal["AB", "BA", "AA"]
"""Source and target domain of a translation; AA is the output of a supervised method with one domain."""


@dataclass(frozen=True)
class Slot:
    """A place for a network.

    Args:
        kind: ``generator``, ``discriminator`` or ``masker``; empty for a network that the method builds itself in
            ``setup``. All networks except discriminators are averaged (``train.ema``) and used to translate.
        reads: domains whose channels, concatenated, are the input (pix2pix's discriminator: ``("A", "B")``).
        writes: domain whose channels are the output (generators).
        calls: methods that are called on the network; a component without one of them is refused.
        default: component and options that are used when the recipe names none.
        own: the method builds the network itself in ``setup``, although it has a kind.
    """

    kind: Literal["generator", "discriminator", "masker", ""]
    reads: tuple[str, ...] = ()
    writes: str = ""
    calls: tuple[str, ...] = ("forward",)
    default: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False


@dataclass(frozen=True)
class Source:
    """A file or folder that a component reads besides recipe and data, such as weights or a bank of patches.

    A run resumes only if the checksum is unchanged; ``ganzoo check`` shows the size.

    Args:
        path: path of the file or folder.
        key: checksum of its content.
    """

    path: Path
    key: str


@dataclass(frozen=True)
class Optim:
    """An optimizer of the networks in some slots. Parameters that two of its networks share are stepped once.

    Args:
        slots: names of slots.
        optimizer: class of the optimizer.
        options: arguments of the optimizer besides the learning rate.
        lr: factor of the run's learning rate.
        clip: largest norm of the gradient, or None for no limit.
    """

    slots: tuple[str, ...]
    optimizer: type[torch.optim.Optimizer] = torch.optim.Adam
    options: Mapping[str, Any] = field(default_factory=lambda: {"betas": (0.5, 0.999)})
    lr: float = 1.0
    clip: float | None = None


@dataclass(frozen=True)
class Phase:
    """One part of a training step: loss terms that are summed, and the optims that are stepped with their gradients.

    Networks that the phase does not train are frozen during it; gradients still pass through them.

    Args:
        name: shown in logs; a recipe's ``losses`` refers to it.
        steps: names of optims.
        losses: step → {term: scalar, a mean over samples}; the terms are summed. All processes must return the same
            terms: a term without input is 0, not missing.
        every: run the phase in each n-th step only.
        forward: ``shared`` reads the tensors of the step's forward pass, with gradients; ``detached`` reads the same
            tensors without gradients; ``fresh`` runs the method's forward again for this phase. Keyed random draws
            are then the same, unless their purpose contains ``step.phase``.
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
    """Description of a tensor that a method adds to the step.

    Args:
        source: domain of the real image that the tensor comes from and whose mask it gets: ``A`` for ``fake_B``.
            None if it comes from no image of this step, for example from an image pool.
        shows: domain whose images it resembles, with their channels and classes: ``B`` for ``fake_B``. Empty for a
            mask in [0, 1].
        for_losses: it is in each training step, so a recipe's losses may read it.
        in_grid: sample grids show it.
    """

    source: str | None
    shows: str
    for_losses: bool = True
    in_grid: bool = True

    @property
    def is_translation(self) -> bool:
        """Whether it is an image of one domain translated to the other."""
        return bool(self.source and self.shows and self.source != self.shows)


class Method(ABC):
    """A training scheme: its networks, the tensors that it computes and the phases of a training step.

    A method without phases has nothing to train: its recipe has no length, and its run measures metrics, draws samples
    and can translate.

    A complete example, an autoencoder:

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
    """The mask roles that it supports: ``input``, ``discriminator``, ``composite``, ``labels``."""
    requires: ClassVar[tuple[str, ...]] = ()
    """The mask roles for which the recipe must have a masker."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Tensors that the data set must provide besides the images, such as ``given_mask_A``."""
    paired: ClassVar[bool] = False
    """Whether it needs data in which A and B show the same scene."""
    group: ClassVar[int] = 1
    """Number of images of a domain that it processes together: ``train.batch`` must be a multiple."""

    slots: Mapping[str, Slot]
    """Places for networks, by name."""
    optims: Mapping[str, Optim]
    """Optimizers by name."""
    phases: Sequence[Phase]
    """Phases of a training step, in order."""
    tensors: Mapping[str, Output]
    """Tensors that ``forward`` adds to the step, by name."""
    networks: Mapping[str, nn.Module]
    """Networks by slot, after ``bind``; during evaluation their averages."""
    masks: Roles
    """The recipe's maskers, after ``bind``."""
    sources: Mapping[str, Source] = MappingProxyType({})
    """Files that the method reads, by name."""

    def bind(self, networks: Mapping[str, nn.Module], masks: Roles) -> None:
        """Store the built networks and the recipe's maskers; called before ``setup``."""
        self.networks = networks
        self.masks = masks
        masks.set_sources({name: output.source for name, output in self.tensors.items()})

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Build the networks that the method builds itself: slot → network; called once, without gradients.

        Args:
            example: blank images, batch 1, from which a dry forward gives the shapes.
        """
        return {}

    def prepare(self, reader: Reader) -> None:
        """Prepare for training and validate the data; raise GanzooError. Called by ``check`` and before a run.

        Args:
            reader: reads images, scaled and cropped as for training; ``reader.images`` has the settings.
        """

    @abstractmethod
    def forward(self, step: Step) -> None:
        """Add to the step the tensors that phases, sample grids and metrics read: ``fake_B``, ``rec_A``, …"""

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Translate images (B, C, H, W) in [−1, 1] of any height and width.

        Args:
            images: of the source domain.
            direction: for example ``AB``.
            step: has the random draws, and optionally masks and a ``style`` tensor.

        Raises GanzooError if the method cannot translate single images.
        """
        raise GanzooError(f"the method {type(self).__name__} does not translate single images")

    def translated(self, direction: Direction) -> str:
        """Return the name of the tensor with a direction's translations, such as ``fake_B`` for AB.

        Raises GanzooError if ``tensors`` has none.
        """
        for name, output in self.tensors.items():
            if (output.source, output.shows) == (direction[0], direction[1]):
                return name
        raise GanzooError(f"the method {type(self).__name__} lists no tensor with translations {direction}")

    def style_size(self, domain: str) -> int:
        """Return the length of a domain's style vector; 0 if translations have no style."""
        return 0

    def draw_style(self, domain: str, draws: Draws) -> Tensor:
        """Return random styles of a domain (B, length), one for each sample; by default from N(0, I)."""
        return draws.normal(self.style_size(domain))

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the styles (B, length) of a domain's images (B, C, H, W) in [−1, 1].

        Raises GanzooError if the method has no styles.
        """
        raise GanzooError(f"the method {type(self).__name__} has no styles")

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return the factor of the learning rate; by default ``linear_decay``.

        Args:
            done: epochs finished, or steps if the run's length is in steps.
            total: length of the run in the same unit.
            decay: share of the run, 0 … 1, in which the rate decreases.
            step: steps finished.
        """
        return linear_decay(done, total, decay)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the method's state between steps (image pools, banks), which checkpoints save for resuming."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the result of ``state_dict``, which is empty for a method that has not been trained."""

    def undo(self) -> None:
        """Undo this step's change to the state; called when the step was not finite and is skipped."""
