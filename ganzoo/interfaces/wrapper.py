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

    Args:
        base: the other method, which the subclass may have changed.

    >>> class Quiet(MethodWrapper):
    ...     def __init__(self, base: Method) -> None:
    ...         super().__init__(base)
    ...         base.phases = [phase for phase in base.phases if phase.name != "discriminator"]
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
