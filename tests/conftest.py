"""Fixtures for all tests: one thread per process, no cache or configuration from the user's home folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support.command_line import Command, Run, call_here
from tests.support.published_weights import Published


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the contracts of bundled components that take long or need a GPU, which have no marks for other authors."""
    for item in items:
        name, _, case = item.name.partition("[")
        if name in ("test_two_processes_train_as_one", "test_it_can_be_exported"):
            item.add_marker("slow")
        if name == "test_it_trains_on_the_accelerator" or (name == "test_it_runs_on" and case != "cpu]"):
            item.add_marker("gpu")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)  # tiny tensors: more threads would only wait for each other


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the test session its own cache folder, for classifiers and weights."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANZOO_CACHE", str(folder))
        for name in ("GANZOO_PLUGINS", "GANZOO_STRICT", "GANZOO_WEIGHTS", "WORLD_SIZE", "RANK"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """Return a store for replacements of published weights; nothing is downloaded."""
    return Published(tmp_path, monkeypatch)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that calls the command line in this process: exit code, stdout and stderr by name."""
    return lambda *words: call_here(words, capsys)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that calls the command line in this process: exit code, stdout, stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        done = call_here(words, capsys)
        return done.returncode, done.stdout, done.stderr

    return call
