"""Each contract of commands fails on a plugin that is wrong in that way, and passes on one that is right."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import click
import pytest

from ganzoo.testing import command_tests


@click.group("studio")
def studio() -> None:
    """Work with paintings."""


@studio.command("frame")
@click.option("--width", default=3, help="The frame's width in pixels.")
def frame(width: int) -> None:
    """Put a frame around a painting."""


@click.command("silent")
def silent() -> None:
    pass


@click.command("unexplained")
@click.option("--width", default=3)
def unexplained(width: int) -> None:
    """Put a frame around a painting."""


@click.command("any", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def any_words(words: tuple[str, ...]) -> None:
    """Take any words."""


class Failing(click.Command):
    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        raise KeyError("template")


HOOK, HELP, EXPLAINED, UNKNOWN = (
    "test_the_hook_returns_commands",
    "test_help_exits_with_0",
    "test_each_command_and_option_is_explained",
    "test_an_unknown_option_exits_with_2",
)
CASES: dict[str, tuple[Any, set[str]]] = {
    "right": ([studio], set()),
    "none": ([], {HOOK}),
    "one name twice": ([studio, studio], {HOOK}),
    "not in a list": (studio, {HOOK, HELP, EXPLAINED, UNKNOWN}),
    "failing help": ([Failing("frame", help="Put a frame around.")], {HELP}),
    "no docstring": ([silent], {EXPLAINED}),
    "an option without help": ([unexplained], {EXPLAINED}),
    "any option": ([any_words], {UNKNOWN}),
}


def failures(commands: Any) -> dict[str, str]:
    """Return the contracts that a plugin's commands break, with the reason."""
    module = ModuleType("studio_plugin")
    module.ganzoo_commands = lambda: commands  # type: ignore[attr-defined]
    tests, failed = command_tests(module)(), {}
    for name in [one for one in dir(tests) if one.startswith("test_")]:
        try:
            getattr(tests, name)()
        except (Exception, pytest.fail.Exception) as error:
            failed[name] = str(error)
    return failed


@pytest.mark.parametrize("case", CASES)
def test_commands_break_exactly_these_contracts(case: str) -> None:
    commands, broken = CASES[case]
    assert failures(commands).keys() == broken


def test_each_contract_has_commands_that_break_it() -> None:
    names = {one for one in dir(command_tests("tests.ganzoo.testing.test_command")) if one.startswith("test_")}
    assert names == set.union(*(broken for _, broken in CASES.values()))


def test_a_wrong_result_names_the_line_of_the_hook() -> None:
    why = failures(studio)[HOOK]
    assert why.startswith("commands 'ganzoo_commands' of plugin 'studio_plugin': ganzoo_commands returned one command")
    assert f"({__file__}:" in why


def test_a_failure_names_the_command() -> None:
    why = failures([unexplained])[EXPLAINED]
    assert why == "command 'unexplained' of studio_plugin: the option --width has no help; add help=…"
