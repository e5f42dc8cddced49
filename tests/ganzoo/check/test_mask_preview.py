"""The mask preview shows each image, its mask, and the masked image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganzoo.check.mask_preview import draw_masks, preview_masks
from ganzoo.data.label_maps import class_colour, one_hot
from ganzoo.errors import GanzooError
from ganzoo.evaluation.sample_grid import GAP, draw_grid
from ganzoo.interfaces import Masker
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step
from tests.support.command_line import Command
from tests.support.tiny_run import write_recipe


class Left(Masker):
    planes = 2

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        left = torch.zeros_like(image[:, :1])
        left[..., : image.shape[-1] // 2] = 1
        return torch.cat([left, 1 - left], dim=1)


def test_each_plane_is_followed_by_the_masked_image() -> None:
    step = Step({"real_A": torch.full((2, 3, 4, 4), 0.5), "real_B": torch.full((2, 3, 4, 4), -0.5)}, samples=range(2))
    drawn = draw_masks(step, Roles({"labels": Left()}))
    wide = 4 + GAP
    assert drawn.shape == (3, 4 * wide, 5 * wide)
    row = drawn[0, 0]
    assert [float(row[i * wide]) for i in range(5)] == [0.5, 1.0, 0.5, -1.0, 0.0]
    assert float(drawn[0, 2 * wide, 0]) == -0.5


class Numbers(Masker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return torch.tensor([[0, 1], [20, 255]]).expand(len(image), 1, 2, 2)


def test_a_mask_of_class_numbers_is_drawn_once_in_their_colours() -> None:
    step = Step({"real_A": torch.full((1, 3, 2, 2), 0.5)}, samples=range(1))
    drawn = draw_masks(step, Roles({"labels": Numbers()}))
    assert drawn.shape == (3, 2 + GAP, 2 * (2 + GAP))
    colours = [torch.tensor(class_colour(label)) / 127.5 - 1 for label in (0, 1, 20, 255)]
    expected = torch.stack(colours, dim=1).view(3, 2, 2)
    torch.testing.assert_close(drawn[:, :2, 2 + GAP : 4 + GAP], expected)
    grid = draw_grid(step, {})
    torch.testing.assert_close(grid[:, :2, 2 + GAP : 4 + GAP], expected)


def test_label_maps_are_shown_in_the_colours_of_their_classes() -> None:
    labels = torch.tensor([[0, 1], [2, 3]]).repeat_interleave(2, 0).repeat_interleave(2, 1)[None]
    step = Step({"real_A": one_hot(labels, 4)}, samples=range(1), classes={"A": 4})
    drawn = draw_masks(step, Roles({"labels": Left()}))
    colour = torch.tensor(class_colour(3)) / 127.5 - 1
    torch.testing.assert_close(drawn[:, 3, 3], colour)
    assert drawn[:, 3, 2 * (4 + GAP) + 3].tolist() == [0, 0, 0]  # outside of the left half


def test_the_command_writes_the_image(command: Command, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, maskers={"discriminator": {"masker": "centered_square", "scales": [0.5]}})
    done = command("masks", recipe, "-o", tmp_path / "m.png")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "m.png") as image:
        pixels = np.array(image)
    wide = 12 + GAP
    assert pixels.shape == (16 * wide, 3 * wide, 3)
    assert set(np.unique(pixels[:12, wide : wide + 12])) == {0, 255}
    assert not (tmp_path / "runs").exists()


def test_a_recipe_without_maskers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="no maskers to show"):
        preview_masks(write_recipe(tmp_path), (), tmp_path / "m.png")


def test_whole_images_of_several_sizes_are_drawn_below_each_other(tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path,
        maskers={"discriminator": "round"},
        images={"size": 12, "load": 0, "fit": "none"},
        train={"batch": 1, "steps": 1},
    )
    for domain, size in (("A", (513, 7)), ("B", (9, 11))):
        Image.new("RGB", size).save(tmp_path / f"images/train{domain}/00.png")
    preview_masks(recipe, [], tmp_path / "masks.png")
    with Image.open(tmp_path / "masks.png") as image:  # the image, its mask, the masked image; 7 others are 20×16
        assert image.size == (3 * (513 + GAP), 7 + 11 + 14 * 16 + 16 * GAP)
