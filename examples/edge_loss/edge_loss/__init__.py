"""A plugin for ganzoo: the loss ``outlines``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from ganzoo import Registration

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the loss; its module is imported when a recipe first uses it."""
    registry.add("loss", "outlines", "edge_loss.loss:Edges")
