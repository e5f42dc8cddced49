"""An example plugin: the hooks. Light, so that ``ganzoo plugins`` stays quick: the components are named, not imported.

While you write one, ``GANZOO_STRICT=1 ganzoo plugins --check`` fails at the first thing that is wrong.
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
    """Add the components: kind, the name that recipes use, where it is."""
    registry.add("generator", "pointwise", "ganzoo_example.pointwise:Pointwise")
    registry.add("masker", "disc", "ganzoo_example.disc:Disc")
    registry.add("loss", "mean_colour", "ganzoo_example.mean_colour:MeanColour")
    registry.add("dataset", "spots", "ganzoo_example.spots:Spots")


@hookimpl
def ganzoo_callbacks(run: RunInfo) -> Callback | None:
    """Watch runs on our own data, and no others."""
    from ganzoo_example.watcher import Watcher

    return Watcher() if run.settings["data"]["dataset"] == "spots" else None
