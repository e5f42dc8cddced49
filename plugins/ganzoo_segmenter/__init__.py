"""The method ``segmenter``, which trains a masker from images and their masks."""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the method."""
    registry.add("method", "segmenter", "ganzoo_segmenter.method:Segmenter")
