"""Any text can be printed: control characters are escaped, and no encoding ends a command."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganzoo.utils.console import Console
from ganzoo.utils.terminal import accept_any_text, escape_controls
from tests.support.command_line import Run
from tests.support.tiny_run import ganzoo, write_recipe

EVIL = "a\x1b[2J\r\x07\x9b1m\u202e.png"
SHOWN = r"a\x1b[2J\r\x07\x9b1m\u202e.png"


def test_control_characters_are_escaped() -> None:
    assert escape_controls(EVIL) == SHOWN
    assert escape_controls("two\nlines,\ta tab, größer → 図") == "two\nlines,\ta tab, größer → 図"


def test_the_console_escapes_them_too() -> None:
    file = io.StringIO()
    console = Console(file=file)
    console.say(EVIL)
    console.panel("done", [EVIL])
    with console.progress(2, 0) as line:
        line.report(1, {EVIL: 1.0}, 1.0, 0.0, 1.0)
    assert file.getvalue().count(SHOWN) == 3 and "\x1b" not in file.getvalue()


@pytest.mark.parametrize(
    "words", [["check", EVIL], ["report", EVIL], ["translate", EVIL, "x", "-o", "y"], ["table", EVIL]]
)
def test_errors_escape_file_names(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = run(*words)
    assert code == 2 and SHOWN in error and error.count("\n") == 1
    assert "\x1b" not in error


def test_a_stream_spells_what_its_encoding_lacks() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    accept_any_text(stream)
    stream.write("— 3 × 4 → größer \udcff")
    stream.flush()
    assert stream.buffer.getvalue() == rb"- 3 x 4 -> gr\xf6\xdfer \udcff"


def test_a_run_ends_well_where_the_output_is_ascii(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 1}, evaluate={"every": 0, "best": None, "limit": 1})
    done = ganzoo("run", recipe, "--root", tmp_path / "größer", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "- done -" in done.stdout and r"gr\xf6\xdfer/tiny/default" in done.stdout
    assert "images/step" in done.stdout and "world 1 x batch 2" in done.stdout


def test_a_file_name_that_is_not_utf_8_can_be_printed(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "ganzoo", "check", os.fsdecode(b"\xff.yaml")]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True)
    assert done.returncode == 2 and rb"ganzoo: \udcff.yaml: no such file" in done.stderr
