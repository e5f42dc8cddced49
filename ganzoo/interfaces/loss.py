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

    It is frozen, in eval mode, and runs in float32 at any precision of the networks.

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
    """Named tensors → a float32 scalar, a mean over samples."""
    sources: Mapping[str, Source] = MappingProxyType({})
    """Files that the loss reads, by name."""

    def bind(self, method: Method, reader: Reader) -> None:
        """Validate compatibility with the method and the data, by ``check`` and before a run; raise GanzooError.

        Args:
            method: the run's method.
            reader: reads images, scaled and cropped; ``reader.dataset`` has them unchanged.
        """
