"""Two processes train as one, with each bundled method whose plugin has no such test of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.small_networks import MUNIT_SMALL
from tests.support.tiny_run import RECIPE, make_images
from tests.support.two_processes import assert_two_processes_train_as_one

PAIRED = {"dataset": "paired", "layout": "folders"}
SMOOTH = {
    "G": {"generator": "smooth_resnet", "width": 2, "blocks": 1},
    "D": {"discriminator": "smooth_patch", "width": 2, "layers": 1},
}
INSTANCE = {name: {**one, "norm": "instance"} for name, one in RECIPE["networks"].items()}  # batch norm needs a GPU
METHODS: dict[str, dict[str, Any]] = {
    "cyclegan": {"method": {"method": "cyclegan", "pool": 3}},
    "cyclegan in channels_last": {"method": {"method": "cyclegan", "pool": 3}, "images": {"size": 128}},
    "mask_cyclegan": {
        "method": {"method": "mask_cyclegan", "pool": 3},
        "maskers": {"input": {"masker": "multi_rectangle"}},
    },
    "munit": {"method": {"method": "munit", "cycle": 1.0, "halve": 0}, "networks": MUNIT_SMALL},
    "cut": {"method": {"method": "cut", "layers": [0, 2], "patches": 8, "size": 4}, "networks": SMOOTH},
    "pix2pix": {"method": {"method": "pix2pix"}, "networks": INSTANCE, "data": PAIRED},
}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_as_one(method: str, tmp_path: Path) -> None:
    recipe = {
        **RECIPE,
        "data": {"dataset": "folders"},
        "images": {"size": 16},
        "train": {
            "steps": 6,
            "precision": "fp32",
            "batch": 2,
            "lr": 1e-3,
            "ema": 0.5,
            "log": 3,
            "sample": 0,
            "decay": 0.0,
        },
        "evaluate": {"metrics": [], "every": 0},
        **METHODS[method],
    }
    recipe["data"] = {**recipe["data"], "root": str(make_images(tmp_path / "images"))}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    assert_two_processes_train_as_one(tmp_path / "tiny.yaml", tmp_path)
