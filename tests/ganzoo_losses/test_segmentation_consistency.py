"""The cross-entropy between masks of a translation and of its source."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ganzoo import GanzooError
from ganzoo.interfaces import Draws
from ganzoo.testing import make_images, make_step
from ganzoo_maskers.unet import UNet
from tests.support.bound_losses import bound_loss

ENTRY = {"loss": "segmentation_consistency", "of": {"image": "fake_B", "masks": "labels_mask_real_A"}}


def masker(folder: Path) -> dict[str, Any]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)  # of a network that finds about half of the noise to be foreground
        unet = UNet(width=2, depth=1)
        unet.logits(torch.rand(2, 3, 8, 8))
    save_file(unet.state_dict(), folder / "unet.safetensors")
    return {"masker": "unet", "weights": str(folder / "unet.safetensors")}


def test_it_is_the_cross_entropy_and_its_gradient_reaches_the_image(tmp_path: Path) -> None:
    loss, method = bound_loss(tmp_path, ENTRY, maskers={"labels": masker(tmp_path)})
    step = make_step({"real_A": make_images(), "fake_B": make_images(seed=1).requires_grad_()})
    masks = method.masks.mask("labels", step, "real_A")
    method.masks.mask("labels", step, "fake_B")  # a mask without gradient that another part has computed before
    found = loss(step["fake_B"], masks, step)
    own = method.masks.maskers["labels"](step["fake_B"], Draws([])).detach().flatten().tolist()
    labels = [one >= 0.5 for one in masks.flatten().tolist()]
    assert any(labels) and not all(labels)
    terms = [-math.log(p if there else 1 - p) for p, there in zip(own, labels, strict=True)]
    assert float(found) == pytest.approx(sum(terms) / len(terms), rel=1e-4)
    found.backward()
    assert step["fake_B"].grad is not None and step["fake_B"].grad.any()


@pytest.mark.parametrize(
    ("masks", "maskers", "message"),
    [
        ("real_A", {"labels": {"masker": "full"}}, "'masks' must name the masks that one of the recipe's maskers"),
        ("discriminator_mask_real_A", {"discriminator": {"masker": "full"}}, "does not compute its masks from the im"),
    ],
)
def test_masks_that_do_not_show_the_image(tmp_path: Path, masks: str, maskers: Any, message: str) -> None:
    entry = {**ENTRY, "of": {"image": "fake_B", "masks": masks}}
    if masks == "real_A":
        maskers = {"composite": {"masker": "full"}}
    with pytest.raises(GanzooError, match=message):
        bound_loss(tmp_path, entry, maskers=maskers)


def test_masks_without_a_gradient(tmp_path: Path) -> None:
    colours = {"masker": "colours", "classes": {"dark": [30, 30, 30], "light": [220, 220, 220]}}
    loss, method = bound_loss(tmp_path, ENTRY, maskers={"labels": colours})
    step = make_step({"real_A": make_images(), "fake_B": make_images(seed=1).requires_grad_()})
    masks = method.masks.mask("labels", step, "real_A")
    with pytest.raises(GanzooError, match="no gradient flows through the masker in the role 'labels': set soft: true"):
        loss(step["fake_B"], masks, step)
    with pytest.raises(GanzooError, match="needs masks in \\[0, 1\\], not label maps"):
        loss(step["fake_B"], masks.long(), step)
