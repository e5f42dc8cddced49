"""Let the tests of the examples run as if their packages were installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.conftest import _one_thread, _own_cache
from tests.support.example_packages import EXAMPLES, example_packages

__all__ = ["_one_thread", "_own_cache"]

sys.path += [str(example) for example in EXAMPLES]  # before the test modules are imported


@pytest.fixture(autouse=True, scope="module")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with example_packages(tmp_path_factory.mktemp("metadata")):
        yield
