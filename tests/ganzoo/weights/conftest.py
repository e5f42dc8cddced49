"""A file that a local server has, and an empty cache."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.file_server import FileServer, serving


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder for fetched weights, which is not there yet. Between two tries nobody waits."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GANZOO_WEIGHTS", raising=False)
    monkeypatch.setattr("ganzoo.weights.download.PAUSE", 0)
    return tmp_path / "cache/weights"


@pytest.fixture
def server(cache: Path) -> Iterator[FileServer]:
    """A server of 200 kB of noise."""
    with serving(random.Random(0).randbytes(200_000)) as served:
        yield served
