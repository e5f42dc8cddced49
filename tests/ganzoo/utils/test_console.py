"""The bar of a task: lines in a file or a pipe when the task takes long, nothing from other processes."""

from __future__ import annotations

import io

import pytest

from ganzoo.utils.console import Bar, Console


def shown(console: Console) -> list[str]:
    with console.bar("reading images", 3) as bar:
        for _ in range(3):
            bar.advance()
    assert isinstance(console.rich.file, io.StringIO)
    return console.rich.file.getvalue().splitlines()


def test_a_long_task_prints_lines_and_a_short_one_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(Console(file=io.StringIO())) == []
    monkeypatch.setattr(Bar, "FIRST", -1.0)
    assert shown(Console(file=io.StringIO())) == ["reading images: 1 of 3"]
    monkeypatch.setattr(Bar, "NEXT", -1.0)
    assert shown(Console(file=io.StringIO())) == [f"reading images: {done} of 3" for done in (1, 2, 3)]
    assert shown(Console(quiet=True, file=io.StringIO())) == []
