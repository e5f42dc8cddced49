"""Write the page of the command line: every command with its arguments and options, from click."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from ganzoo.cli import cli
from tools.reference.docstrings import escape
from tools.reference.markdown import code, join


def write_page() -> str:
    """Return the page as Markdown."""
    context = click.Context(cli, info_name="ganzoo")
    commands = list(find_commands(cli, context))
    index = "\n".join(
        f"- [{code(path)}](#{path.replace(' ', '-')}): {escape(command.get_short_help_str(limit=200))}"
        for path, command, _ in commands
    )
    return join(
        "# Commands",
        "`ganzoo COMMAND --help` prints the same. [Errors](../errors.md) lists the exit codes.",
        index,
        *(_section(path, command, context) for path, command, context in commands),
    )


def find_commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield each command below a group, and each group that does something by itself: words, command, context."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        inner = click.Context(command, info_name=name, parent=context)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield inner.command_path, command, inner
        if isinstance(command, click.Group):
            yield from find_commands(command, inner)


def _section(path: str, command: click.Command, context: click.Context) -> str:
    usage = f"{path} {' '.join(command.collect_usage_pieces(context))}"
    paragraphs = re.split(r"\n{2,}", inspect.cleandoc(command.help or ""))
    text = "\n\n".join(escape(one.removeprefix("\b\n")) for one in paragraphs)
    options = [one for one in command.get_params(context) if isinstance(one, click.Option) and "--help" not in one.opts]
    return join(f"## {path}", f"```text\n{usage}\n```", text, "\n".join(_option(one, context) for one in options))


def _option(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record, f"{option.name} is hidden"
    names, text = record
    return f"- {code(names)}<br>\n  {escape(' '.join(text.split()))}".rstrip()
