"""The scale that keeps fp16 gradients from vanishing: grown while they fit, halved when they overflow.

torch's GradScaler does the same for one optimizer at a time; here one verdict serves a whole phase, is one for
all processes, needs no read from the device, and tells an overflow of the scale, which is nothing wrong, from
one of the gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

START, GROW_AFTER = 2.0**16, 2000


class LossScale:
    """A dynamic loss scale on the device; ``enabled=False`` keeps it at 1 for good."""

    def __init__(self, device: torch.device, *, enabled: bool) -> None:
        self.enabled = enabled
        self.scale = torch.full((), START if enabled else 1.0, device=device)
        self.good = torch.zeros((), device=device)

    def update(self, overflow: Tensor) -> Tensor:
        """Take the verdict of a phase (1: its gradients were not finite); return 1 where the scale is not to blame."""
        fault = overflow * (self.scale <= 1)
        if self.enabled:
            self.good = torch.where(overflow > 0, 0.0, self.good + 1)
            grown = torch.where(self.good >= GROW_AFTER, self.scale * 2, self.scale)
            self.scale = torch.where(overflow > 0, (self.scale / 2).clamp(min=1), grown)
            self.good = torch.where(self.good >= GROW_AFTER, 0.0, self.good)
        return fault

    def state_dict(self) -> dict[str, float]:
        """Return the scale and the number of good phases since it changed."""
        return {"scale": float(self.scale), "good": float(self.good)}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take back what ``state_dict`` gave."""
        self.scale.fill_(state["scale"])
        self.good.fill_(state["good"])
