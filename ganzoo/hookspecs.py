"""The hooks: functions that a plugin can implement, with the decorator ``hookimpl``, and that ganzoo calls."""

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
    """Add components to ``registry``: ``registry.add("masker", "square", "my_package.square:Square")``.

    ganzoo calls this once, when it loads the plugin. Do not import large packages here: the module in a
    ``module:name`` string is imported at the component's first use.
    """


@hookspec
def ganzoo_callbacks(run: RunInfo) -> Callback | None:
    """Return a callback that observes the training of this run, or None; ganzoo calls this when training starts."""


@hookspec
def ganzoo_commands() -> Iterable[Command] | None:
    """Return click commands for the command line, or None; a ``click.Group`` combines several under one name.

    ganzoo calls this to list all commands, or to find a command that is not its own. Do not import large packages
    here: each command should import them when it runs.
    """
