"""JSON lines: what a kill leaves of them, and what they may hold."""

from __future__ import annotations

from pathlib import Path

from ganzoo.records import JsonLines


def test_a_line_that_was_cut_within_a_character_is_left_out(tmp_path: Path) -> None:
    file = JsonLines(tmp_path / "a.jsonl")
    file.append(step=1, text="größer")
    file.append(step=2, text="größer")
    whole = file.file.read_bytes()
    at = whole.rindex("ö".encode()) + 1
    file.file.write_bytes(whole[:at])
    assert [one["step"] for one in file] == [1]
    file.cut(1)
    file.append(step=3)
    assert [one["step"] for one in file] == [1, 3]


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    file = JsonLines(tmp_path / "a.jsonl")
    file.append(step=1, text="a\u2028b\x85c\x1cd\re")
    assert [one["text"] for one in file] == ["a\u2028b\x85c\x1cd\re"]
