"""Choose the device for work outside a training run."""

from __future__ import annotations

import torch


def default_device() -> torch.device:
    """Return the GPU or another accelerator that torch can use, if there is one, else the CPU."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return accelerator or torch.device("cpu")
