"""A tiny MUNIT run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import ganzoo
from tests.support.small_networks import MUNIT_SMALL
from tests.support.tiny_run import RECIPE, make_images


@pytest.fixture(scope="session")
def munit_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("munit")
    recipe = {
        **RECIPE,
        "method": {"method": "munit", "cycle": 1.0},
        "networks": MUNIT_SMALL,
        "data": {"dataset": "folders", "root": str(make_images(folder / "images"))},
        "images": {"size": 16},
    }
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(recipe))
    return file


@pytest.fixture(scope="session")
def munit_run(munit_recipe: Path) -> Path:
    ganzoo.run(munit_recipe, "train.steps=2", root=munit_recipe.parent / "runs")
    return munit_recipe.parent / "runs/tiny/default"
