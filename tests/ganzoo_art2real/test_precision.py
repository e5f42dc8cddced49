"""Matrix products are in full float32 inside the block, and the settings are restored."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from ganzoo_art2real.precision import BACKENDS, full_precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")


def now() -> list[str]:
    return [str(one.fp32_precision) for one in BACKENDS] or [torch.get_float32_matmul_precision()]


@pytest.mark.parametrize("allowed", ["highest", "high", "medium"])
def test_the_precision_settings_are_restored(allowed: str) -> None:
    torch.set_float32_matmul_precision(allowed)
    before = now()
    with pytest.raises(ZeroDivisionError), full_precision(CPU):
        assert set(now()) <= {"ieee", "highest"}
        1 / 0  # noqa: B018
    assert now() == before
    assert torch.get_float32_matmul_precision() == allowed


def test_autocast_is_off_inside() -> None:
    one = torch.rand(16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        with full_precision(CPU):
            assert (one @ one).dtype == torch.float32
        assert (one @ one).dtype == torch.bfloat16


@pytest.mark.skipif(not BACKENDS, reason="this torch has the older settings alone")
def test_the_newer_settings_may_be_used_beside_it() -> None:
    before = BACKENDS[0].fp32_precision
    try:
        BACKENDS[0].fp32_precision = "tf32"
        with full_precision(CPU):
            assert now() == ["ieee", "ieee"]
        assert BACKENDS[0].fp32_precision == "tf32"
    finally:
        BACKENDS[0].fp32_precision = before
