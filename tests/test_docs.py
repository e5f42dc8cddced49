"""What the README, the docs and the shipped recipes promise."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from tinyrun import make_pictures

import ganzoo
from ganzoo.cli import cli
from ganzoo.plugins import Plugins
from ganzoo.randomness import Draws, keyed
from ganzoo.recipe_reader import read_recipe

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Return the words of every ganzoo command in a text, comments left out."""
    lines = (line.lstrip("# ") if line.startswith("# ganzoo") else line for line in text.splitlines())
    words = [shlex.split(line.split("   ")[0], comments=True) for line in lines if "ganzoo " in line]
    return [one[one.index("ganzoo") + 1 :] for one in words if "ganzoo" in one]


def assert_parses(words: list[str]) -> None:
    name, *arguments = words
    context = cli.commands[name].make_context(name, arguments)
    recipe = context.params.get("recipe")
    if recipe is not None and "recipes" in recipe.parts:
        assert (ROOT / recipe).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_a_page_is_one(page: Path) -> None:
    for block in blocks(page, "sh"):
        for words in commands(block):
            assert_parses(words)


def test_the_make_targets_of_the_readme_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        match
        for page in [*PAGES, ROOT / "CONTRIBUTING.md"]
        for match in re.findall(r"make ([a-z-]+)`", page.read_text())
    }
    assert {"quickstart", "test", "test-slow", "test-gpu"} <= named | targets
    assert named <= targets


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_shipped_recipe_begins_with_its_command(recipe: Path) -> None:
    (words,) = commands(recipe.read_text().splitlines()[0])
    assert words[:2] == ["run", f"recipes/{recipe.name}"]
    assert_parses(words)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_shipped_recipe_runs(recipe: Path, tmp_path: Path) -> None:
    """Two steps of each, its networks made narrow and its pictures small."""
    overrides = ["train.steps=2", "images.size=32", "images.load=0", "evaluate.metrics=[]", "evaluate.every=0"]
    overrides += ["networks.G.width=2", "networks.G.blocks=1", "networks.D.width=2", "networks.D.layers=1"]
    if read_recipe(recipe).data.component.name == "folders":
        overrides.append(f"data.root={make_pictures(tmp_path / 'pictures')}")
    ganzoo.run(recipe, *overrides, root=tmp_path)
    assert (tmp_path / recipe.stem / "default/checkpoints/last/progress.json").is_file()


def test_the_recipe_of_the_readme_is_sound(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "README.md", "yaml")
    (tmp_path / "readme.yaml").write_text(text)
    recipe = read_recipe(tmp_path / "readme.yaml")
    assert recipe.networks["G_BA"].options["blocks"] == 6


def test_the_inheriting_recipe_of_the_docs_is_sound(tmp_path: Path) -> None:
    text = blocks(ROOT / "docs/recipes.md", "yaml")[-1]
    (tmp_path / "over.yaml").write_text(text.replace("base: ", f"base: {ROOT}/recipes/"))
    recipe = read_recipe(tmp_path / "over.yaml")
    assert (recipe.networks["G_AB"].options["blocks"], recipe.networks["G_AB"].options["width"]) == (6, 64)
    assert (recipe.train.steps, recipe.train.epochs, recipe.losses) == (1000, 0, {})


def test_the_losses_of_the_docs_attach(tmp_path: Path) -> None:
    text = blocks(ROOT / "docs/recipes.md", "yaml")[0]
    (tmp_path / "losses.yaml").write_text(text + "base: base.yaml\n")
    (tmp_path / "base.yaml").write_text((ROOT / "recipes/quickstart.yaml").read_text())
    recipe = read_recipe(tmp_path / "losses.yaml")
    assert recipe.losses["colours"].use["of"] == {"image": "fake_B", "target": "real_A"}
    assert recipe.losses["smooth"].use["of"] == {"image": "fake_B"}


def test_the_plugin_of_the_docs_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/plugins.md").read_text()
    for name, text in re.findall(r"`([\w/.]+)`:\n\n```\w+\n(.*?)```", page, re.DOTALL):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    declared = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]["entry-points"]["ganzoo"]
    monkeypatch.syspath_prepend(tmp_path)
    found = Plugins()
    found.load([EntryPoint(name, value, "ganzoo") for name, value in declared.items()])
    masker = found.registry.get("masker", "left").load()(share=0.25)
    mask = masker(torch.zeros(1, 3, 4, 8), Draws([keyed(0)]))
    assert mask.shape == (1, 1, 4, 8)
    assert mask[0, 0, 0].tolist() == [1.0, 1.0] + [0.0] * 6


def test_the_table_of_the_readme_is_what_its_records_give() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/quickstart.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_an_edited_figure_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    bench = import_module("quickstart")
    edited = tmp_path / "README.md"
    edited.write_text(re.sub(r"\| (\d+)\.(\d) \|", r"| \1.9 |", (ROOT / "README.md").read_text(), count=1))
    monkeypatch.setattr(bench, "README", edited)
    monkeypatch.setattr(sys, "argv", ["quickstart.py", "--check"])
    with pytest.raises(SystemExit, match="not what benchmarks"):
        bench.main()


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    (text,) = blocks(ROOT / "README.md", "python")
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 30), "white").save("digit.png")
    names: dict[str, object] = {}
    exec(text.replace("recipes/", f"{ROOT}/recipes/"), names)
    assert names["picture"].size == (40, 30)  # type: ignore[attr-defined]
    assert "judged_B" in names["figures"]  # type: ignore[operator]
