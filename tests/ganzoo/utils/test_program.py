"""The words that start ganzoo in the user's shell: on the path, in an environment, or as a module."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganzoo.utils.program import program_name

Place = Callable[[str], Path]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Run in an empty folder with an empty path; return a function that puts a program into a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "my env/bin/python"))
    program_name.cache_clear()

    def write(name: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
        return file

    yield write
    program_name.cache_clear()


def test_an_environment_that_is_not_active_is_named_by_its_path(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place("my env/bin/ganzoo")
    assert program_name() == "'my env/bin/ganzoo'"
    program_name.cache_clear()
    place("elsewhere/x")
    monkeypatch.chdir("elsewhere")
    assert program_name() == f"'{place('my env/bin/ganzoo')}'"


def test_an_active_environment_needs_the_name_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    file = place("my env/bin/ganzoo")
    monkeypatch.setenv("PATH", str(file.parent))
    assert program_name() == "ganzoo"


def test_another_ganzoo_on_the_path_is_not_meant(place: Place) -> None:
    place("bin/ganzoo")
    place("my env/bin/ganzoo")
    assert program_name() == "'my env/bin/ganzoo'"


def test_without_the_program_the_module_is_run(place: Place) -> None:
    assert program_name() == "'my env/bin/python' -m ganzoo"
