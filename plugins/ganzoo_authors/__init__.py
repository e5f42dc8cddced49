"""The authors' checkpoints: ``ganzoo import`` makes runs of them.

Uses the packages ganzoo_cyclegan, ganzoo_mask_cyclegan, ganzoo_munit and ganzoo_baselines, whose networks they fill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from click import Command

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_commands() -> list[Command]:
    """Add ``ganzoo import``."""
    from ganzoo_authors.command import import_command

    return [import_command]
