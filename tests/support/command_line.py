"""Call the command line, or a function that raises GanzooError, and return its output or error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest

from ganzoo.cli import main
from ganzoo.errors import GanzooError

Command = Callable[..., CompletedProcess[str]]
"""Type of the fixture ``command``: it takes the words of a command, and returns exit code, stdout and stderr."""
Run = Callable[..., tuple[int, str, str]]
"""Type of the fixture ``run``: it takes the words of a command, and returns exit code, stdout and stderr."""


def call_here(words: tuple[object, ...], capsys: pytest.CaptureFixture[str]) -> CompletedProcess[str]:
    """Call the command line in this process, as if it were a process of its own."""
    argv = ["ganzoo", *map(str, words)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as exit_:
            main()
    output = capsys.readouterr()
    return CompletedProcess(argv, int(exit_.value.code or 0), output.out, output.err)


def refusal(call: Callable[..., object], *args: Any, **options: Any) -> str:
    """Return the one-line error of a call that raises GanzooError."""
    with pytest.raises(GanzooError) as caught:
        call(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message
