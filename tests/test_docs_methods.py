"""The pages in docs/methods: one for each method, with true options, a recipe that is read, and tests that exist."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ganzoo.interfaces import Step, to_plain
from ganzoo.plugins import plugins
from ganzoo.recipe.options import options_of
from ganzoo.recipe.reader import read_recipe
from ganzoo_baselines.cut import CUT, FastCUT
from ganzoo_baselines.untranslated import Untranslated
from tests.support.pages import ROOT, blocks
from tests.support.vgg_networks import write_vgg

FOLDER = ROOT / "docs/methods"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.stem != "index")
HEADINGS = ["The paper", "What ganzoo computes", "What differs from the paper", "Options", "Recipe", "Held by tests"]
HEADINGS += ["Results", "Failure modes"]
SHARED = {"cut": ["cut", "fastcut"]}
"""Page → the methods that it describes, where they are not the page's name."""


def default_of(method: str) -> dict[str, Any]:
    """Return the options of a method and their defaults, as a recipe would write them."""
    options = options_of(plugins().registry.get("method", method).load())
    return {name: to_plain(option.default) for name, option in options.items()}


def test_every_registered_method_has_a_page_that_the_index_links() -> None:
    described = [name for page in PAGES for name in SHARED.get(page.stem, [page.stem])]
    registered = [one.name for one in plugins().registry.find("method") if one.plugin != "example"]
    assert sorted(described) == sorted(registered)
    index = (FOLDER / "index.md").read_text()
    links = dict(re.findall(r"^\| \[(.*?)\]\((\w+)\.md\)", index, re.MULTILINE))
    assert {page: re.findall(r"`(\w+)`", names) for names, page in links.items()} == {
        page.stem: SHARED.get(page.stem, [page.stem]) for page in PAGES
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_sections_in_order(page: Path) -> None:
    assert re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_options_that_exist_with_their_defaults(page: Path) -> None:
    section = page.read_text().split("\n## Options\n")[1].split("\n## ")[0]
    named = dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", section, re.MULTILINE))
    actual = default_of(SHARED.get(page.stem, [page.stem])[0])
    assert named or not actual
    assert {name: yaml.safe_load(text) for name, text in named.items()} == {name: actual[name] for name in named}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_recipe_of_a_page_is_complete_and_of_its_method(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_vgg(tmp_path / "vgg19.safetensors", 19)
    (text,) = blocks(page, "yaml")
    (tmp_path / "page.yaml").write_text(text)
    recipe = read_recipe(tmp_path / "page.yaml")
    assert recipe.method.component.name in SHARED.get(page.stem, [page.stem])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_a_test(page: Path) -> None:
    section = page.read_text().split("\n## Held by tests\n")[1].split("\n## ")[0]
    assert re.search(r"`tests/[\w/]+\.py::\w+`", section)


def test_fastcut_is_cut_with_three_options() -> None:
    fast, cut = FastCUT(), CUT(identity=False, nce=10.0, flip=True)
    assert vars(fast.cut).keys() == vars(cut).keys()
    for name in ("nce", "identity", "flip", "layers", "patches", "temperature", "size", "slots", "optims", "tensors"):
        assert getattr(fast.cut, name) == getattr(cut, name), name
    assert (fast.cut.nce, fast.cut.identity, fast.cut.flip) != (CUT().nce, CUT().identity, CUT().flip)
    assert [name for name, value in vars(FastCUT).items() if inspect.isfunction(value)] == ["__init__"]


def test_untranslated_returns_its_images() -> None:
    step = Step({f"real_{domain}": torch.rand(2, 3, 4, 5) for domain in "AB"})
    method = Untranslated()
    method.forward(step)
    assert torch.equal(step["fake_B"], step["real_A"]) and torch.equal(step["fake_A"], step["real_B"])
    assert method.translate(step["real_A"], "AB", step) is step["real_A"]
