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
"""Source and target domain of a translation; with AA, a supervised method with one domain computes its output."""


@dataclass(frozen=True)
class Slot:
    """A place for a network.

    Args:
        kind: ``generator``, ``discriminator`` or ``masker``; empty for a network that the method builds itself in
            ``setup``. All networks except discriminators are averaged (``train.ema``) and used to translate.
        reads: domains whose channels, concatenated, are the input (pix2pix's discriminator: ``("A", "B")``).
        writes: the domain whose channels are a generator's output.
        calls: names of the functions that the method calls on the network; a component whose class does not define one
            is refused.
        default: component and options that are used unless the recipe sets others.
        own: whether the method builds the network itself in ``setup``, although it has a kind.
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
        path: the path of the file or folder.
        key: the checksum of its content.
    """

    path: Path
    key: str


@dataclass(frozen=True)
class Optim:
    """An optimizer of the networks in some slots. A parameter that two of its networks share is stepped once.

    Args:
        slots: names of the slots.
        optimizer: the class of the optimizer.
        options: the optimizer's arguments besides the learning rate.
        lr: the factor of the run's learning rate.
        clip: the largest norm of the gradient of all its parameters together; None for no limit.
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
        name: the phase's name in logs and in a recipe's ``losses``.
        steps: names of the optims that the phase steps, which are keys of ``Method.optims``.
        losses: function from a step to its loss terms: name → scalar, a mean over samples. All processes must return
            the same names: a term without input is 0, not missing.
        every: the number n, if the phase runs only in every n-th step.
        forward: ``shared`` reads the tensors of the step's forward pass, with gradients; ``detached`` reads the same
            tensors without gradients; ``fresh`` runs the method's forward again for this phase. Keyed random draws
            are then the same, unless their purpose contains ``step.phase``.
        defer_step: whether to step the optims only after the next phase's backward pass, so that both phases use the
            same weights.
    """

    name: str
    steps: tuple[str, ...]
    losses: Callable[[Step], dict[str, Tensor]]
    every: int = 1
    forward: Literal["shared", "detached", "fresh"] = "shared"
    defer_step: bool = False


@dataclass(frozen=True)
class Output:
    """The description of a tensor that a method adds to the step.

    Args:
        source: domain of the real image that the tensor comes from: ``A`` for ``fake_B``. The data set's mask of that
            image is also the tensor's mask. None if it comes from no image of this step, but from an image pool, say.
        shows: domain whose images it resembles, with their channels and classes: ``B`` for ``fake_B``. Empty for a
            mask in [0, 1].
        for_losses: whether it is in every training step, so that a recipe's losses may read it.
        in_grid: whether sample grids show it.
    """

    source: str | None
    shows: str
    for_losses: bool = True
    in_grid: bool = True

    @property
    def is_translation(self) -> bool:
        """Whether the tensor is a real image of one domain translated to the other."""
        return bool(self.source and self.shows and self.source != self.shows)


class Method(ABC):
    """A training scheme: its networks, the tensors that it computes and the phases of a training step.

    A method without phases has nothing to train: its recipe sets no training length, and its run only measures metrics
    and draws a sample grid; ``ganzoo translate`` can use the run.

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
    """Masks and label maps that the data set must provide, such as ``given_mask_A`` or ``given_labels_B``."""
    paired: ClassVar[bool] = False
    """Whether it needs data in which image i of A and image i of B show the same scene."""
    group: ClassVar[int] = 1
    """Number of images of a domain that it processes together; ``train.batch`` must be a multiple of it."""

    slots: Mapping[str, Slot]
    """Name → slot, the place of a network."""
    optims: Mapping[str, Optim]
    """Name → optimizer."""
    phases: Sequence[Phase]
    """Phases of a training step, in order."""
    tensors: Mapping[str, Output]
    """Name → description of a tensor that the method adds to the step."""
    networks: Mapping[str, nn.Module]
    """Networks by slot, after ``bind``; during evaluation, their averages if there are any."""
    masks: Roles
    """The recipe's maskers, after ``bind``."""
    sources: Mapping[str, Source] = MappingProxyType({})
    """Files that the method reads, by a name."""

    def bind(self, networks: Mapping[str, nn.Module], masks: Roles) -> None:
        """Store the networks (by slot) and the recipe's maskers, and tell the maskers the source of each tensor.

        ganzoo calls this before ``setup``, and again to replace maskers.
        """
        self.networks = networks
        self.masks = masks
        masks.set_sources({name: output.source for name, output in self.tensors.items()})

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Build and return the networks that the method builds itself, slot → network; by default none.

        ganzoo calls this once, without gradients.

        Args:
            example: a step with one blank image of each domain, for a forward pass that finds out shapes.
        """
        return {}

    def prepare(self, reader: Reader) -> None:
        """Prepare for training, and raise GanzooError if the data does not fit the method; by default do nothing.

        ``ganzoo check`` calls this, and ``ganzoo run`` before training.

        Args:
            reader: the reader of images, scaled and cropped as for training; ``reader.images`` has the settings.
        """

    @abstractmethod
    def forward(self, step: Step) -> None:
        """Add to the step the tensors that phases, sample grids and metrics read, such as ``fake_B`` and ``rec_A``."""

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return the translations (B, C, H, W) of images, which may be larger or smaller than in training.

        Args:
            images: images of the source domain, (B, C, H, W) in [−1, 1].
            direction: the source and target domain, for example ``AB``.
            step: the step with the random draws, and optionally masks and a tensor ``style``; images and masks may be
                added to it.

        Raises GanzooError if the method cannot translate single images, as it is by default.
        """
        raise GanzooError(f"the method {type(self).__name__} does not translate single images")

    def translated(self, direction: Direction) -> str:
        """Return the name of the tensor that holds a direction's translations, such as ``fake_B`` for AB.

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
        """Return random styles of a domain, (B, length), from the draws of B samples; by default from N(0, I)."""
        return draws.normal(self.style_size(domain))

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the styles (B, length) of a domain's images (B, C, H, W) in [−1, 1].

        Raises GanzooError if the method has no styles.
        """
        raise GanzooError(f"the method {type(self).__name__} has no styles")

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return the factor of the learning rate; by default that of ``linear_decay``.

        Args:
            done: the number of finished epochs, or of finished steps if the run's length is in steps.
            total: the run's length in the same unit.
            decay: the share of the run, 0 … 1, in which the rate decreases.
            step: the number of finished steps.
        """
        return linear_decay(done, total, decay)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the tensors that the method keeps between steps, such as image pools; a checkpoint saves them.

        They may be detached, but not ``.data`` or parts of NumPy arrays: a change of these in place goes unnoticed.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state that ``state_dict`` returned; it is empty for a method that has not been trained."""

    def undo(self) -> None:
        """Undo the latest step's change of the state; called if the step was not finite, so that it does not count."""
