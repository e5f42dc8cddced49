"""The precision of a run, and loss scaling for fp16.

The scale grows while gradients are finite and is halved when they overflow.

The rule is that of torch's GradScaler, with these differences: one flag is used for all optimizers of a phase and all
processes; the host reads nothing from the device; and an overflow that the scale caused (harmless) is distinguished
from a gradient that is not finite without it (an error).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError
from ganzoo.utils.device import bf16_instructions

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Half precision → its type of numbers."""


def resolve_precision(precision: str, device: torch.device, setting: str) -> str:
    """Return the precision that ``auto`` means on a device, bf16 or fp32; any other precision as it is.

    It is bf16 on a CPU with ``bf16_instructions``, and on a GPU that computes bf16 itself. Raises
    GanzooError, with the name of the setting, for fp16 on a CPU.
    """
    if precision == "fp16" and device.type == "cpu":
        raise GanzooError(f"{setting}: fp16 needs a GPU; on a CPU use bf16 or fp32")
    if precision != "auto":
        return precision
    if device.type == "cpu":
        return "bf16" if bf16_instructions() else "fp32"
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if fast else "fp32"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the autocast context in which networks run at a precision; for fp32 it changes nothing."""
    return torch.autocast(device.type, HALF.get(precision), enabled=precision in HALF)


@contextmanager
def weights_cast_once(networks: Iterable[nn.Module], device: torch.device) -> Iterator[None]:
    """Run a ``with`` block without gradients, for which autocast casts the networks' weights once and keeps the casts.

    Otherwise each autocast context in the block would cast them again. The weights must not change in the block.
    """
    frozen = [one for network in networks for one in network.parameters() if not one.requires_grad]
    # Autocast keeps the casts of weights that require gradients only, until the outermost context ends.
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


START, GROW_AFTER = 2.0**16, 2000


class LossScale:
    """A dynamic loss scale; ``scale`` is a scalar on the device. With ``enabled=False`` it is always 1."""

    def __init__(self, device: torch.device, *, enabled: bool) -> None:
        self.enabled = enabled
        self.scale = torch.full((), START if enabled else 1.0, device=device)
        self.good = torch.zeros((), device=device)

    def update(self, overflow: Tensor) -> Tensor:
        """Update the scale after a phase; return 1 if gradients overflowed although the scale was 1, else 0.

        Args:
            overflow: a scalar, 1 if a gradient of the phase was not finite, else 0.
        """
        fault = overflow * (self.scale <= 1)
        if self.enabled:
            self.good = torch.where(overflow > 0, 0.0, self.good + 1)
            grown = torch.where(self.good >= GROW_AFTER, self.scale * 2, self.scale)
            self.scale = torch.where(overflow > 0, (self.scale / 2).clamp(min=1), grown)
            self.good = torch.where(self.good >= GROW_AFTER, 0.0, self.good)
        return fault

    def state_dict(self) -> dict[str, float]:
        """Return the scale, and as ``good`` the number of finite phases since it grew or gradients overflowed."""
        return {"scale": float(self.scale), "good": float(self.good)}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restore the state that ``state_dict`` returned, if there is a scale here."""
        if self.enabled:
            self.scale.fill_(state["scale"])
            self.good.fill_(state["good"])
