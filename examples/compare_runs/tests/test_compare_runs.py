"""Contracts of the command ``ganzoo sheet``, and the image that it draws."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from compare_runs.command import sheet
from ganzoo.testing import command_tests, train_tiny

TestCommands = command_tests("compare_runs")


def test_each_run_has_a_column_and_each_image_a_row(tmp_path: Path) -> None:
    run, out = train_tiny(tmp_path).folder, tmp_path / "sheet.png"
    words = [run, run, "--images", tmp_path / "images/testA", "--out", out, "--side", 32, "--count", 2]
    done = CliRunner().invoke(sheet, list(map(str, words)))
    assert done.output == f"{out}: 2 images, 2 runs\n"
    with Image.open(out) as drawn:
        assert drawn.size == (3 * 32, 16 + 2 * 32)
        columns = [drawn.crop((x, 16, x + 32, 80)).tobytes() for x in (0, 32, 64)]
    assert columns[0] != columns[1] == columns[2]
