"""Maskers: shapes, masks of the data set, rules, networks, and their combinations; and a command that draws boxes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo import Registration, hookimpl

if TYPE_CHECKING:
    from click import Command

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the maskers, and list the weights that they use."""
    registry.add_weights(Path(__file__).with_name("weights.toml"))
    registry.add("masker", "full", "ganzoo_maskers.fixed:Full")
    registry.add("masker", "round", "ganzoo_maskers.fixed:Round")
    registry.add("masker", "file", "ganzoo_maskers.fixed:File")
    registry.add("masker", "shared", "ganzoo_maskers.fixed:Shared")
    registry.add("masker", "centered_square", "ganzoo_maskers.square:CenteredSquare")
    registry.add("masker", "multi_rectangle", "ganzoo_maskers.rectangles:MultiRectangle")
    registry.add("masker", "colours", "ganzoo_maskers.colours:Colours")
    registry.add("masker", "otsu", "ganzoo_maskers.otsu:Otsu")
    registry.add("masker", "saliency", "ganzoo_maskers.saliency:Saliency")
    registry.add("masker", "attention", "ganzoo_maskers.attention:Attention")
    registry.add("masker", "depth", "ganzoo_maskers.depth:Depth")
    registry.add("masker", "sam", "ganzoo_maskers.sam:Sam")
    registry.add("masker", "segmenter", "ganzoo_maskers.segmenter:Segmenter")
    registry.add("masker", "unet", "ganzoo_maskers.unet:UNet")
    registry.add("masker", "learned", "ganzoo_maskers.learned:Learned")
    registry.add("masker", "union", "ganzoo_maskers.combined:Union")
    registry.add("masker", "intersection", "ganzoo_maskers.combined:Intersection")
    registry.add("masker", "difference", "ganzoo_maskers.combined:Difference")


@hookimpl
def ganzoo_commands() -> list[Command]:
    """Return the command ``ganzoo boxes``."""
    from ganzoo_maskers.commands import boxes_command

    return [boxes_command]
