"""UNIT, DRIT, CUT and FastCUT overfit a few images, and the result depends on their terms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.masks.roles import Roles
from ganzoo.step import Step, zeros_step
from ganzoo_baselines.antialiased import SmoothPatch, SmoothResNet
from ganzoo_baselines.cut import CUT, FastCUT, Projections
from ganzoo_baselines.drit import DRIT
from ganzoo_baselines.drit_network import DRITGenerator
from ganzoo_baselines.unit import UNIT
from ganzoo_baselines.unit_network import UNITGenerator
from ganzoo_munit.multiscale import MultiScale
from tests.support.overfitting import SIZE, error, grey, likeness, patterns, tinted, trained

pytestmark = pytest.mark.slow

SEED, MANY = 0, 6
IMAGES = {"A": grey(patterns(MANY, SEED + 100)), "B": tinted(patterns(MANY, SEED + 200))}


def unit(**weights: float) -> Step:
    """Return what UNIT makes of images that it was trained on."""
    torch.manual_seed(SEED)
    networks: dict[str, nn.Module] = {f"G_{one}": UNITGenerator(3, 3, width=8, blocks=1, downs=1) for one in "AB"}
    networks |= {f"D_{one}": MultiScale(3, width=8, layers=2, scales=2) for one in "AB"}
    return trained(UNIT(halve=0, **weights), networks, IMAGES, steps=120, lr=2e-3, seed=SEED)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def unit_whole() -> Step:
    return unit()


def test_units_cycle_term_trains_reconstructions(unit_whole: Step) -> None:
    assert error(unit_whole, "rec") < 0.12 < 0.18 < error(unit(cycle=0), "rec")


def test_units_reconstruction_term_makes_codes_describe_images(unit_whole: Step) -> None:
    assert error(unit_whole, "idt") < 0.08 < 0.12 < error(unit(image=0), "idt")


def halves(domain: str) -> Tensor:
    """Return images of which one half is bright, on a ground that is dark or of the domain's colour."""
    kinds = torch.tensor([(side, ground) for side in (0, 1) for ground in (0, 1)]).repeat(2, 1)
    images = torch.full((len(kinds), 3, SIZE, SIZE), -0.8)
    for image, (side, ground) in zip(images, kinds.tolist(), strict=True):
        image["AB".index(domain) * 2] = 1.6 * ground - 0.8
        image[1, :, SIZE // 2 * side : SIZE // 2 * (side + 1)] = 0.8
    return images


def drit(**weights: float) -> Step:
    """Return what DRIT makes of images that it was trained on, of whose terms no other than the cycle knows them."""
    torch.manual_seed(SEED)
    method = DRIT(image=0, latent=0, seek=0, content=0, **weights)  # type: ignore[arg-type]
    networks: dict[str, nn.Module] = {"G": DRITGenerator(3, 3, width=8, blocks=1, attributes=1)}
    networks |= {name: MultiScale(3, width=8, layers=2, scales=1) for name in method.slots if name.startswith("D_")}
    method.bind(networks, Roles())
    networks |= method.setup(zeros_step({"A": 3, "B": 3}, SIZE))
    images = {one: halves(one) for one in "AB"}
    return trained(method, networks, images, steps=80, lr=2e-3, batch=8, seed=SEED)


def test_drits_cycle_term_reconstructs_images_after_two_exchanges() -> None:
    assert error(drit(), "rec") < 0.35 < 0.5 < error(drit(cycle=0), "rec")


def mirroring() -> SmoothResNet:
    """Return a generator that has learnt to mirror the images of A.

    One that begins at random keeps what an image shows without being asked to, as it is residual. For a discriminator
    mirrored images are as good as others, so that what turns them back is the contrast alone.
    """
    torch.manual_seed(SEED)
    network = SmoothResNet(3, 3, width=6, blocks=1)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    adam = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(100):
        loss = (network(IMAGES["A"]) - IMAGES["A"].flip(-1)).abs().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert likeness(network(IMAGES["A"]), IMAGES["A"].flip(-1)) > 0.9
    return network


@pytest.mark.parametrize("made", [CUT, FastCUT])
def test_the_contrast_mirrors_mirrored_images_back(made: type[CUT] | type[FastCUT]) -> None:
    def likeness_after(**nce: float) -> float:
        method = made(layers=(0, 8, 12), patches=32, size=16, **nce)  # type: ignore[arg-type]
        networks: dict[str, Any] = {"G_AB": mirroring(), "D_B": SmoothPatch(3, width=8, layers=1)}
        if "F" in method.slots:
            networks["F"] = Projections([3, 24, 24], 16)
        step = trained(method, networks, IMAGES, steps=120, lr=1e-3, seed=SEED)
        return likeness(step["fake_B"], IMAGES["A"])

    assert likeness_after() > 0.5 > 0.3 > likeness_after(nce=0)
