"""What a plugin's ``ganzoo_commands`` must return: a list of click commands with names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganzoo.contracts.describe import describe
from ganzoo.contracts.origin import Origin

if TYPE_CHECKING:
    from click import Command

HOOK = "ganzoo_commands"


def check_commands(answer: Any, origin: Origin) -> list[tuple[str, Command]]:
    """Return the names and commands of a plugin. Raises ComponentError unless they are click commands with names.

    Args:
        answer: what the hook returned.
        origin: where the hook comes from.
    """
    from click import Command

    if isinstance(answer, Command):
        raise origin.refuse(HOOK, f"one command, {answer.name!r}", "a list of click commands")
    if answer is None:
        return []
    if isinstance(answer, str | bytes) or not hasattr(answer, "__iter__"):
        raise origin.refuse(HOOK, describe(answer), "a list of click commands")
    commands = []
    for command in answer:
        if not isinstance(command, Command):
            hint = "; decorate the function with @click.command" if callable(command) else ""
            raise origin.refuse(HOOK, f"a list with {describe(command)}", f"click commands alone{hint}")
        if not command.name:
            raise origin.refuse(HOOK, "a command without a name", "click commands with names")
        commands.append((command.name, command))
    return commands
