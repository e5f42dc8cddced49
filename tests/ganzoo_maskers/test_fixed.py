import pytest
import torch

from ganzoo.randomness import Draws
from ganzoo_maskers.fixed import File, Full, Round

NONE = Draws([])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("masker", [Full(), Round(scale=0.7), File()], ids=lambda one: type(one).__name__)
def test_masks_are_one_plane_of_the_images_type(masker: torch.nn.Module, dtype: torch.dtype) -> None:
    images = torch.zeros(2, 3, 5, 8, dtype=dtype)
    mask = masker(images, NONE, torch.ones(2, 1, 5, 8))
    assert mask.shape == (2, 1, 5, 8)
    assert mask.dtype == dtype


@pytest.mark.parametrize("masker", [Full(), Round()], ids=lambda one: type(one).__name__)
def test_masks_lie_where_the_images_lie(masker: torch.nn.Module) -> None:
    assert masker(torch.zeros(1, 3, 4, 4, device="meta"), NONE).device.type == "meta"


def test_full_is_all_of_the_image() -> None:
    assert Full()(torch.randn(2, 3, 3, 7), NONE).eq(1).all()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (17, 40)])
@pytest.mark.parametrize("scale", [0.4, 1.0, 1.5])
def test_round_is_the_ellipse(height: int, width: int, scale: float) -> None:
    mask = Round(scale=scale)(torch.zeros(2, 3, height, width), NONE)
    for row in range(height):
        for column in range(width):
            y, x = (row + 0.5 - height / 2) / (height / 2), (column + 0.5 - width / 2) / (width / 2)
            assert mask[1, 0, row, column] == float(x * x + y * y <= scale * scale)


def test_round_takes_its_share_of_the_area() -> None:
    assert float(Round(scale=0.6)(torch.zeros(1, 1, 200, 300), NONE).mean()) == pytest.approx(
        0.36 * torch.pi / 4, abs=2e-3
    )


def test_round_can_be_written_to_sample_by_sample() -> None:
    mask = Round()(torch.zeros(2, 3, 8, 8), NONE)
    mask[0] = 0
    assert mask[1].any()


def test_file_is_the_given_mask_soft_as_it_is() -> None:
    given = torch.rand(2, 1, 4, 6)
    assert torch.equal(File()(torch.zeros(2, 3, 4, 6), NONE, given), given)
    assert File.needs == ("given",)
