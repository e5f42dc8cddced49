"""The documentation site is built strictly and offline; broken links and forgotten pages fail the build."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown import markdown

from tests.support.pages import ROOT
from tools.site.diagram import draw
from tools.site.hooks import OUTSIDE, expand, slug


def build(root: Path, site: Path) -> tuple[int, str]:
    """Build the site of a checkout into a folder, as strictly as ``make test``; return exit code and messages."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site],
        cwd=root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    return done.returncode, done.stderr


def copy_pages(root: Path) -> None:
    """Copy what the site is built from; files that pages only link to are linked."""
    shutil.copytree(ROOT / "docs", root / "docs")
    for name in ("mkdocs.yml", *OUTSIDE):
        shutil.copy(ROOT / name, root)
    for one in ROOT.iterdir():
        if not (root / one.name).exists() and not one.name.startswith("."):
            (root / one.name).symlink_to(one)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    code, messages = build(ROOT, folder)
    assert code == 0, messages
    return folder


def page_of(source: Path, site: Path) -> Path:
    """Return the page on the site that a Markdown file makes."""
    name = OUTSIDE.get(source.name) if source.parent == ROOT else source.relative_to(ROOT / "docs").as_posix()
    return site / str(name).replace("README.md", "index.md").replace(".md", ".html")


SOURCES = [*(ROOT / name for name in OUTSIDE), *sorted((ROOT / "docs").rglob("*.md"))]


def parts_of_source(source: Path) -> dict[str, int]:
    """Count the rows of tables, items of lists, blocks of code and diagrams of a Markdown file, as GitHub reads it."""
    text = re.sub(r"<!--.*?-->", "", source.read_text(encoding="utf-8"), flags=re.DOTALL)
    plain = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    rows = [one for one in re.findall(r"^\|.*$", plain, re.MULTILINE) if not re.fullmatch(r"[|\-: ]*-[|\-: ]*", one)]
    languages = re.findall(r"^ *```(\w+)", text, re.MULTILINE)
    return {
        "rows": len(rows),
        "items": len(re.findall(r"^ *(?:-|\d+\.) ", plain, re.MULTILINE)),
        "diagrams": languages.count("mermaid"),
        "code": len(languages) - languages.count("mermaid"),
    }


def parts_of_page(page: Path) -> dict[str, int]:
    """Count the same on a page of the site."""
    (article,) = re.findall(r"<article.*?</article>", page.read_text(encoding="utf-8"), re.DOTALL)
    begins = {"rows": "<tr>", "items": "<li>", "diagrams": '<div class="diagram">', "code": '<div class="highlight">'}
    return {part: article.count(begin) for part, begin in begins.items()}


def test_every_row_item_and_block_of_every_page_is_on_the_site(site: Path) -> None:
    """What GitHub reads as a table or a list may be plain text to another program."""
    counted = {source.relative_to(ROOT): parts_of_source(source) for source in SOURCES}
    assert min(sum(one[part] for one in counted.values()) for part in ("rows", "items", "code")) > 100
    assert {source.relative_to(ROOT): parts_of_page(page_of(source, site)) for source in SOURCES} == counted


def test_a_list_without_an_empty_line_before_it_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "page.md"
    source.write_text("Text.\n- one\n- two\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n\n```sh\nls | wc\n```\n")
    assert parts_of_source(source) == {"rows": 2, "items": 2, "diagrams": 0, "code": 1}
    page = tmp_path / "page.html"
    page.write_text(f"<article>{markdown(source.read_text(), extensions=['tables', 'fenced_code'])}</article>")
    assert parts_of_page(page)["items"] == 0 and parts_of_page(page)["rows"] == 2


def test_no_page_needs_another_server(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(SOURCES)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"([^\"]*)\"", text)
        assert [one for one in loaded if re.match(r"(https?:)?//", one)] == [], page


def test_a_link_to_a_file_of_the_repository_leads_to_its_text(site: Path) -> None:
    page = (site / "reference/generators.html").read_text(encoding="utf-8")
    (target,) = re.findall(r'href="([^"]*/ganzoo_cyclegan/resnet\.py\.html)"', page)
    shown = (site / "reference" / target).read_text(encoding="utf-8")
    assert "class</span>" in shown and "ResNet" in shown


def test_broken_links_and_forgotten_pages_fail_the_build(tmp_path: Path) -> None:
    copy_pages(tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(readme.read_text() + "\n[gone](docs/gone_a.md), [gone](docs/recipes.md#gone_b)\n")
    page = tmp_path / "docs/masks.md"
    page.write_text(page.read_text() + "\n[gone](gone_c.md), [gone](../ganzoo/gone_d.py), [gone](recipes.md#gone_e)\n")
    (tmp_path / "docs/gone_f.md").write_text("# Not in the navigation\n")
    (tmp_path / "docs/doctor.md").unlink()
    code, messages = build(tmp_path, tmp_path / "site")
    assert code == 1
    for name in ("gone_a.md", "#gone_b", "gone_c.md", "gone_d.py", "#gone_e", "gone_f.md", "doctor.md"):
        assert re.search(rf"WARNING -.*(?:\n  .*)*?{re.escape(name)}", messages), f"{name} is not noticed:\n{messages}"


CHART = "flowchart TD\n  a --> b & c\n  b --> d\n  c --> d\n  x[[plugins/*]] -. import .-> d\n"


def test_a_diagram_has_every_box_below_those_that_point_to_it() -> None:
    svg = draw(CHART)
    height = {label: int(y) for y, label in re.findall(r'<text x="\d+" y="(\d+)">(.+?)</text>', svg)}
    assert len(height) == 5
    assert height["a"] == height["plugins/*"] < height["b"] == height["c"] < height["d"]
    assert svg.count("<polyline") == 5 and svg.count('class="dashed"') == 1
    (around,) = re.findall(r'points="([^"]*)"[^>]*class="dashed"', svg)
    assert len(around.split()) == 3, "an arrow over two rows passes between the boxes of the row"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph LR\n a --> b", "must begin with"),
        ("flowchart TD\n a ==> b", "line of a diagram is not understood"),
        ("flowchart TD\n a --> b(round)", "box of a diagram is not understood"),
        ("flowchart TD\n a --> b\n b --> a", "lead in a circle"),
    ],
)
def test_a_diagram_that_is_not_understood_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(text)


def test_a_folder_in_the_navigation_stands_for_its_pages_that_are_not_named(tmp_path: Path) -> None:
    (tmp_path / "kinds").mkdir()
    for name in ("loss", "README", "masker", "method"):
        (tmp_path / f"kinds/{name}.md").write_text("")
    nav = ["index.md", {"Kinds": ["kinds/method.md", "kinds/", {"Last": "kinds/loss.md"}]}]
    assert expand(nav, tmp_path) == [
        "index.md",
        {"Kinds": ["kinds/method.md", "kinds/README.md", "kinds/masker.md", {"Last": "kinds/loss.md"}]},
    ]


def test_anchors_are_those_of_github() -> None:
    assert slug("A method's calls, in order") == "a-methods-calls-in-order"
    assert slug("`ganzoo runs`: list") == "ganzoo-runs-list"
    assert slug("λ &amp; 16 × 2") == "λ--16--2"
