"""Products of matrices in float32, whatever the run allows elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

BACKENDS: list[Any] = [
    one
    for one in (torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None))
    if hasattr(one, "fp32_precision")
]
"""Whose products have a precision of their own; none before torch 2.9."""


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Keep autocast, TF32 and bfloat16 out of the products of float32 for the time of a block."""
    with torch.autocast(device.type, enabled=False):
        if not BACKENDS:
            allowed = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("highest")
            try:
                yield
            finally:
                torch.set_float32_matmul_precision(allowed)
            return
        before = [one.fp32_precision for one in BACKENDS]
        try:
            for one in BACKENDS:
                one.fp32_precision = "ieee"
            yield
        finally:
            for one, value in zip(BACKENDS, before, strict=True):
                one.fp32_precision = value
