"""An auxiliary loss as a recipe attaches it to a method; the engine adds it to its phase."""

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
    """An auxiliary loss with the tensors it reads, its weight and its phase."""

    name: str
    loss: Loss
    of: Mapping[str, str]
    weight: float
    phase: str

    def term(self, step: Step, others: Mapping[str, Tensor], masks: Roles) -> Tensor:
        """Return the weighted term, in float32 whatever the autocast. Raises GanzooError when it cannot be formed."""
        if self.name in others:
            raise GanzooError(f"losses.{self.name}: the method has a term of this name; choose another")
        inputs = {}
        for key, name in self.of.items():
            tensor = masks.read(step, name)
            if tensor is None:
                raise GanzooError(f"losses.{self.name}: there is no tensor {name!r} here{suggest(name, step)}")
            inputs[key] = tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
        device = next(iter(inputs.values())).device if inputs else torch.device("cpu")
        with torch.autocast(device.type, enabled=False):
            return self.weight * self.loss(**inputs)
