"""Contracts of discriminators."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from ganzoo.contracts.discriminator import check_logit_values
from ganzoo.testing.component import refusing
from ganzoo.testing.factories import make_images
from ganzoo.testing.network import NetworkContracts
from ganzoo.testing.tiny_run import train_tiny


class DiscriminatorContracts(NetworkContracts):
    """Contracts of discriminators."""

    kind: ClassVar[str] = "discriminator"
    slot = "D"

    def build_module(self, seed: int = 0) -> nn.Module:
        """Return a new discriminator for 3 channels, in eval mode."""
        module: nn.Module = self.make(3, seed=seed).eval()
        return module

    def check_form(self, module: nn.Module, images: Tensor) -> Any:
        """Return logits; fail the test unless they are a map with a row for each image, or a list of such maps."""
        logits = module(images)
        with refusing():
            check_logit_values(logits, images, self.origin)
        return logits

    def test_it_takes_any_number_of_channels(self) -> None:
        """Grey images, and two images joined, have other numbers of channels than 3."""
        for channels in (1, 6):
            self.check_form(self.make(channels).eval(), make_images(2, channels))

    def test_it_trains_in_a_tiny_run(self, tmp_path: Path) -> None:
        """A run with the discriminator trains two steps."""
        with refusing():
            run = train_tiny(tmp_path, self.full_recipe())
        assert (run.folder / "checkpoints" / "last").is_dir()
