"""Peak memory of this process or its accelerator."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import torch


def peak_memory(device: torch.device) -> int:
    """Return the most memory that this process has had on a device, bytes; 0 where that is not known."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return peak_process_memory() if device.type == "cpu" else 0


def peak_process_memory() -> int:
    """Return the most memory that this process has had, bytes; 0 where the system does not say."""
    with suppress(OSError):  # Linux: what getrusage says is inherited from a larger parent
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    with suppress(ImportError):  # Windows
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return 0
