"""The handler that compares runs, without a browser."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from ganzoo.studio.catalog import Catalog
from ganzoo.studio.models import Models
from ganzoo.studio.service import Studio
from tests.support.random_images import noise
from tests.support.studio_runs import train_runs

gr = pytest.importorskip("gradio", reason="the extra studio is not installed")


def status_of(studio: Studio, upload: Path, *names: str) -> str:
    """Return the last status that a comparison shows."""
    from ganzoo.studio.pages.page import build_page

    page = build_page(studio)
    button = next(number for number, block in page.blocks.items() if block.elem_id == "compare")
    compare: Any = next(one.fn for one in page.fns.values() if (button, "click") in one.targets)
    *_, last = compare(str(upload), names, "the first", SimpleNamespace(session_hash="tab"))
    return str(last[0])


def test_an_image_is_compared_and_a_video_is_refused_before_it_is_translated(tmp_path: Path) -> None:
    train_runs(tmp_path, "plain")
    with Studio(Catalog([str(tmp_path / "runs")]), Models(device="cpu")) as studio:
        studio.served.mkdir()
        frames = [Image.fromarray(pixels) for pixels in noise(3, 16, 16, 3)]
        frames[0].save(studio.served / "a.gif", save_all=True, append_images=frames[1:])
        run = studio.catalog.runs()[0].name
        names = [f"{run}\nbest", f"{run}\nlast"]
        assert status_of(studio, studio.served / "a.gif", *names) == "2 of 2 translated"
        (studio.served / "a.mp4").touch()
        problem = "compare takes an image; translate videos in Translate"
        assert status_of(studio, studio.served / "a.mp4", *names) == f"a.mp4: {problem}"
