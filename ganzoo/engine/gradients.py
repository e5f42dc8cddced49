"""The gradients of a phase, which are stored until its optimizers step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Gradients:
    """The gradients of a phase.

    Args:
        gradients_by_optimizer: pairs of an optimizer and its gradients, parameter → gradient.
        skip: a scalar on the device, 1 if a gradient or a loss is not finite, else 0.
    """

    gradients_by_optimizer: Sequence[tuple[torch.optim.Optimizer, Mapping[nn.Parameter, Tensor]]]
    skip: Tensor

    def step(self) -> None:
        """Step each optimizer with its gradients, unless ``skip`` is 1; then clear the gradients."""
        for optimizer, gradients in self.gradients_by_optimizer:
            for parameter, gradient in gradients.items():
                parameter.grad = gradient
            _step_unless(self.skip, optimizer)
            optimizer.zero_grad(set_to_none=True)


def parameters_of(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Return the parameters that an optimizer steps."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def _step_unless(skip: Tensor, optimizer: torch.optim.Optimizer) -> None:
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        # Fused optimizers read this flag on the device, as GradScaler sets it: the host need not wait for its value.
        optimizer.grad_scale = None  # type: ignore[attr-defined]
        optimizer.found_inf = skip  # type: ignore[attr-defined]
        optimizer.step()
    elif not bool(skip):
        optimizer.step()
