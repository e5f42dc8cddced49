"""Contracts of a plugin's commands."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from ganzoo.contracts.command import HOOK, check_commands
from ganzoo.contracts.origin import Origin
from ganzoo.testing.component import refusing


class CommandContracts:
    """Contracts of the commands of a plugin. ``command_tests`` makes the class for one plugin."""

    module: ModuleType
    """The plugin's module, with the hook ``ganzoo_commands``."""

    @property
    def origin(self) -> Origin:
        """Where the commands come from, for messages."""
        return Origin(self.module, "commands", HOOK, self.module.__name__)

    def commands(self) -> list[tuple[str, click.Command]]:
        """Return the plugin's commands by name. Fail the test if the hook returns anything else."""
        with refusing():
            return check_commands(self.module.ganzoo_commands(), self.origin)

    def all_commands(self) -> Iterator[tuple[str, click.Command]]:
        """Yield each command and, of groups, each command in them, with the words that call it."""
        waiting = list(self.commands())
        while waiting:
            words, command = waiting.pop()
            yield words, command
            if isinstance(command, click.Group):
                waiting += [(f"{words} {name}", one) for name, one in command.commands.items()]

    def fail(self, words: str, problem: str) -> None:
        """Fail the test in one line that names the command."""
        pytest.fail(f"command {words!r} of {self.module.__name__}: {problem}", pytrace=False)

    def test_the_hook_returns_commands(self) -> None:
        """``ganzoo_commands`` returns a list of click commands, each with a name of its own."""
        names = [name for name, _ in self.commands()]
        for name in names:
            if names.count(name) > 1:
                self.fail(name, "two commands have this name; give each its own")
        assert names, f"{self.module.__name__}: {HOOK} returns no command"

    def test_help_exits_with_0(self) -> None:
        """``--help`` of each command prints its help and exits with 0."""
        for words, command in self.all_commands():
            result = CliRunner().invoke(command, ["--help"])
            if result.exit_code or "--help" not in result.output:
                self.fail(words, f"--help exits with {result.exit_code} ({result.exception!r}); expected 0")

    def test_each_command_and_option_is_explained(self) -> None:
        """Each command has a docstring or help, and each of its options has help."""
        for words, command in self.all_commands():
            if not command.get_short_help_str().strip():
                self.fail(words, "it has no help; write a docstring")
            for option in command.params:
                if isinstance(option, click.Option) and not option.hidden and not option.help:
                    self.fail(words, f"the option {option.opts[0]} has no help; add help=…")

    def test_an_unknown_option_exits_with_2(self) -> None:
        """An option that a command does not have is an error of usage, whose exit code is 2."""
        for words, command in self.all_commands():
            result = CliRunner().invoke(command, ["--no-such-option"])
            if result.exit_code != 2:
                self.fail(words, f"an unknown option exits with {result.exit_code}; expected 2")


def command_tests(module: ModuleType | str) -> type[CommandContracts]:
    """Return a class with a test for each contract of a plugin's commands; pytest collects it.

    Assign it to a name that starts with ``Test`` in a test module: ``TestCommands = command_tests("my_plugin")``.

    Args:
        module: the plugin's module, which has the hook ``ganzoo_commands``, or its name.
    """
    loaded = importlib.import_module(module) if isinstance(module, str) else module
    return type("TestCommands", (CommandContracts,), {"module": loaded})
