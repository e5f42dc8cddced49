"""The command ``ganzoo import``, which converts the authors' checkpoints to runs.

Uses the package ganzoo_mask_cyclegan, and the networks of ganzoo_cyclegan, ganzoo_munit and ganzoo_baselines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from click import Command

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_commands() -> list[Command]:
    """Return the command ``ganzoo import``."""
    from ganzoo_authors.command import import_command

    return [import_command]
