"""Call the command line, or a function that raises GanzooError, and return its output or error."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest

from ganzoo.errors import GanzooError

Command = Callable[..., CompletedProcess[str]]
"""Type of the fixture ``command``: it takes the words of a command, and returns exit code, stdout and stderr."""
Run = Callable[..., tuple[int, str, str]]
"""Type of the fixture ``run``: it takes the words of a command, and returns exit code, stdout and stderr."""


def refusal(call: Callable[..., object], *args: Any, **options: Any) -> str:
    """Return the one-line error of a call that raises GanzooError."""
    with pytest.raises(GanzooError) as caught:
        call(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message
