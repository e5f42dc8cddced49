"""Masks by depth, with small random networks of the real architectures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganzoo import create
from ganzoo.randomness import Draws
from tests.support.command_line import refusal
from tests.support.hub_networks import NETWORKS, build_network, write_network

pytest.importorskip("transformers", reason="the extra transformers is not installed")
NONE = Draws([])
IMAGES = torch.rand(2, 3, 30, 44, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("depth")
    made = {kind: write_network(folder / kind, kind) for kind in ("depth_anything", "dpt")}
    metric = write_network(folder / "metric", "depth_anything", depth_estimation_type="metric", max_depth=20)
    return {**made, "metric": metric}


def make(folder: Path, **options: Any) -> Any:
    return create("masker", "depth", weights=folder, **options)


def estimate(kind: str, shape: tuple[int, int], **changes: Any) -> Tensor:
    """The network's own output for the images at a size, (B, 1, h, w)."""
    mean, std = (torch.tensor(NETWORKS[kind][1][name])[:, None, None] for name in ("image_mean", "image_std"))
    inputs = F.interpolate(((IMAGES + 1) / 2 - mean) / std, shape, mode="bicubic", antialias=True)
    with torch.no_grad():
        found: Tensor = build_network(kind, **changes)(pixel_values=inputs).predicted_depth[:, None]
    assert (found.amax((1, 2, 3)) > 1.001 * found.amin((1, 2, 3))).all()
    return found


def scaled(maps: Tensor) -> Tensor:
    maps = F.interpolate(maps, (30, 44), mode="bilinear").flatten(1)
    low, high = maps.amin(1, keepdim=True), maps.amax(1, keepdim=True)
    return ((maps - low) / (high - low)).reshape(2, 1, 30, 44)


@pytest.mark.parametrize(
    ("kind", "size", "shape"),
    [
        ("depth_anything", 0, (28, 42)),  # 28 × 41.07, to multiples of 14
        ("depth_anything", 56, (56, 84)),
        ("depth_anything", 1, (14, 14)),
        ("dpt", 0, (32, 32)),
        ("dpt", 50, (48, 48)),
    ],
)
def test_the_mask_is_the_scaled_disparity(
    folders: dict[str, Path], kind: str, size: int, shape: tuple[int, int]
) -> None:
    mask = make(folders[kind], size=size)(IMAGES, NONE)
    torch.testing.assert_close(mask, scaled(estimate(kind, shape)), rtol=1e-3, atol=1e-3)


def test_metres_are_inverted(folders: dict[str, Path]) -> None:
    depth = estimate("depth_anything", (28, 42), depth_estimation_type="metric", max_depth=20)
    mask = make(folders["metric"])(IMAGES, NONE)
    torch.testing.assert_close(mask, scaled(1 / depth.clamp(min=1e-3)), rtol=1e-3, atol=1e-3)


def test_a_quantile_keeps_the_nearest_pixels(folders: dict[str, Path]) -> None:
    soft, hard = make(folders["dpt"])(IMAGES, NONE), make(folders["dpt"], quantile=0.75)(IMAGES, NONE)
    assert set(hard.unique().tolist()) == {0, 1}
    assert torch.allclose(hard.mean((1, 2, 3)), torch.tensor(0.25), atol=0.01)
    assert soft[hard == 1].min() > 0 and (soft.flatten(1)[0][hard.flatten(1)[0] == 0] <= 1).all()
    for one, kept in zip(soft, hard, strict=True):
        assert one[kept == 1].min() >= one[kept == 0].max()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_types_batches_and_grey(folders: dict[str, Path], dtype: torch.dtype) -> None:
    masker = make(folders["depth_anything"])
    assert masker(IMAGES.to(dtype), NONE).dtype == dtype
    torch.testing.assert_close(masker(IMAGES[1:], NONE)[0], masker(IMAGES, NONE)[1], rtol=1e-3, atol=1e-3)
    grey = IMAGES[:, :1]
    assert torch.equal(masker(grey, NONE), masker(grey.expand(-1, 3, -1, -1), NONE))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(masker(IMAGES, NONE), masker(IMAGES, NONE).float())


def test_other_numbers_of_channels_are_refused(folders: dict[str, Path]) -> None:
    message = refusal(make(folders["dpt"]), torch.zeros(1, 4, 8, 8), NONE)
    assert "images of 1 or 3 channels; these have 4" in message
