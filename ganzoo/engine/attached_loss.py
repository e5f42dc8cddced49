"""An auxiliary loss that a recipe attaches to a method; the engine adds it to the loss terms of a phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.errors import GanzooError, suggest
from ganzoo.interfaces import Loss
from ganzoo.masks.roles import Roles
from ganzoo.step import Step


@dataclass(frozen=True)
class AttachedLoss:
    """An auxiliary loss with the tensors it reads, its weight and its phase.

    Args:
        name: the term's name, in the recipe and in logs.
        loss: the loss, frozen, on the engine's device.
        of: input of the loss → name of the tensor of the step that it reads.
        weight: the factor of the term.
        phase: the name of the phase that the term is added to.
    """

    name: str
    loss: Loss
    of: Mapping[str, str]
    weight: float
    phase: str

    def term(self, step: Step, others: Mapping[str, Tensor], masks: Roles) -> Tensor:
        """Return the weighted term, a scalar computed in float32 even under autocast.

        Args:
            step: the step with the tensors that the loss reads.
            others: the phase's other terms by name.
            masks: the recipe's maskers; they compute a mask that the loss reads, if the step does not have it yet.

        Raises GanzooError if another term has the same name, and if the step lacks a tensor that the loss reads.
        """
        if self.name in others:
            raise GanzooError(f"losses.{self.name}: the method has a term of this name; choose another")
        inputs = {}
        for key, name in self.of.items():
            tensor = masks.read(step, name)
            if tensor is None:
                raise GanzooError(f"losses.{self.name}: there is no tensor {name!r} in this step{suggest(name, step)}")
            inputs[key] = tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
        device = next(iter(inputs.values())).device if inputs else torch.device("cpu")
        with torch.autocast(device.type, enabled=False):
            return self.weight * self.loss(**inputs)
