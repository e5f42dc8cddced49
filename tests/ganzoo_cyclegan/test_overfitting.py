"""CycleGAN overfits a few images, and the result depends on its terms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.resnet import ResNet
from tests.support.overfitting import error, grey, patterns, tinted, trained

SEED = 0


def trained_so(**options: Any) -> Step:
    """Return what a CycleGAN makes of six images of each domain that it was trained on."""
    torch.manual_seed(SEED)
    networks: dict[str, nn.Module] = {f"G_{way}": ResNet(3, 3, width=8, blocks=1) for way in ("AB", "BA")}
    networks |= {f"D_{one}": Patch(3, width=8, layers=1) for one in "AB"}
    images = {"A": grey(patterns(6, SEED + 100)), "B": tinted(patterns(6, SEED + 200))}
    return trained(CycleGAN(pool=0, **options), networks, images, steps=120, lr=2e-3, seed=SEED)


@pytest.fixture(scope="module")
def whole() -> Step:
    return trained_so()


def test_the_cycle_term_trains_reconstructions(whole: Step) -> None:
    assert error(whole, "rec") < 0.1 < 0.15 < error(trained_so(without=("cycle_A", "cycle_B")), "rec")


@pytest.mark.slow
def test_the_identity_term_trains_the_identity(whole: Step) -> None:
    assert error(whole, "idt") < 0.1 < 0.15 < error(trained_so(identity=0), "idt")
