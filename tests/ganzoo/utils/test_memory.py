"""The memory of tensors is measured as it exists at once, and free memory is known on a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ganzoo.utils import memory
from ganzoo.utils.memory import free_memory, measure_tensors

CPU = torch.device("cpu")


def test_the_peak_counts_tensors_that_exist_at_once() -> None:
    existing = torch.ones(1000)

    def run() -> None:
        first = existing + 1  # 4,000 bytes
        second = torch.cat([first, first])  # 8,000 more
        del first
        second.mul_(2).view(2, 1000)  # in place, and a view: nothing more
        del second
        torch.zeros(2000)

    assert measure_tensors(run, CPU) == 12_000


def test_tensors_for_the_backward_pass_count() -> None:
    weight = torch.ones(1000, requires_grad=True)
    assert measure_tensors(lambda: weight.exp().exp().exp().sum().backward(), CPU) >= 3 * 4000
    with torch.no_grad():
        assert measure_tensors(lambda: weight.exp().exp().exp(), CPU) == 2 * 4000


def test_tensors_of_a_trace_have_no_memory() -> None:
    def trace() -> None:
        with FakeTensorMode():
            torch.ones(10**6) + 1

    assert measure_tensors(trace, CPU) < 1000


def test_free_memory_of_a_cpu_is_known_and_that_of_other_devices_is_not() -> None:
    assert free_memory(CPU) > 1 << 20
    assert free_memory(torch.device("meta")) == 0


@pytest.mark.parametrize(
    ("limit", "used", "cached", "expected"),
    [
        ("100000", 99_000, 60_000, 61_000),
        ("100000", 99_000, 0, 1_000),
        ("100000", 100_000, 0, 1),  # full, and not unknown
        ("max", 99_000, 0, None),
    ],
)
def test_cached_files_of_a_container_are_free_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, used: int, cached: int, expected: int | None
) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{used}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1000\nfile {cached + 7}\ninactive_file {cached}\nactive_file 7\n")
    monkeypatch.setattr(memory, "CONTROL_GROUP", tmp_path)
    free = free_memory(CPU)
    assert free == expected if expected else free > 1 << 20
