"""Art2Real (Tomei et al. 2019): the method, its contextual loss and metric, and banks of photographs' patches.

Uses the packages ganzoo_cyclegan, and ganzoo_datasets to find and read photographs and their label maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from click import Command

    from ganzoo import Registration

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the method, its loss and its metric."""
    registry.add("method", "art2real", "ganzoo_art2real.method:Art2Real", paper="https://arxiv.org/abs/1811.10666")
    registry.add("loss", "contextual", "ganzoo_art2real.loss:Contextual")
    registry.add("metric", "contextual", "ganzoo_art2real.metric:ContextualDistance")


@hookimpl
def ganzoo_commands() -> list[Command]:
    """Return the command group ``ganzoo bank``."""
    from ganzoo_art2real.commands import bank

    return [bank]
