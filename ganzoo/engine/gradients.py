"""What a phase has for its optimizers, taken from the networks until they step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Gradients:
    """The gradients of a phase.

    Args:
        taken: each optimizer with those of its parameters.
        skip: 1 on the device where they are not finite, else 0.
    """

    taken: Sequence[tuple[torch.optim.Optimizer, Mapping[nn.Parameter, Tensor]]]
    skip: Tensor

    def step(self) -> None:
        """Give each optimizer its gradients, and step it unless they are to be skipped."""
        for optimizer, gradients in self.taken:
            for parameter, gradient in gradients.items():
                parameter.grad = gradient
            _step_unless(self.skip, optimizer)
            optimizer.zero_grad(set_to_none=True)


def parameters_of(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Return what an optimizer steps."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def _step_unless(skip: Tensor, optimizer: torch.optim.Optimizer) -> None:
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        # Fused optimizers skip on the device by this flag (it is how GradScaler talks to them): no host read.
        optimizer.grad_scale = None  # type: ignore[attr-defined]
        optimizer.found_inf = skip  # type: ignore[attr-defined]
        optimizer.step()
    elif not bool(skip):
        optimizer.step()
