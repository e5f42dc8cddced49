"""The interface of layers that keep their weights within bounds."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Constrained(Protocol):
    """A layer of a network whose weights are changed in place after each step of their optimizer, as by clamping.

    ganzoo finds the layers by this function, in any network that is trained.

    >>> import torch
    >>> from torch import nn
    >>> class Gate(nn.Module):
    ...     def __init__(self) -> None:
    ...         super().__init__()
    ...         self.share = nn.Parameter(torch.tensor(0.5))
    ...     def constrain(self) -> None:
    ...         self.share.clamp_(0, 1)
    >>> isinstance(Gate(), Constrained)
    True
    """

    def constrain(self) -> None:
        """Change the layer's weights in place; ganzoo calls this without gradients."""
