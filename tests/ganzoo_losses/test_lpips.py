"""LPIPS as a loss against the package's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ganzoo.testing import make_images
from ganzoo_losses.lpips import LPIPS
from tests.support.command_line import refusal
from tests.support.lpips_trunks import package_lpips, save_trunk

pytestmark = pytest.mark.filterwarnings("ignore:.*pretrained:UserWarning", "ignore:.*weight:UserWarning")


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_trunk(tmp_path_factory.mktemp("trunk"), "squeeze")


@pytest.fixture(scope="module")
def loss(trunk: Path) -> LPIPS:
    return LPIPS(net="squeeze", weights=trunk)


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_package_s_mean(loss: LPIPS, trunk: Path, channels: int) -> None:
    image, target = (make_images(2, channels, (24, 33), seed) for seed in (0, 1))
    image.requires_grad_()
    expected = package_lpips("squeeze", load_file(trunk)).eval()(
        *(one.expand(-1, 3, -1, -1) for one in (image, target))
    )
    found = loss(image, target)
    torch.testing.assert_close(found, expected.mean())
    found.backward()
    assert image.grad is not None and image.grad.any()
    assert loss(target, target) == 0
    assert not any(one.requires_grad for one in loss.parameters()) and set(loss.sources) == {"weights"}


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 2, 32, 32), "lpips accepts images of 1 or 3 channels; these have 2"),
        ((1, 3, 32, 16), "lpips: images of 16×32 pixels are too small for the net 'squeeze', which needs 17 a side"),
    ],
)
def test_what_it_refuses(loss: Callable[..., object], shape: tuple[int, ...], message: str) -> None:
    assert refusal(loss, torch.zeros(shape), torch.zeros(shape)).startswith(message)
