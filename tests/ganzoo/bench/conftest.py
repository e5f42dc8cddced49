"""Fixtures for the tests of ganzoo bench."""

from __future__ import annotations

import pytest

from tests.support.bench_records import Runs, replace_run_command


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Run a bench's commands in this process; return the list of their names."""
    runs = Runs()
    replace_run_command(monkeypatch, runs)
    return runs
