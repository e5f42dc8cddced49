"""A base class for methods that change another method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ganzoo.interfaces.method import Direction, Method
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step

if TYPE_CHECKING:
    from ganzoo.data.loader import Reader


class MethodWrapper(Method):
    """A method that calls the functions of another one, ``base``; a subclass defines only what differs.

    The attributes that describe the class, such as ``directions``, ``accepts`` and ``paired``, are not taken from
    ``base``: a subclass sets them itself.

    The slots, optims, phases and tensors are those of ``base`` at first; a subclass replaces its own, not those of
    ``base``.

    Args:
        base: the other method, which the subclass may have changed.

    >>> import torch
    >>> from dataclasses import replace
    >>> from ganzoo.interfaces import Optim, Output, Phase, Slot
    >>> class Recolour(Method):
    ...     def __init__(self) -> None:
    ...         self.slots = {"G": Slot("generator", ("A",), "B")}
    ...         self.optims = {"G": Optim(("G",))}
    ...         self.phases = [Phase("generator", ("G",), self.generator_losses)]
    ...         self.tensors = {"fake_B": Output("A", "B")}
    ...     def forward(self, step: Step) -> None:
    ...         step["fake_B"] = self.networks["G"](step["real_A"])
    ...     def generator_losses(self, step: Step) -> dict[str, Tensor]:
    ...         return {"mean": (step["fake_B"].mean((2, 3)) - step["real_B"].mean((2, 3))).abs().mean()}
    >>> class CarefulRecolour(MethodWrapper):
    ...     def __init__(self, *, keep: float = 0.1) -> None:
    ...         super().__init__(Recolour())
    ...         self.keep = keep
    ...         self.phases = [replace(phase, losses=self.generator_losses) for phase in self.phases]
    ...     def generator_losses(self, step: Step) -> dict[str, Tensor]:
    ...         kept = (step["fake_B"] - step["real_A"]).abs().mean()
    ...         return {**self.base.phases[0].losses(step), "keep": self.keep * kept}
    >>> grey = torch.zeros(1, 3, 2, 2)
    >>> step = Step({"real_A": grey, "real_B": grey + 0.5, "fake_B": grey + 1}, seed=0, index=0, samples=[0])
    >>> {name: round(float(value), 2) for name, value in CarefulRecolour().phases[0].losses(step).items()}
    {'mean': 0.5, 'keep': 0.1}
    """

    def __init__(self, base: Method) -> None:
        self.base = base
        self.slots, self.optims, self.phases, self.tensors = base.slots, base.optims, base.phases, base.tensors
        self.sources = base.sources

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The base's networks."""
        return self.base.networks

    @networks.setter
    def networks(self, networks: Mapping[str, nn.Module]) -> None:
        self.base.networks = networks

    def bind(self, networks: Mapping[str, nn.Module], masks: Roles) -> None:
        """Pass networks and maskers to the base, and tell the maskers the sources of this method's tensors."""
        self.base.bind(networks, masks)
        self.masks = masks
        masks.set_sources({name: output.source for name, output in self.tensors.items()})

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Build and return the networks that the base builds itself."""
        return self.base.setup(example)

    def prepare(self, reader: Reader) -> None:
        """Prepare the base for training."""
        self.base.prepare(reader)

    def forward(self, step: Step) -> None:
        """Run the base's forward."""
        self.base.forward(step)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return the base's translations."""
        return self.base.translate(images, direction, step)

    def translated(self, direction: Direction) -> str:
        """Return the name of the base's tensor that holds a direction's translations."""
        return self.base.translated(direction)

    def style_size(self, domain: str) -> int:
        """Return the length of the base's style vectors."""
        return self.base.style_size(domain)

    def draw_style(self, domain: str, draws: Draws) -> Tensor:
        """Return random styles, drawn by the base."""
        return self.base.draw_style(domain, draws)

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the styles that the base finds in a domain's images."""
        return self.base.style_of(images, domain)

    def lr_factor(self, done: int, total: int, decay: float, step: int) -> float:
        """Return the base's factor of the learning rate."""
        return self.base.lr_factor(done, total, decay, step)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the base's state."""
        return self.base.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the base's state."""
        self.base.load_state_dict(state)

    def undo(self) -> None:
        """Undo the latest step's change of the base's state."""
        self.base.undo()
