"""Geometry consistency against the turned translation, with masks and styles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.testing import make_images, make_step
from tests.support.bound_losses import bound_loss

ENTRY: dict[str, Any] = {"loss": "geometry", "of": {"image": "real_A", "translation": "fake_B"}}


def clockwise(image: Tensor) -> Tensor:
    """Return images (B, C, H, W) turned clockwise, pixel by pixel."""
    turned = torch.zeros(*image.shape[:2], image.shape[3], image.shape[2])
    for y in range(image.shape[2]):
        for x in range(image.shape[3]):
            turned[:, :, x, image.shape[2] - 1 - y] = image[:, :, y, x]
    return turned


@pytest.mark.parametrize(
    ("transform", "turn"),
    [
        ("rotate", clockwise),
        ("upside_down", lambda one: torch.stack(list(one.unbind(2))[::-1], 2)),
        ("mirror", lambda one: torch.stack(list(one.unbind(3))[::-1], 3)),
    ],
)
def test_it_is_the_difference_of_both_orders(tmp_path: Path, transform: str, turn: Any) -> None:
    loss, method = bound_loss(tmp_path, {**ENTRY, "transforms": [transform]})
    step = make_step({"real_A": make_images(size=(12, 16)), "real_B": make_images(size=(12, 16), seed=1)})
    step["fake_B"] = method.networks["G_AB"](step["real_A"])
    before = {name: tensor.clone() for name, tensor in step.items()}
    expected = (method.networks["G_AB"](turn(before["real_A"])) - turn(before["fake_B"])).abs().mean()
    found = loss(step["real_A"], step["fake_B"], step)
    torch.testing.assert_close(found, expected)
    assert float(found) > 1e-4 and all(torch.equal(step[name], before[name]) for name in step)
    found.backward()
    assert all(one.grad is not None for one in method.networks["G_AB"].parameters())


def test_masks_turn_with_the_image(tmp_path: Path) -> None:
    """Where the mask is 0 the translation is the source, turned or not."""
    loss, method = bound_loss(tmp_path, ENTRY, maskers={"composite": {"masker": "multi_rectangle"}})
    step = make_step({"real_A": make_images(size=(16, 16)), "real_B": make_images(size=(16, 16), seed=1)})
    method.forward(step)
    mask, real, fake = step["composite_mask_real_A"], step["real_A"], step["fake_B"]
    assert not mask.equal(mask.rot90(-1, (2, 3)))
    turned = method.networks["G_AB"](clockwise(real))
    expected = (clockwise(mask) * turned + clockwise(1 - mask) * clockwise(real) - clockwise(fake)).abs().mean()
    torch.testing.assert_close(loss(real, fake, step), expected)


def test_styles_are_the_same_for_both_orders(tmp_path: Path) -> None:
    networks = {"G": {"generator": "munit", "width": 2, "blocks": 1}, "D": {"discriminator": "multiscale", "width": 2}}
    networks["D"] |= {"layers": 1, "scales": 1}
    loss, method = bound_loss(tmp_path, ENTRY, method={"method": "munit"}, networks=networks)
    step = make_step({"real_A": make_images(size=(16, 16)), "real_B": make_images(size=(16, 16), seed=1)})
    results = [method.translate(one, "AB", make_step(seed=0)) for one in (step["real_A"], clockwise(step["real_A"]))]
    expected = (results[1] - clockwise(results[0])).abs().mean()
    torch.testing.assert_close(loss(step["real_A"], torch.zeros(2, 3, 16, 16), step), expected)


def test_each_step_draws_one_of_several(tmp_path: Path) -> None:
    loss, method = bound_loss(tmp_path, {**ENTRY, "transforms": ["rotate", "mirror"]})
    image = make_images(1, size=(12, 12))
    fake = method.networks["G_AB"](image)
    values = {float(loss(image, fake, make_step({"real_A": image}, index=index)).detach()) for index in range(8)}
    assert len(values) == 2


@pytest.mark.parametrize(
    ("of", "method", "message"),
    [
        ({"image": "real_B", "translation": "fake_B"}, "cyclegan", "fake_B is a translation of real_A, not of real_B"),
        ({"image": "real_A", "translation": "rec_A"}, "cyclegan", "geometry reads a translation (fake_B, fake_A), and"),
    ],
)
def test_what_it_refuses(tmp_path: Path, of: dict[str, str], method: str, message: str) -> None:
    with pytest.raises(GanzooError) as caught:
        bound_loss(tmp_path, {**ENTRY, "of": of})
    assert message in str(caught.value)
