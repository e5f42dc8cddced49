"""Marks of single cases of parametrized tests."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest


def fast_or_slow(case: str, fast: Collection[str]) -> Any:
    """Return a case of a parametrized test, marked as slow unless it is one of ``fast``."""
    return case if case in fast else pytest.param(case, marks=pytest.mark.slow)
