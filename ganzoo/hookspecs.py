"""The hooks that plugins can implement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from click import Command

    from ganzoo.interfaces import Callback, RunInfo
    from ganzoo.registry import Registration

hookspec = pluggy.HookspecMarker("ganzoo")
hookimpl = pluggy.HookimplMarker("ganzoo")


@hookspec
def ganzoo_register(registry: Registration) -> None:
    """Add components: ``registry.add("masker", "square", "my_package.square:Square")``.

    Called once, when plugins are loaded. Do not import large packages here: a ``module:name`` string is imported at
    first use.
    """


@hookspec
def ganzoo_callbacks(run: RunInfo) -> Callback | None:
    """Return a callback that observes this run (start, step, evaluation, checkpoint, end), or None."""


@hookspec
def ganzoo_commands() -> Iterable[Command] | None:
    """Return click commands for the command line; a ``click.Group`` combines several under one name.

    Called when all commands are listed, or when a command is called that is not ganzoo's own. Do not import large
    packages here: each command should import them when it runs.
    """
