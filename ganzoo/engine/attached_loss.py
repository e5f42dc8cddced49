"""An auxiliary loss that a recipe attaches to a method; the engine adds it to the loss terms of a phase."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.contracts.loss import check_loss_form, check_loss_value
from ganzoo.contracts.origin import Origin
from ganzoo.errors import GanzooError, prefix_errors, suggest
from ganzoo.interfaces import Loss
from ganzoo.interfaces.loss import STEP
from ganzoo.masks.roles import Roles
from ganzoo.step import Step

UNKNOWN = Origin(Loss)
"""The origin of a loss that was not built from a recipe."""


@dataclass(frozen=True)
class AttachedLoss:
    """An auxiliary loss with the tensors it reads, its weight and its phase.

    Args:
        name: the term's name, in the recipe and in logs.
        loss: the loss, frozen, on the engine's device.
        of: input of the loss → name of the tensor of the step that it reads.
        weight: the factor of the term.
        phase: the name of the phase that the term is added to.
        origin: where the loss comes from, for errors.
    """

    name: str
    loss: Loss
    of: Mapping[str, str]
    weight: float
    phase: str
    origin: Origin = UNKNOWN

    def term(self, step: Step, others: Mapping[str, Tensor], masks: Roles, *, first: bool = False) -> Tensor:
        """Return the weighted term, a scalar computed in float32 even under autocast.

        Args:
            step: the step with the tensors that the loss reads.
            others: the phase's other terms by name.
            masks: the recipe's maskers; they compute a mask that the loss reads, if the step does not have it yet.
            first: whether to check also the loss's value and gradient, which waits for the device.

        Raises GanzooError if another term has the same name, and if the step lacks a tensor that the loss reads; and
        ComponentError if the loss fails, or returns anything but a scalar.
        """
        if self.name in others:
            raise GanzooError(f"losses.{self.name}: the method has a term of this name; choose another")
        inputs: dict[str, Tensor] = {}
        for key, name in self.of.items():
            tensor = masks.read(step, name)
            if tensor is None:
                raise GanzooError(f"losses.{self.name}: there is no tensor {name!r} in this step{suggest(name, step)}")
            inputs[key] = tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
        device = next(iter([*inputs.values(), *step.values()])).device
        precision = torch.autocast(device.type, enabled=False) if self.loss.full_precision else nullcontext()
        whole = {STEP: step} if self.loss.reads_step() else {}
        with prefix_errors(f"losses.{self.name}"), precision, self.origin.catch("forward"):
            value = self.loss(**inputs, **whole)
        check_loss_form(value, self.origin, device if inputs else None)
        if first:
            check_loss_value(value, self.origin, inputs.values(), weight=self.weight)
        term: Tensor = self.weight * value
        return term
