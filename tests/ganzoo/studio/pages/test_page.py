"""The handlers of the page, without a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ganzoo.studio.catalog import Catalog
from ganzoo.studio.models import Models
from ganzoo.studio.service import Studio
from tests.support.studio_runs import train_runs

gr = pytest.importorskip("gradio", reason="the extra studio is not installed")


def following(page: Any, name: str) -> Iterator[tuple[Callable[..., Any], list[str]]]:
    """Yield the handlers that run after those of a button, and the names of the controls that they set."""
    named = {number: block.elem_id for number, block in page.blocks.items()}
    clicks = [one._id for one in page.fns.values() if any(named.get(of) == name for of, _ in one.targets)]
    for one in page.fns.values():
        if one.trigger_after in clicks:
            yield one.fn, [str(output.elem_id) for output in one.outputs]


def test_reloading_shows_what_is_new_of_the_same_run(tmp_path: Path) -> None:
    from ganzoo.studio.pages.page import build_page

    folder = train_runs(tmp_path, "plain") / "plain/default"
    with Studio(Catalog([str(tmp_path / "runs")]), Models(device="cpu")) as studio:
        studio.served.mkdir()
        handlers = {name: fn for fn, names in following(build_page(studio), "reload") for name in names}
        shutil.copytree(folder / "checkpoints/last", folder / "checkpoints/step-2")
        facts, _ = handlers["facts"](str(folder))
        assert "- **checkpoints**: best, last, step\\-2" in facts
        status, direction, checkpoint, *_ = handlers["checkpoint"](str(folder), "BA", "last")
        assert status == "ready: last of step 2"
        assert (direction.value, checkpoint.value) == ("BA", "last")
        assert [value for _, value in checkpoint.choices] == ["best", "last", "step-2"]
        shutil.rmtree(folder / "checkpoints/last")
        assert handlers["checkpoint"](str(folder), "XY", "last")[0] == "ready: best of step 2"
