"""Fixtures for all tests: one thread a process, no cache or configuration from the user's home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)  # tiny tensors: more threads only wait for one another


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep judges and weights of a test session in a folder of its own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANZOO_CACHE", str(folder))
        for name in ("GANZOO_PLUGINS", "GANZOO_STRICT", "WORLD_SIZE", "RANK"):
            patch.delenv(name, raising=False)
        yield folder
