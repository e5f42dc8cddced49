"""YAML by the core schema of version 1.2: which plain words are numbers, true, false, nothing, or text."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml

from ganzoo.utils.core_yaml import dump_yaml, load_yaml


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("010", 10), ("0o10", 8), ("0x1F", 31), ("-7", -7), ("+7", 7), ("0", 0),
        ("2e-4", 2e-4), ("1e5", 1e5), ("1.", 1.0), (".5", 0.5), ("-1.5E+3", -1500.0),
        (".inf", math.inf), ("-.INF", -math.inf),
        ("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
    ],
)  # fmt: skip
def test_plain_words_with_a_type(word: str, value: Any) -> None:
    loaded = load_yaml(f"x: {word}")["x"]
    assert loaded == value
    assert type(loaded) is type(value)
    assert load_yaml(f"[{word}]") == ([value] if word else [])


@pytest.mark.parametrize(
    "word",
    ["1:30", "1:30.5", "yes", "no", "on", "off", "Yes", "OFF", "y", "n", "0b11", "1_000", "2020-01-01", "2020-13-45",
     "2020-01-01 10:00:00", "tRUE", "nUll", "0o9", "1e", "e5", "=", "+", "-.", "1.2.3", ".nAn"],
)  # fmt: skip
def test_all_other_words_are_text(word: str) -> None:
    assert load_yaml(f"x: {word}") == {"x": word}


def test_not_a_number_is_read() -> None:
    assert math.isnan(load_yaml("x: .NaN")["x"])


def test_quotes_make_text_of_any_word() -> None:
    assert load_yaml("x: ['010', \"true\", '~', !!str 5]") == {"x": ["010", "true", "~", "5"]}


def test_words_of_yaml_1_1_are_keys_too() -> None:
    assert load_yaml("on: 1\nno: 2\n1:30: 3") == {"on": 1, "no": 2, "1:30": 3}


@pytest.mark.parametrize(
    "text",
    ["!!int x", "!!bool maybe", "!!float 1:30", "!!null x", "9" * 5000, "!!timestamp 2020-01-01", "!!binary aGk="],
)
def test_words_that_do_not_fit_and_other_tags_are_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load_yaml(text)


@pytest.mark.parametrize(
    "value",
    ["010", "0o10", "1:30", "yes", "off", "2e-4", "1e5", "~", "", "<<", "0b11", "2020-01-01", "1_000", ".inf", "=",
     2e-4, 1e-05, 1e16, math.inf, 10, True, None, "Größe", [1, "2"], {"on": "no"}],
)  # fmt: skip
def test_what_is_written_reads_alike_in_both_versions(value: Any) -> None:
    for text in (dump_yaml({"x": value}), dump_yaml({"x": value}, flow=True)):
        assert load_yaml(text) == {"x": value} == yaml.safe_load(text)
