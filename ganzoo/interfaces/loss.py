"""The interface of auxiliary losses, which a recipe can attach to any method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ganzoo.interfaces.method import Method, Source

if TYPE_CHECKING:
    from ganzoo.data.loader import Reader


class Loss(nn.Module):
    """An auxiliary loss term for any method. A recipe's ``of`` names a tensor for each parameter of ``forward``.

    In training its parameters are frozen, it is in eval mode, and it runs in float32 at any precision of the networks.

    >>> import torch
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
    """Function from named tensors of a step to the loss, a float32 scalar that is a mean over samples."""
    sources: Mapping[str, Source] = MappingProxyType({})
    """Files that the loss reads, by a name."""

    def bind(self, method: Method, reader: Reader) -> None:
        """Raise GanzooError if the loss does not fit the method or the data.

        ``ganzoo check`` calls this, and ``ganzoo run`` before training.

        Args:
            method: the run's method.
            reader: the reader of scaled and cropped images; ``reader.dataset`` has the unchanged images.
        """
