"""Feature matching against the maps of the discriminator's layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.testing import make_images
from tests.support.bound_losses import bound_loss

ENTRY: dict[str, Any] = {"loss": "feature_matching", "of": {"image": "fake_B", "target": "real_B"}}


def layers_of(network: nn.Module, image: Tensor) -> list[Tensor]:
    """Return the output of each leaky ReLU of a PatchGAN."""
    found, maps = [], image
    for layer in network.model:  # type: ignore[union-attr]
        maps = layer(maps)
        if isinstance(layer, nn.LeakyReLU):
            found.append(maps.clone())
    return found


@pytest.mark.parametrize("compare", ["means", "positions"])
def test_it_is_the_difference_of_the_layers(tmp_path: Path, compare: str) -> None:
    loss, method = bound_loss(tmp_path, {**ENTRY, "compare": compare})
    image, target = make_images().requires_grad_(), make_images(seed=1)
    pairs = zip(layers_of(method.networks["D_B"], image), layers_of(method.networks["D_B"], target), strict=True)
    terms = []
    for ours, theirs in pairs:
        if compare == "means":
            terms += [(ours.mean((2, 3)) - theirs.mean((2, 3))).abs().mean()]
        else:
            terms += [(ours - theirs).abs().mean()]
    assert len(terms) == 2
    found = loss(image, target)
    torch.testing.assert_close(found, sum(terms, torch.zeros(())) / 2)
    found.backward()
    assert image.grad is not None and image.grad.any()


def test_a_discriminator_of_pairs_needs_the_condition(tmp_path: Path) -> None:
    data = {"dataset": "striped_digits", "size": 16, "held_out": 8, "train_limit": 8, "pairs": True}
    loss, _ = bound_loss(tmp_path, ENTRY, method={"method": "pix2pix"}, networks=PIX2PIX, data=data)
    image, target, condition = (make_images(seed=seed) for seed in range(3))
    assert float(loss(image, target, condition)) > 0
    with pytest.raises(GanzooError, match="takes 6 channels, and these images have 3: name the images"):
        loss(image, target)


PIX2PIX = {
    "G": {"generator": "resnet", "width": 2, "blocks": 1},
    "D": {"discriminator": "patch", "width": 2, "layers": 1, "norm": "instance"},
}


class Changing(nn.Module):
    """A discriminator that sees changed images, as the engine's views do, which take the discriminators' places."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        return self.network(images.flip(3) / 2)


def test_the_discriminator_sees_images_without_augmentation(tmp_path: Path) -> None:
    loss, method = bound_loss(tmp_path, ENTRY)
    image, target = make_images(), make_images(seed=1)
    before = loss(image, target)
    method.networks = {**method.networks, "D_B": Changing(method.networks["D_B"])}
    assert loss(image, target) == before > 0


@pytest.mark.parametrize(
    ("changes", "networks", "message"),
    [
        ({"discriminator": "D_C"}, {}, "the method has no discriminator 'D_C' (did you mean 'D_"),
        ({"discriminator": "G_AB"}, {}, "the method has no discriminator 'G_AB'"),
    ],
)
def test_what_it_refuses(tmp_path: Path, changes: Any, networks: Any, message: str) -> None:
    with pytest.raises(GanzooError) as caught:
        bound_loss(tmp_path, {**ENTRY, **changes}, networks=networks)
    assert message in str(caught.value)
