"""The handlers of the tab for recipes, without a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_run import make_images

gr = pytest.importorskip("gradio", reason="the extra studio is not installed")


def handler(page: Any, button: str) -> Callable[..., Any]:
    """Return the function that a click on a button calls."""
    named = {number: block.elem_id for number, block in page.blocks.items()}
    (found,) = (one.fn for one in page.fns.values() if any(named.get(of) == button for of, _ in one.targets))
    function: Callable[..., Any] = found
    return function


def test_a_recipe_with_a_base_is_right_and_the_command_is_quoted(tmp_path: Path, checked_here: None) -> None:
    from ganzoo.studio.pages.recipe import add_recipe_tab

    target, root = tmp_path / "my recipes", make_images(tmp_path / "images")
    with gr.Blocks() as page:
        add_recipe_tab(target)
        base = (
            f"method: cyclegan\ndata: {{dataset: folders, root: {root}}}\nimages: {{size: 24}}\ntrain: {{steps: 3}}\n"
        )
        shown = handler(page, "r-write")(base, "it's")
        assert shown == (f"written: {target}/it's.yaml", f"""ganzoo run '{target}/it'"'"'s.yaml'""")
        text = """base: it's.yaml\ntrain: {steps: 4}\n"""
        answer = handler(page, "r-check")(text, "mine")
        assert answer.startswith("the recipe is right"), answer
