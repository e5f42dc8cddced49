"""A plugin for ganzoo: the command ``ganzoo sheet``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from click import Command

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_commands() -> list[Command]:
    """Return the command; it imports what it needs when it runs."""
    from compare_runs.command import sheet

    return [sheet]
