"""What ``ganzoo_commands`` must return: each planted mistake is one line with the author's file."""

from __future__ import annotations

import sys
from typing import Any

import click
import pytest

from ganzoo.contracts.command import check_commands
from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError

HOOK = Origin(sys.modules[__name__], "hook", "ganzoo_commands", "mine")


@click.command("greet")
def greet() -> None:
    """Say hello."""


def ganzoo_commands() -> list[click.Command]:
    return [greet]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            greet,
            "hook 'ganzoo_commands' of plugin 'mine': ganzoo_commands returned one command, 'greet'; expected a list",
        ),
        ([greet, None], "ganzoo_commands returned a list with None; expected click commands alone"),
        ([ganzoo_commands], "a list with a function; expected click commands alone; decorate the function with @click"),
        (["greet"], "ganzoo_commands returned a list with the text 'greet'; expected click commands alone"),
        ("greet", "ganzoo_commands returned the text 'greet'; expected a list of click commands"),
        (3, "ganzoo_commands returned the int 3; expected a list of click commands"),
        (
            [click.Command(None)],
            "ganzoo_commands returned a command without a name; expected click commands with names",
        ),
    ],
)
def test_commands(answer: Any, expected: str) -> None:
    with pytest.raises(ComponentError) as caught:
        check_commands(answer, HOOK)
    (line,) = str(caught.value).splitlines()
    assert expected in line and HOOK.line("ganzoo_commands") in line and __file__ in line


def test_right_commands_pass() -> None:
    assert check_commands(ganzoo_commands(), HOOK) == [("greet", greet)]
    assert check_commands(None, HOOK) == []
