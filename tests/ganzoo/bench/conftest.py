"""Benches that run in this process."""

from __future__ import annotations

import pytest

from ganzoo.bench import subprocesses
from tests.support.bench_records import Runs


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Return the names of the runs that a bench makes."""
    found = Runs()
    monkeypatch.setattr(subprocesses, "run_command", found)
    return found
