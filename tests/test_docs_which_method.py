"""docs/which_method.md and its diagram name the methods that exist, and the page names all of them."""

from __future__ import annotations

import re

from ganzoo.plugins import plugins
from tests.support.pages import ROOT

PAGE = (ROOT / "docs/which_method.md").read_text()
DIAGRAM = (ROOT / "docs/which_method.svg").read_text()
METHODS = {one.name for one in plugins().registry.find("method") if one.plugin != "example"}


def test_the_page_has_a_place_for_every_method() -> None:
    assert METHODS - {name for name in METHODS if f"`{name}`" in PAGE} == set()


def test_links_to_methods_have_the_name_of_their_page() -> None:
    links = re.findall(r"\[`(\w+)`\]\(methods/(\w+)\.md", PAGE)
    assert links
    assert [(name, page) for name, page in links if name != page] == []


def test_the_diagram_names_methods_that_the_page_explains() -> None:
    named = set(re.findall(r'<text class="method"[^>]*>(\w+)</text>', DIAGRAM))
    assert named <= METHODS
    assert named - {name for name in named if f"`{name}`" in PAGE} == set()
