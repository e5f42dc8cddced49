"""The masks that a user chooses on the page, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganzoo.studio.catalog import Catalog
from ganzoo.studio.models import Models
from ganzoo.studio.service import Studio
from tests.support.command_line import refusal

gr = pytest.importorskip("gradio", reason="the extra studio is not installed")


def controls(studio: Studio) -> Any:
    from ganzoo.studio.pages.masks import MaskControls

    with gr.Blocks():
        return MaskControls(studio, gr.File())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{masker: unet, weights: /etc/passwd}", "unet"),
        ("{masker: segmenter, weights: $HOME/x, foreground: [1]}", "segmenter"),
        ("{masker: union, of: [round, {masker: difference, of: [full, {masker: sam, weights: x}]}]}", "sam"),
    ],
)
def test_others_name_no_file_of_the_server_in_a_masker(text: str, name: str, tmp_path: Path) -> None:
    from ganzoo.studio.pages.masks import MASKERS

    catalog, models = Catalog([str(tmp_path)]), Models(device="cpu")
    with Studio(catalog, models) as studio:
        masks = controls(studio)
        expected = f"masks: {name}: weights is a file of the server: leave it out, or use the studio there"
        assert refusal(masks.read, [[MASKERS], None, "", None, f"round\n{text}"], [], tmp_path) == expected
        good = "round\n{masker: union, of: [round, full]}\nunknown"
        assert masks.read([[MASKERS], None, "", None, good], [], tmp_path).maskers == good.splitlines()
    with Studio(catalog, models, tmp_path / "recipes") as studio:
        assert controls(studio).read([[MASKERS], None, "", None, text], [], tmp_path).maskers == [text]


def test_what_is_painted_stays_until_another_image_is_the_first(tmp_path: Path) -> None:
    from ganzoo.studio.pages.masks import BOXES, BRUSH, FILES

    with Studio(Catalog([str(tmp_path)]), Models(device="cpu")) as studio:
        studio.served.mkdir()
        one, two = (str(studio.served / f"{name}.png") for name in ("one", "two"))
        for file in (one, two):
            Image.new("RGB", (8, 6)).save(file)
        (studio.served / "bad.png").write_text("no image")
        masks = controls(studio)
        loaded: dict[str, Path] = {}
        for files, kinds, new in (
            ([], [BRUSH], []),
            ([one], [BRUSH], [BRUSH]),
            ([one, two], [BRUSH], []),
            ([one, two], [BRUSH, FILES], []),
            ([one, two], [BRUSH, FILES, BOXES], [BOXES]),
            ([str(studio.served / "bad.png")], [BRUSH, BOXES], []),
            ([], [BRUSH, BOXES], []),
            ([one], [BRUSH, BOXES], []),
            ([two, one], [BRUSH, BOXES], [BRUSH, BOXES]),
            ([two, one], [BOXES], []),
            ([two, one], [BOXES, BRUSH], [BRUSH]),
        ):
            *shown, loaded = masks.load(files, kinds, loaded)
            assert [kind for kind, value in zip((BRUSH, BOXES), shown, strict=True) if value != gr.skip()] == new
