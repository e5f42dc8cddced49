"""A folder with the layout that most data sets have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.image_folders import save


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four training images of A, some nested, two of B, one of each for test."""
    home = tmp_path / "my data ü"
    for number, name in enumerate(("a.png", "b 1.png", "deep/er/c.png", "deep/ü.png")):
        save(home / "trainA" / name, number)
    for name in ("testA/t.png", "trainB/x.png", "trainB/y.png", "testB/t.png"):
        save(home / name, 100)
    return home
