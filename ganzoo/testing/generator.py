"""Contracts of generators."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ganzoo.contracts.generator import check_generated
from ganzoo.contracts.values import check_finite, refuse_by
from ganzoo.testing.component import refusing
from ganzoo.testing.factories import make_images
from ganzoo.testing.network import NetworkContracts
from ganzoo.testing.tiny_run import train_tiny


class GeneratorContracts(NetworkContracts):
    """Contracts of generators. Those that call ``forward`` are skipped for a generator without one."""

    kind: ClassVar[str] = "generator"
    slot = "G"

    def build_module(self, seed: int = 0) -> nn.Module:
        """Return a new generator from 3 channels to 3, in eval mode."""
        module: nn.Module = self.make(3, 3, seed=seed).eval()
        return module

    def check_form(self, module: nn.Module, images: Tensor, channels: int = 3) -> Any:
        """Return generated images; fail the test unless they have the size of the input, and these channels."""
        with refusing():
            return check_generated(module(images), images, channels, self.origin)

    def test_it_has_any_number_of_channels(self) -> None:
        """The two domains may differ in their number of channels."""
        for entering, leaving in ((3, 1), (1, 3), (5, 2)):
            module = self.make(entering, leaving).eval()
            self.skip_without_forward(module)
            self.check_form(module, make_images(2, entering), leaving)

    def test_its_images_are_from_minus_1_to_1(self) -> None:
        """Every value is finite and in [−1, 1], also for images with extreme values."""
        module = self.build_module()
        self.skip_without_forward(module)
        with torch.no_grad(), refusing():
            for images in (make_images(), make_images().sign()):
                generated = module(images)
                check_finite(generated, refuse_by(self.origin, "forward"))
                largest = float(generated.abs().max())
                self.require(largest <= 1 + 1e-3, "forward", f"values up to {largest:.3g}", "images in [−1, 1]")

    def test_it_trains_in_a_tiny_run(self, tmp_path: Path) -> None:
        """A run with the generator trains two steps."""
        with refusing():
            run = train_tiny(tmp_path, self.full_recipe())
        assert (run.folder / "checkpoints" / "last").is_dir()
