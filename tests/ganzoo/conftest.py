"""Recipes that name stand-in components, and a tiny run."""

from __future__ import annotations

from pathlib import Path

import pytest

import ganzoo as package
from ganzoo.plugins import Plugins, find_entry_points
from ganzoo.registry import Registration
from tests.support.stand_in_components import PARTS
from tests.support.tiny_run import write_recipe


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let recipes name the stand-ins of ``recipes`` beside all that is installed, and lie in a folder of the test."""
    found, mine = Plugins(), Registration("testing")
    found.load(find_entry_points())
    for kind, name, made in PARTS:
        mine.add(kind, name, made)
    found.registry.accept(mine)
    monkeypatch.setattr("ganzoo.recipe.reader.plugins", lambda: found)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tiny recipe and its images."""
    folder = tmp_path_factory.mktemp("home")
    write_recipe(folder)
    return folder


@pytest.fixture(scope="session")
def whole(home: Path) -> Path:
    """An uninterrupted run."""
    package.run(home / "tiny.yaml", root=home / "runs")
    return home / "runs" / "tiny" / "default"
