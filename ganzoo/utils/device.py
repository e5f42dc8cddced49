"""Choose the device for work outside a training run, and ask what the processor can do."""

from __future__ import annotations

import torch


def default_device() -> torch.device:
    """Return the GPU or another accelerator that torch can use, if there is one, else the CPU."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return accelerator or torch.device("cpu")


def bf16_instructions() -> list[str]:
    """Return the instructions of this processor that compute in bf16 faster than in fp32: amx_bf16, avx512_bf16."""
    if hasattr(torch.cpu, "get_capabilities"):
        known = torch.cpu.get_capabilities()
    else:  # older versions of torch have one function for each
        known = {"amx_bf16": torch.cpu._is_amx_tile_supported(), "avx512_bf16": torch.cpu._is_avx512_bf16_supported()}
    return [name for name in ("amx_bf16", "avx512_bf16") if known.get(name)]
