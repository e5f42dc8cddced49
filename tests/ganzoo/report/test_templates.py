"""Templates of the report: values are escaped, control characters are replaced, missing variables are errors."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from ganzoo.report.results import Results
from ganzoo.report.tables import Heading, Table
from ganzoo.report.templates import read_asset, render


def results(text: str) -> Markup:
    table = Table([text, Heading(text, text)], [[text, text]])
    return render("results.html", results=[Results(text, table, table)] * 2)


def test_text_is_escaped_everywhere() -> None:
    html = results("<b title='x'>&\"")
    assert "<b" not in html and html.count("&lt;b title=&#39;x&#39;&gt;&amp;&#34;") == 21


def test_control_characters_are_replaced() -> None:
    assert "a\nb�c�" in results("a\r\nb\x00c\ud800")


def test_a_missing_variable_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="results"):
        render("results.html")


def test_files_inserted_as_they_are_hold_no_end_tag() -> None:
    for name in ("page.css", "page.js"):
        assert "</" not in read_asset(name)


def test_charts_are_read_with_the_keyboard_too() -> None:
    script = read_asset("page.js")
    assert all(f"{key}:" in script for key in ("ArrowLeft", "ArrowRight", "Home", "End"))
    assert 'addEventListener("blur", hide)' in script
    assert "svg:focus-visible" in read_asset("page.css")


def test_cells_of_tables_break_between_words_alone() -> None:
    """``anywhere`` would let a narrow window break a number in two; a table that is too wide scrolls instead."""
    rules = dict(re.findall(r"^(\S[^{]*) \{(.*)\}$", read_asset("page.css"), re.MULTILINE))
    assert "overflow-wrap: break-word" in rules["td"]
    assert "overflow-x: auto" in rules[".wide"]


def test_every_template_starts_with_a_comment_that_describes_it() -> None:
    folder = files("ganzoo.report.templates")
    templates = [file for file in folder.iterdir() if file.name.endswith(".html")]
    assert len(templates) >= 5
    for file in templates:
        assert file.read_text(encoding="utf-8").startswith("{# "), file.name
