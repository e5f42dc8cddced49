"""The page of losses: it names every loss, and each of its lines attaches to a method."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ganzoo.plugins import plugins
from ganzoo.recipe.reader import read_recipe
from tests.support.pages import blocks

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/losses.md").read_text()
LINES = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| `(\{.+\})` \|$", PAGE, re.MULTILINE))


def recipe_file(folder: Path, losses: str) -> Path:
    """Write the quickstart with a section ``losses``, and maskers for the losses that read their masks."""
    file = folder / "losses.yaml"
    file.write_text(f"base: {ROOT}/recipes/quickstart.yaml\nmaskers: {{labels: {{masker: file}}}}\n{losses}")
    return file


def test_the_page_names_every_loss() -> None:
    assert sorted(LINES) == sorted(one.name for one in plugins().registry.find("loss") if one.plugin != "example")


@pytest.mark.parametrize("name", LINES)
def test_a_line_of_the_page_attaches(tmp_path: Path, name: str) -> None:
    """The line is of its loss, and names the loss's inputs and tensors that CycleGAN makes."""
    line = LINES[name].replace("banks/landscapes", str(tmp_path))
    file = recipe_file(tmp_path, f"losses: {{x: {line}}}\n")
    if "labels_mask" not in line:
        file.write_text(file.read_text().replace("maskers: {labels: {masker: file}}\n", ""))
    loss = read_recipe(file).losses["x"]
    assert loss.component.name == name
    target: Any = loss.component.load()
    assert {key for key, one in target.inputs().items() if one.default is one.empty} <= set(loss.kind_options["of"])


def test_the_example_of_the_page_attaches(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "docs/losses.md", "yaml")
    file = tmp_path / "losses.yaml"
    file.write_text(f"base: {ROOT}/recipes/quickstart.yaml\n{text}")
    assert set(read_recipe(file).losses) == {"outlines", "background"}
