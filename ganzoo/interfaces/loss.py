"""The interface of auxiliary losses, which a recipe can attach to any method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from ganzoo.contracts.signatures import parameters_of
from ganzoo.interfaces.method import Method, Source

if TYPE_CHECKING:
    from ganzoo.data.loader import Reader

STEP = "step"
"""The parameter of ``forward`` that gets the step instead of a tensor."""


class Loss(nn.Module):
    """An auxiliary loss term for any method. A recipe's ``of`` names a tensor for each parameter of ``forward``.

    A parameter of ``forward`` that is called ``step`` gets the whole ``Step``, for random draws and for calls of the
    method; ``of`` does not name it. In training the loss is in eval mode, its parameters are frozen, except those of
    ``trained``, and it runs in float32 at any precision of the networks (``full_precision``).

    >>> import torch
    >>> class Brightness(Loss):
    ...     def __init__(self, *, target: float = 0.0) -> None:
    ...         super().__init__()
    ...         self.target = target
    ...     def forward(self, image: Tensor) -> Tensor:
    ...         return (image.mean(dim=(1, 2, 3)) - self.target).abs().mean()
    >>> float(Brightness(target=0.5)(torch.zeros(2, 3, 4, 4)))
    0.5

    A loss that calls a network of the method keeps the method in ``bind``; in ``forward``, ``method.networks`` has the
    networks in training, with gradients:

    >>> class Idempotence(Loss):
    ...     full_precision = False  # the generator runs at the run's precision
    ...     def bind(self, method: Method, reader: "Reader") -> None:
    ...         self.method = method
    ...     def forward(self, image: Tensor) -> Tensor:
    ...         again = self.method.networks["G_AB"](image)
    ...         return (again.float() - image).abs().mean()
    >>> list(Idempotence.inputs())
    ['image']
    """

    forward: Callable[..., Tensor]
    """Function from named tensors of a step to the loss, a float32 scalar that is a mean over samples."""
    full_precision: ClassVar[bool] = True
    """Whether ``forward`` runs in float32. If False it runs at the precision of the run's networks, for a loss that
    calls them; it then converts what they return to float32 itself, before it computes differences and means."""
    sources: Mapping[str, Source] = MappingProxyType({})
    """Files that the loss reads, by a name."""
    of: Mapping[str, str] = MappingProxyType({})
    """Input → name of the tensor that it reads, as the recipe says; ganzoo sets it before ``bind``."""

    @classmethod
    def inputs(cls) -> dict[str, Parameter]:
        """Return the parameters of ``forward`` that get tensors, by name: all but ``self`` and ``step``."""
        return inputs_of(cls)

    @classmethod
    def reads_step(cls) -> bool:
        """Return whether ``forward`` has the parameter ``step``."""
        return STEP in signature(cls.forward).parameters

    def bind(self, method: Method, reader: Reader) -> None:
        """Raise GanzooError if the loss does not fit the method or the data.

        ``ganzoo check`` calls this, and ``ganzoo run`` before training.

        Args:
            method: the run's method.
            reader: the reader of scaled and cropped images; ``reader.dataset`` has the unchanged images.
        """

    def trained(self) -> nn.Module | None:
        """Return the network of the loss that is trained, built by ``bind``; by default None.

        Each step of the loss's phase trains it to lower the sum of the phase's terms, by an optimizer of its own, like
        the first of the phase. So its gradients are averaged over processes, and checkpoints contain it, in the slot
        ``loss_NAME``.
        """
        return None


def inputs_of(loss: type[Any]) -> dict[str, Parameter]:
    """Return the parameters of ``forward`` that get tensors, by name, also of a class that is not derived from Loss."""
    return {one.name: one for one in parameters_of(loss, "forward") if one.name != STEP}
