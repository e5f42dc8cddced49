"""Fixtures for tests of the core: stand-in components that recipes can name, and a tiny run."""

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
    """Register the stand-in components beside the installed ones, and change to the test's folder."""
    loaded, additions = Plugins(), Registration("testing")
    loaded.load(find_entry_points())
    for kind, name, component in PARTS:
        additions.add(kind, name, component)
    loaded.registry.accept(additions)
    monkeypatch.setattr("ganzoo.recipe.reader.plugins", lambda: loaded)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tiny recipe and its images."""
    folder = tmp_path_factory.mktemp("home")
    write_recipe(folder)
    return folder


@pytest.fixture(scope="session")
def whole(home: Path) -> Path:
    """Return the folder of an uninterrupted run."""
    package.run(home / "tiny.yaml", root=home / "runs")
    return home / "runs" / "tiny" / "default"
