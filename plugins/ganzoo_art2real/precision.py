"""Compute matrix products in full float32, also in runs with lower precision; search and loss use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

BACKENDS: list[Any] = [
    backend
    for backend in (torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None))
    if hasattr(backend, "fp32_precision")
]
"""The backends whose matrix products have their own precision setting; empty before torch 2.9."""


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute float32 matrix products in full float32 within a ``with`` block: no autocast, TF32 or bfloat16.

    The settings are restored after the block.
    """
    with torch.autocast(device.type, enabled=False):
        if not BACKENDS:
            allowed = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("highest")
            try:
                yield
            finally:
                torch.set_float32_matmul_precision(allowed)
            return
        before = [backend.fp32_precision for backend in BACKENDS]
        try:
            for backend in BACKENDS:
                backend.fp32_precision = "ieee"
            yield
        finally:
            for backend, value in zip(BACKENDS, before, strict=True):
                backend.fp32_precision = value
