"""A short run whose checkpoints are evaluated."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import ganzoo as package
from tests.support.tiny_run import write_recipe


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of 4 steps with the checkpoints last, best, step-2 and step-4; no test changes it."""
    folder = tmp_path_factory.mktemp("kept")
    package.run(write_recipe(folder, train={"steps": 4, "keep": 2}), root=folder)
    return folder / "tiny/default"


@pytest.fixture
def kept_copy(kept: Path, tmp_path: Path) -> Path:
    """Return a copy of that run, which a test may change."""
    return Path(shutil.copytree(kept, tmp_path / "tiny/default"))
