"""The interface of auxiliary losses, which attach to any method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ganzoo.interfaces.method import Method, Source

if TYPE_CHECKING:
    from ganzoo.data.loader import Reader


class Loss(nn.Module):
    """An auxiliary term for any method. The parameters of ``forward`` are the names that a recipe's ``of`` fills.

    It is frozen, in eval mode, and runs in float32 whatever the precision of the networks.

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
    """Named tensors → a scalar in float32, a mean over samples."""
    sources: Mapping[str, Source] = MappingProxyType({})

    def bind(self, method: Method, reader: Reader) -> None:
        """Take what it attaches to, and refuse at once what cannot be, as ``Metric.bind``."""
