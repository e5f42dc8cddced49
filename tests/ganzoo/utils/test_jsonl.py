"""JSON lines after a kill, unencodable characters, and plain values."""

from __future__ import annotations

import json
import math
from pathlib import Path

from ganzoo.utils.jsonl import JsonLines, to_plain, write_text
from tests.support.command_line import refusal


def test_a_line_cut_within_a_character_is_skipped(tmp_path: Path) -> None:
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


def test_a_line_appended_after_a_broken_line_is_not_lost(tmp_path: Path) -> None:
    file = JsonLines(tmp_path / "a.jsonl")
    file.append(step=1)
    with file.file.open("ab") as opened:
        opened.write(b'{"step": 2, "te')
    file.append(step=3)
    file.append(step=4)
    assert [one["step"] for one in file] == [1, 3, 4]
    assert len(file.file.read_bytes().splitlines()) == 4


def test_unencodable_characters_are_replaced(tmp_path: Path) -> None:
    file = JsonLines(tmp_path / "a.jsonl")
    file.append(why="no \udcff room")
    assert [one["why"] for one in file] == ["no ? room"]
    write_text(tmp_path / "b.txt", "ä \udcff")
    assert (tmp_path / "b.txt").read_text(encoding="utf-8") == "ä ?"


def test_numbers_that_json_lacks_are_texts_in_the_file_and_numbers_again_when_read(tmp_path: Path) -> None:
    def refuse(token: str) -> None:
        raise ValueError(token)

    file = JsonLines(tmp_path / "a.jsonl")
    file.append(step=1, losses={"g": math.nan, "d": -math.inf}, why="NaN", list=[math.inf])
    file.cut(1)
    line = json.loads(file.file.read_text(), parse_constant=refuse)
    assert line["losses"] == {"g": "NaN", "d": "-Infinity"} and line["list"] == ["Infinity"]
    (read,) = file
    assert math.isnan(read["losses"]["g"]) and read["losses"]["d"] == -math.inf
    assert (read["why"], read["step"]) == ("NaN", 1)


def test_a_file_where_a_folder_is_expected_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert (
        refusal(write_text, tmp_path / "a/x.html", "") == f"{tmp_path / 'a/x.html'}: cannot be written: Not a directory"
    )


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    file = JsonLines(tmp_path / "a.jsonl")
    file.append(step=1, text="a\u2028b\x85c\x1cd\re")
    assert [one["text"] for one in file] == ["a\u2028b\x85c\x1cd\re"]


def test_plain_values_have_the_types_of_yaml_and_json() -> None:
    assert to_plain({"a": (1, Path("x/y")), "b": {"c": None}}) == {"a": [1, "x/y"], "b": {"c": None}}
    assert isinstance(to_plain(object()), str)
