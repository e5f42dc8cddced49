"""Images of one bright disc each, with their masks, and a recipe for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

SIZE = 16
RECIPE: dict[str, Any] = {
    "method": {"method": "segmenter", "optimizer": "adam"},
    "networks": {"S": {"masker": "unet", "width": 8, "depth": 1}},
    "data": {"dataset": "folders", "validation": 0.25},
    "images": {"size": SIZE},
    "train": {"steps": 8, "batch": 4, "lr": 1e-2, "decay": 0, "ema": 0.5, "log": 3, "sample": 4, "save": 2},
    "evaluate": {"metrics": ["mask_iou"], "every": 4, "best": "max mask_iou"},
}


def draw_discs(folder: Path, count: int, first: int) -> None:
    """Write orange discs on blue noise into a folder, and their masks, soft at the edge, into another beside it."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for i in range(first, first + count):
        drawn = np.random.default_rng(i)
        (y, x), radius = drawn.uniform(5, 11, 2), drawn.uniform(3, 5)
        mask = np.clip(radius + 0.5 - np.hypot(rows - y, columns - x), 0, 1)[..., None]
        ground = drawn.uniform(0, 120, (SIZE, SIZE, 3))
        image = mask * [230, 140, 40] + (1 - mask) * ground
        for place, pixels in ((folder, image), (folder.with_name(f"{folder.name}_masks"), 255 * mask[..., 0])):
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{i:02}.png")


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with train, train_masks, test and test_masks."""
    home = tmp_path_factory.mktemp("discs")
    draw_discs(home / "train", 16, 0)
    draw_discs(home / "test", 5, 100)
    return home


@pytest.fixture
def write(discs: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write the recipe with changed sections; return its file."""

    def written(name: str = "tiny", **changes: Mapping[str, Any]) -> Path:
        recipe = {section: {**dict(value), **changes.get(section, {})} for section, value in RECIPE.items()}
        recipe["data"] = {"A": str(discs / "train"), "test_A": str(discs / "test"), **recipe["data"]}
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(recipe))
        return file

    return written
