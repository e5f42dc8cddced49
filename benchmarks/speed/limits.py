"""The limit of a machine: how many operations a second its fastest matrix product and convolution reach."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from benchmarks.speed.timing import append


def measure(rounds: int) -> None:
    """Measure a product of 2048×2048 matrices and a 3×3 convolution of 256 channels, in fp32 and bf16."""
    matrix, maps, kernel = torch.rand(2048, 2048), torch.rand(1, 256, 128, 128), torch.rand(256, 256, 3, 3)
    rows = []
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a = matrix.to(dtype)
        x, k = (one.to(dtype).contiguous(memory_format=torch.channels_last) for one in (maps, kernel))
        operations: dict[str, tuple[Callable[[], object], int]] = {
            "matrix product": (lambda a=a: a @ a, 2 * 2048**3),  # type: ignore[misc]
            "convolution": (lambda x=x, k=k: F.conv2d(x, k, padding=1), 2 * 9 * 256 * 256 * 128 * 128),  # type: ignore[misc]
        }
        for name, (run, count) in operations.items():
            speed = count / _seconds(run, rounds) / 1e9
            rows.append({"operation": name, "precision": precision, "gflop_per_s": round(speed), "rounds": rounds})
    append("limits", rows)


def _seconds(run: Callable[[], object], rounds: int) -> float:
    run()
    times = []
    for _ in range(3 * rounds):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
