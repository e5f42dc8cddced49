"""Fixtures: a local file server and an empty cache."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.file_server import FileServer, serving


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder for downloads, which does not exist yet. Retries do not pause."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GANZOO_WEIGHTS", raising=False)
    monkeypatch.setattr("ganzoo.weights.download.PAUSE", 0)
    return tmp_path / "cache/weights"


@pytest.fixture
def server(cache: Path) -> Iterator[FileServer]:
    """Serve a file of 200 kB of random bytes."""
    with serving(random.Random(0).randbytes(200_000)) as served:
        yield served
