"""The styles that a user chooses on the page, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.studio.catalog import Catalog
from ganzoo.studio.models import Models
from ganzoo.studio.service import Studio
from tests.support.command_line import refusal

gr = pytest.importorskip("gradio", reason="the extra studio is not installed")


@pytest.mark.parametrize("text", ["/etc/secret.png", "secret.png", "random", "0.3,x", "0.3,,1", "1;2"])
def test_numbers_are_numbers_and_never_a_file_of_the_server(text: str, tmp_path: Path) -> None:
    from ganzoo.studio.pages.styles import NUMBERS, StyleControls

    with Studio(Catalog([str(tmp_path)]), Models(device="cpu"), tmp_path / "recipes") as studio, gr.Blocks():
        styles = StyleControls(studio, gr.Dropdown(), gr.Dropdown(), gr.Dropdown(), gr.File())
        expected = f"style: {text!r} is not numbers with commas between them: 0.3,-1,…"
        assert refusal(styles.read, [NUMBERS, 1, None, None, 2, text]) == expected
        good = styles.read([NUMBERS, 1, None, None, 2, " 0.3, -1e-3,2 \n"])
        assert good == {"styles": ["0.3, -1e-3,2"], "samples": 1, "between": 0}
