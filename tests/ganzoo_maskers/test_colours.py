"""Classes by colour, against the formulas of CIE 1976 written out in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ganzoo import GanzooError, create
from ganzoo.interfaces import Masker
from ganzoo.randomness import Draws
from ganzoo.recipe.options import check_options
from ganzoo_maskers.colours import Colours
from tests.support.command_line import refusal

NONE = Draws([])
CLASSES = {"sky": (120, 170, 220), "plants": (60, 90, 30), "earth": (140, 110, 80), "white": (250, 250, 250)}


def make(**options: object) -> Masker:
    masker: Masker = create("masker", "colours", **{"classes": CLASSES, "blur": 0.0, **options})
    return masker


def noise(batch: int = 2, height: int = 9, width: int = 7) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB (…, 3) in [0, 1] → CIE L*a*b* under D65 (IEC 61966-2-1; CIE 15)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    x, y, z = np.moveaxis(linear @ matrix.T / np.array([0.95047, 1.0, 1.08883]), -1, 0)
    f = [np.where(one > (6 / 29) ** 3, np.cbrt(one), one / (3 * (6 / 29) ** 2) + 4 / 29) for one in (x, y, z)]
    return np.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])], -1)


@pytest.mark.parametrize("within", [0.0, 30.0])
def test_each_pixel_goes_to_the_nearest_colour(within: float) -> None:
    image = noise()
    pixels = lab((image.movedim(1, -1).double().numpy() + 1) / 2)
    named = lab(np.array(list(CLASSES.values())) / 255)
    distances = np.linalg.norm(pixels[..., None, :] - named, axis=-1)
    expected = np.eye(4)[distances.argmin(-1)] * (distances.min(-1, keepdims=True) <= (within or np.inf))
    assert 0 < expected.sum() <= 2 * 9 * 7 and (within == 0) == (expected.sum() == 2 * 9 * 7)
    assert np.array_equal(make(within=within)(image, NONE).movedim(1, -1).numpy(), expected)


def test_a_named_colour_is_of_its_class() -> None:
    image = torch.tensor(list(CLASSES.values())).T.reshape(1, 3, 2, 2) / 127.5 - 1
    assert torch.equal(make(within=1.0)(image, NONE).argmax(1).flatten(), torch.arange(4))
    assert make(within=1.0)(image, NONE).sum() == 4


def test_blur_makes_classes_whole() -> None:
    """A checkerboard of two colours whose mean is nearest to a third."""
    board = torch.ones(1, 3, 16, 16)
    board[:, :, ::2, ::2] = board[:, :, 1::2, 1::2] = -1
    classes = {"black": (0, 0, 0), "grey": (128, 128, 128), "white": (255, 255, 255)}
    assert make(classes=classes)(board, NONE)[:, 1].sum() == 0
    assert make(classes=classes, blur=0.2)(board, NONE)[:, 1].mean() == 1


def test_types_and_devices_follow_the_image() -> None:
    mask = make()(noise().to(torch.bfloat16), NONE)
    assert mask.dtype == torch.bfloat16 and mask.shape == (2, 4, 9, 7)
    assert make().planes == 4
    assert not make().state_dict()


def test_mistakes_are_reported() -> None:
    assert "colours: images need 3 channels (red, green, blue); these have 1" in refusal(make(), noise()[:, :1], NONE)
    for options, message in (
        ({"classes": {}}, "classes is {}"),
        ({"classes": {"a": [0, 0]}}, "classes.a"),
        ({"classes": {"a": [0, 0, 256]}}, "classes.a"),
        ({"classes": {"a": [0, 0, 0]}, "blur": 0.6}, "blur is 0.6"),
    ):
        _, problems = check_options(Colours, options)
        assert len(problems) >= 1 and message in f"{'.'.join(map(str, problems[0].path))}: {problems[0].message}", (
            problems
        )
    with pytest.raises(GanzooError):
        create("masker", "colours")
