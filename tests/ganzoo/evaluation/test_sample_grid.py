"""The columns of a run's sample grid for methods, maskers and data sets of all kinds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

import ganzoo
from ganzoo.data.image_io import to_uint8
from ganzoo.evaluation.sample_grid import GAP, as_image, columns, draw_grid, join_steps
from ganzoo.interfaces import Output
from ganzoo.step import Step
from ganzoo.training import loop
from tests.support.tiny_run import make_images, write_recipe

SIZE = 12
ROUND = {"masker": "round", "scale": 0.7}
SHARED = {"composite": {"masker": "learned", "width": 2}, "discriminator": {"masker": "shared", "role": "composite"}}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, "real fake rec idt"),
    "input": (
        {"method": {"method": "mask_cyclegan"}, "maskers": {"input": "centered_square"}},
        "real input_mask_real fake rec idt",
    ),
    "composite": ({"maskers": {"composite": ROUND}}, "real composite_mask_real fake composite_mask_fake rec idt"),
    "discriminator": (
        {"maskers": {"discriminator": ROUND}},
        "real discriminator_mask_real fake discriminator_mask_fake rec idt",
    ),
    "composite and discriminator": (
        {"method": {"method": "smcyclegan"}, "maskers": SHARED},
        "real composite_mask_real discriminator_mask_real fake composite_mask_fake discriminator_mask_fake rec idt",
    ),
    "pairs": ({"data": {"dataset": "paired", "layout": "folders"}}, "real fake true rec idt"),
}
SEGMENTER = {"method": {"method": "segmenter"}, "networks": {"S": {"masker": "unet", "width": 2, "depth": 1}}}
NOTHING: dict[str, Any] = {"metrics": [], "every": 0, "best": None}


Outputs = Mapping[str, Output]


def drawn(folder: Path, monkeypatch: pytest.MonkeyPatch, **sections: Any) -> tuple[Step, Tensor, Outputs]:
    """Train one step; return the step that the sample grid shows, the grid (H, W, 3) in 0 … 255, and the outputs."""
    calls: list[tuple[Step, Outputs]] = []

    def spy(step: Step, outputs: Outputs) -> Tensor:
        calls.append((step, outputs))
        return draw_grid(step, outputs)

    monkeypatch.setattr(loop, "draw_grid", spy)
    file = write_recipe(folder, evaluate=NOTHING, data=sections.pop("data", {}))
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **sections}))
    ganzoo.run(file, "train.steps=1", root=folder / "runs")
    with Image.open(folder / "runs/tiny/default/samples/step-0000001.png") as image:
        grid = torch.from_numpy(np.array(image))
    ((step, outputs),) = calls
    return step, grid, outputs


def names(kinds: str, domain: str) -> list[str]:
    other = {"A": "B", "B": "A"}[domain]
    return [f"{kind}_{other if kind.endswith(('fake', 'true')) else domain}" for kind in kinds.split()]


@pytest.mark.parametrize("case", CASES)
def test_a_grid_file_records_the_positions_of_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    sections, _ = CASES[case]
    step, grid, outputs = drawn(tmp_path, monkeypatch, **sections)
    with Image.open(tmp_path / "runs/tiny/default/samples/step-0000001.png") as image:
        layout = json.loads(image.info["places"])
    assert list(layout["columns"]) == [*columns(step, "A", outputs), *columns(step, "B", outputs)]
    assert len(layout["tops"]) == len(step["real_A"])
    for name, (left, width, height) in layout["columns"].items():
        wanted = to_uint8(as_image(step[name], "" if "mask" in name else name[-1]))
        for top, image_of in zip(layout["tops"], wanted, strict=True):
            assert (grid[top : top + height, left : left + width].numpy() == image_of).all(), name


@pytest.mark.parametrize("case", CASES)
def test_the_columns_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    sections, kinds = CASES[case]
    step, grid, outputs = drawn(tmp_path, monkeypatch, **sections)
    for domain in "AB":
        assert columns(step, domain, outputs) == names(kinds, domain)
    width, rows = 2 * len(kinds.split()) * (SIZE + GAP) + 2 * GAP, len(step["real_A"])
    assert tuple(grid.shape) == (rows * (SIZE + GAP) - GAP, width, 3)


def test_the_columns_of_supervised_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_images(tmp_path / "images", masks=True)
    step, grid, outputs = drawn(tmp_path, monkeypatch, **SEGMENTER)
    assert columns(step, "A", outputs) == ["real_A", "given_mask_A", "mask_A"]
    assert columns(step, "B", outputs) == ["real_B"]  # the data set has its masks, but no network learns from them
    assert grid.shape[1] == 4 * (SIZE + GAP) + 2 * GAP


def test_the_discriminators_masks_are_drawn_beside_their_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data set's masks are white at the left; a translation has the mask of its source."""
    make_images(tmp_path / "images", masks=True)
    step, grid, outputs = drawn(tmp_path, monkeypatch, maskers={"discriminator": "file"})
    shown = names(CASES["discriminator"][1], "A")
    assert columns(step, "A", outputs) == shown
    for place, name in enumerate(shown):
        cell = grid[:SIZE, place * (SIZE + GAP) :][:, :SIZE].float()
        half = bool((cell[:, :4] > 250).all() and (cell[:, -4:] < 5).all())  # scaling blurs the edge between
        assert half == ("mask" in name), name


def test_images_of_several_sizes_are_joined_in_the_order_of_their_samples() -> None:
    wide = Step({"real_A": torch.zeros(1, 3, 2, 6), "fake_B": torch.full((1, 3, 2, 6), 0.5)}, samples=[1])
    tall = Step({"real_A": torch.zeros(2, 3, 4, 3), "fake_B": torch.full((2, 3, 4, 3), -0.5)}, samples=[0, 2])
    assert join_steps([wide]) is wide
    joined = join_steps([wide, tall])
    assert joined.samples == (0, 1, 2)
    assert joined["fake_B"].shape == (3, 3, 4, 6)
    assert joined["fake_B"][:, 0, 0, 0].tolist() == [-0.5, 0.5, -0.5]
    assert joined["fake_B"][1, :, 2:].eq(1).all() and joined["fake_B"][0, :, :, 3:].eq(1).all()
    assert joined["real_A"][1, :, :2].eq(0).all()
