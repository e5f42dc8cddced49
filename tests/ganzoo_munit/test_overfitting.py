"""MUNIT overfits a few images, and each of its terms has its own effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo_munit.autoencoder import MUNITGenerator
from ganzoo_munit.method import MUNIT
from ganzoo_munit.multiscale import MultiScale
from tests.support.overfitting import error, grey, patterns, trained

pytestmark = pytest.mark.slow

SEED, MANY = 0, 12


def toned(pattern: Tensor) -> Tensor:
    """Return patterns as images of B, each in tones of its own."""
    drawn = torch.rand(2, len(pattern), 3, 1, 1, generator=torch.Generator().manual_seed(SEED))
    return (0.3 + 0.5 * drawn[0]) * pattern + 0.4 * drawn[1] - 0.2


class Trained:
    """A MUNIT of one number a style, trained on some images of each domain, and what it makes of them."""

    def __init__(self, **weights: float) -> None:
        torch.manual_seed(SEED)
        narrow: dict[str, Any] = {"width": 4, "blocks": 1, "downs": 1, "style": 1, "hidden": 16}
        networks: dict[str, nn.Module] = {f"G_{one}": MUNITGenerator(3, 3, **narrow) for one in "AB"}
        networks |= {f"D_{one}": MultiScale(3, width=8, layers=2, scales=2) for one in "AB"}
        images = {"A": grey(patterns(MANY, SEED + 100)), "B": toned(patterns(MANY, SEED + 200))}
        options: dict[str, Any] = {"image": 10.0, "content": 4.0, "style": 5.0, **weights}
        self.method = MUNIT(share_styles=True, halve=0, **options)
        self.step = trained(self.method, networks, images, steps=140, lr=3e-3, batch=8, seed=SEED)

    @torch.no_grad()
    def translations(self, direction: str) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Return for each of eight drawn styles the contents, the style, and both as found in the translations."""
        source, target = (self.method.generator(one) for one in direction)
        content, found = source.encode_content(self.step[f"real_{direction[0]}"]), []
        for style in torch.randn(8, 1, generator=torch.Generator().manual_seed(9)):
            wanted = style.expand(MANY, -1)
            found.append((content, wanted, *target.encode(target.decode(content, wanted))))
        return found

    def of_style(self, direction: str) -> float:
        """Return the share of drawn styles' variance that the style encoder finds in translations, R²."""
        wanted, found = (torch.stack(one) for one in list(zip(*self.translations(direction), strict=True))[1::2])
        return 1 - float((found - wanted).square().mean() / (wanted - wanted.mean()).square().mean())

    def of_content(self, direction: str) -> float:
        """Return how far the contents found in translations are from their sources', in units of their spread."""
        wanted, found = (torch.stack(one) for one in list(zip(*self.translations(direction), strict=True))[::2])
        return float((found - wanted).abs().mean() / (wanted - wanted.mean(1, keepdim=True)).abs().mean())


def both(measure: Callable[[str], float]) -> float:
    return sum(measure(direction) for direction in ("AB", "BA")) / 2


@pytest.fixture(scope="module")
def whole() -> Trained:
    return Trained()


def test_the_style_term_gives_translations_the_requested_style(whole: Trained) -> None:
    assert both(whole.of_style) > 0.6 > 0.2 > both(Trained(style=0).of_style)


def test_the_content_term_keeps_the_content_of_the_source(whole: Trained) -> None:
    assert both(whole.of_content) < 0.75 < 1.1 < both(Trained(content=0).of_content)


def test_the_image_term_makes_content_and_style_describe_images(whole: Trained) -> None:
    assert error(whole.step, "idt") < 0.15 < 0.2 < error(Trained(image=0).step, "idt")
