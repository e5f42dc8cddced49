"""What a call says to its user: the command line's words, or the line with which it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ganzoo.errors import GanzooError

Run = Callable[..., tuple[int, str, str]]
"""The fixture ``run``: words of the command line → its exit code, what it said, what it said of errors."""


def refusal(call: Callable[..., object], *given: Any, **options: Any) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(GanzooError) as caught:
        call(*given, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text
