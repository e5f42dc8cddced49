"""The method ``untranslated``: it returns images unchanged, for a baseline row of tables."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Output, Step


class Untranslated(Method):
    """A method that returns each image unchanged, for the originals in tables; it trains nothing."""

    directions: ClassVar[tuple[Direction, ...]] = ("AB", "BA")

    def __init__(self) -> None:
        self.slots, self.optims, self.phases = {}, {}, []
        self.tensors = {"fake_A": Output("B", "A"), "fake_B": Output("A", "B")}

    def forward(self, step: Step) -> None:
        """Add ``fake_A`` and ``fake_B`` to the step: the real images of the other domain, unchanged.

        Raises GanzooError if the domains differ in channels.
        """
        if step["real_A"].shape[1] != step["real_B"].shape[1]:
            raise GanzooError(
                "untranslated: the domains differ in channels, so an image of one cannot stand for one of the other"
            )
        step["fake_B"], step["fake_A"] = step["real_A"], step["real_B"]

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return the images unchanged."""
        return images
