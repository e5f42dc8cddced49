"""Measure memory: its peak in this process or on its accelerator, that of a function's tensors, and what is free."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil  # comes with Accelerate
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CONTROL_GROUP = Path("/sys/fs/cgroup")
"""The folder in which Linux describes the control group of a container (version 2)."""


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


def measure_tensors(run: Callable[[], object], device: torch.device) -> int:
    """Return the most bytes of tensors that exist at once while a function runs, beside those that existed before.

    On a CUDA GPU the work memory of its kernels is included, and the peak that ``peak_memory`` returns begins anew; on
    other devices it is not.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    with _Allocations() as allocations:
        run()
    return allocations.peak


class _Allocations(TorchDispatchMode):
    """While it is active, counts the bytes of the tensors that torch's functions return, as long as they exist."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function, and count what it returns."""
        given = {
            one.untyped_storage() for one in tree_leaves((args, kwargs)) if type(one) in (Tensor, torch.nn.Parameter)
        }
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if type(leaf) in (Tensor, torch.nn.Parameter):  # else it may have no memory
                storage = leaf.untyped_storage()
                if storage not in given and storage not in self._known:
                    self._known.add(storage)
                    self._now += storage.nbytes()
                    weakref.finalize(storage, self._free, storage.nbytes())
        self.peak = max(self.peak, self._now)
        return result

    def _free(self, size: int) -> None:
        self._now -= size


def free_memory(device: torch.device) -> int:
    """Return the bytes of memory that tensors can still take on a device; 0 if it is unknown.

    On a CPU it is also limited by the control group of the process, as in containers. Cached files that the system
    drops first (``inactive_file``) count as free there, too.
    """
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type != "cpu":
        return 0
    free: int = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # without a limit the file says "max"
        limit, used = (int((CONTROL_GROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        counts = dict(line.split() for line in (CONTROL_GROUP / "memory.stat").read_text().splitlines())
        free = min(free, max(1, limit - used + int(counts.get("inactive_file", 0))))
    return free
