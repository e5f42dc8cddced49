"""Measure the peak memory of this process or of its accelerator."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import torch


def peak_memory(device: torch.device) -> int:
    """Return the peak memory of this process on a CUDA GPU or a CPU, in bytes; 0 if it is unknown, as on other devices.

    On a GPU it is the memory that torch allocated for tensors.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_process_memory() if device.type == "cpu" else 0


def peak_process_memory() -> int:
    """Return the peak main memory of this process, in bytes; 0 if the system does not report it."""
    with suppress(OSError):  # Linux: there getrusage includes the peak of a larger parent
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    with suppress(ImportError):  # Windows has no such module
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return 0
