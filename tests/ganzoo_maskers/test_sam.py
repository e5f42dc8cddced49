"""Masks by Segment Anything, with a small random network of the real architecture, against its processor's steps."""

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
from tests.support.hub_networks import build_network, write_network

transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")
NONE = Draws([])
SIDE = 64
IMAGES = torch.rand(2, 3, 20, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("sam"), "sam")


@pytest.fixture(scope="module")
def make(folder: Path) -> Any:
    return lambda **options: create("masker", "sam", weights=folder, **options)


def answers(**asked: Tensor) -> tuple[Tensor, Tensor]:
    """The logits and ratings of the network for prompts in pixels of the images, by transformers' own processor."""
    processor = transformers.SamImageProcessor(size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE})
    mean, std = (torch.tensor(one)[:, None, None] for one in (processor.image_mean, processor.image_std))
    inputs = F.interpolate(((IMAGES + 1) / 2 - mean) / std, (40, SIDE), mode="bilinear", antialias=True)
    with torch.no_grad():
        found = build_network("sam")(
            pixel_values=F.pad(inputs, (0, 0, 0, SIDE - 40)),
            **{key: value.expand(2, *value.shape) * 2 for key, value in asked.items()},  # twice as large as the image
        )
    masks = processor.post_process_masks(
        list(found.pred_masks), torch.tensor([[20, 32]] * 2), torch.tensor([[40, SIDE]] * 2), binarize=False
    )
    return torch.stack(masks).flatten(1, 2), found.iou_scores.flatten(1)


PROMPTS: list[tuple[dict[str, Any], dict[str, list[Any]]]] = [
    ({}, {"input_points": [[[16, 10]]]}),
    ({"points": [[0.25, 0.5], [1.0, 0.0]]}, {"input_points": [[[8, 10]], [[32, 0]]]}),
    ({"grid": 2}, {"input_points": [[[8, 5]], [[24, 5]], [[8, 15]], [[24, 15]]]}),
    ({"boxes": [[0.0, 0.1, 0.5, 0.6], [0.25, 0.0, 1.0, 1.0]]}, {"input_boxes": [[0, 2, 16, 12], [8, 0, 32, 20]]}),
]


@pytest.mark.parametrize(("options", "asked"), PROMPTS)
def test_the_masks_are_those_of_the_authors_steps(make: Any, options: Any, asked: Any) -> None:
    logits, ratings = answers(**{key: torch.tensor(value, dtype=torch.float32) for key, value in asked.items()})
    masker = make(**options)
    found, rated = masker.candidates(IMAGES)
    prompts = len(next(iter(asked.values())))
    assert found.shape == (2, 3 * prompts, 20, 32)
    torch.testing.assert_close(found, logits, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(rated, ratings, rtol=1e-3, atol=1e-3)
    best = ratings.argmax(1)
    expected = torch.stack([one[index] for one, index in zip(logits, best, strict=True)])[:, None].sigmoid()
    torch.testing.assert_close(masker(IMAGES, NONE), expected, rtol=1e-3, atol=1e-3)


def test_prompts_matter(make: Any) -> None:
    masks = [make(**options)(IMAGES, NONE) for options, _ in PROMPTS]
    assert not torch.allclose(masks[0], masks[1]) and not torch.allclose(masks[0], masks[3])


@pytest.mark.parametrize("shape", [(9, 70), (70, 9), (64, 64)])
def test_any_size_type_and_grey(make: Any, shape: tuple[int, int]) -> None:
    image = F.interpolate(IMAGES[:, :1], shape)
    masker = make()
    mask = masker(image, NONE)
    assert mask.shape == (2, 1, *shape) and 0 <= mask.min() <= mask.max() <= 1
    assert torch.equal(mask, masker(image.expand(-1, 3, -1, -1), NONE))
    torch.testing.assert_close(masker(image[1:], NONE)[0], mask[1], rtol=1e-3, atol=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(masker(image, NONE), mask)
    assert masker(image.double(), NONE).dtype == torch.float64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": 2, "boxes": [[0, 0, 1, 1]]}, "sam: grid and boxes are set; keep one of them"),
        ({"points": [[0, 0]], "grid": 2}, "sam: points and grid are set; keep one of them"),
        ({"boxes": [[0.5, 0, 0.5, 1]]}, "sam: the box [0.5, 0.0, 0.5, 1.0] is empty; its numbers are left, top, right"),
        ({"boxes": [[0, 0, 1.2, 1]]}, "boxes is 1.2"),
        ({"points": []}, "points is"),
    ],
)
def test_mistakes_are_reported(make: Any, options: dict[str, Any], message: str) -> None:
    assert message in refusal(make, **options)
