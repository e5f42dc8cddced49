"""The hooks of an example plugin. They name the components and do not import them, so that ``ganzoo`` starts fast.

While you write a plugin, ``GANZOO_STRICT=1 ganzoo plugins --check`` stops at the first error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from ganzoo import Registration
    from ganzoo.interfaces import Callback, RunInfo

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the components: kind, name in recipes, module and class."""
    registry.add("generator", "pointwise", "ganzoo_example.pointwise:Pointwise")
    registry.add("masker", "disc", "ganzoo_example.disc:Disc")
    registry.add("loss", "mean_colour", "ganzoo_example.mean_colour:MeanColour")
    registry.add("dataset", "spots", "ganzoo_example.spots:Spots")


@hookimpl
def ganzoo_callbacks(run: RunInfo) -> Callback | None:
    """Return an observer of runs that use this plugin's data set."""
    from ganzoo_example.watcher import Watcher

    return Watcher() if run.settings["data"]["dataset"] == "spots" else None
