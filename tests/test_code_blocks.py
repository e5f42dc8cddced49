"""Every code block of every page is right; a block that is broken on purpose is found, with page and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.code_blocks import Block, check_block, check_inline_commands, find_blocks
from tests.support.pages import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
]
BLOCKS = [block for page in PAGES for block in find_blocks(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_code_block_is_right(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_block(block, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_in_the_text_exist(page: Path) -> None:
    check_inline_commands(page)


@pytest.mark.parametrize(
    ("language", "text", "message"),
    [
        ("sh", "ganzoo run 'recipes/sm.yaml", "unexpected EOF"),
        ("sh", "ganzoo runn recipes/sm.yaml", "there is no command runn"),
        ("sh", "ganzoo run recipes/sm.yaml --fast", "No such option"),
        ("sh", "ganzoo translate RUN IMAGES \\\n  -o OUT --tiles 3", "No such option"),
        ("sh", "make quickstrat", "there is no target quickstrat"),
        ("console", "ganzoo lst", "there is no command lst"),
        ("python", "import ganzoo\nganzoo.run(", "SyntaxError"),
        ("python", "from ganzoo.interfaces import Lose", "ganzoo.interfaces has no Lose"),
        ("python", "import ganzoo\nganzoo.train('r.yaml')", "ganzoo has no train"),
        ("python", "import ganzoo.interface", "No module named"),
        ("pycon", ">>> 1 +\n2", "SyntaxError"),
        ("pycon", "1 + 1", "there is no >>>"),
        ("yaml", "data: {dataset: folders", "expected ',' or '}'"),
        ("yaml", "networks: {G: {generator: resnt}}", "did you mean 'resnet'"),
        ("yaml", "networks: {G: {generator: resnet, depth: 9}}", "unknown option 'depth'"),
        ("yaml", "train: {batch: 0}", "greater than or equal to 1"),
        ("yaml", "losses: {l: {loss: l1, of: {image: fake_C, target: real_A}}}", "fake_C"),
        ("yaml", "metod: cyclegan\ntrain: {steps: 1}", "unknown key 'metod'"),
        ("yaml", "base: cyclegn.yaml\ntrain: {steps: 1}", "cyclegn.yaml"),
        ("yaml", "# ganzoo runn r.yaml\ntrain: {steps: 1}", "there is no command runn"),
        ("toml", "[project", "Expected ']'"),
        ("json", "{'a': 1}", "Expecting property name"),
        ("", "photos: 14 files", "the language ''"),
        ("bash", "ganzoo list", "the language 'bash'"),
    ],
)
def test_a_broken_block_fails(language: str, text: str, message: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        f"# Page\n\n- item:\n\n  ```{language}\n" + "".join(f"  {line}\n" for line in text.splitlines()) + "  ```\n"
    )
    (block,) = find_blocks(page)
    with pytest.raises(AssertionError, match=r"^page\.md:5: ") as caught:
        check_block(block, tmp_path)
    assert message in str(caught.value)


def test_a_marked_block_is_not_checked(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- not checked: needs a GPU -->\n```sh\nganzoo runn\n```\n\n```sh\nganzoo runn\n```\n")
    marked, other = find_blocks(page)
    check_block(marked, tmp_path)
    with pytest.raises(AssertionError):
        check_block(other, tmp_path)


def test_a_block_without_an_end_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nganzoo list\n```\n\n```sh\nganzoo list\n")
    with pytest.raises(AssertionError, match="not closed"):
        find_blocks(page)


@pytest.mark.parametrize("text", ["`ganzoo runn`", "`ganzoo data chek FOLDER`", "`ganzoo translate RUN --sample 5`"])
def test_a_wrong_command_in_the_text_fails(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Type {text} to see.\n")
    with pytest.raises(AssertionError, match=r"there is no command|no option --sample"):
        check_inline_commands(page)


def test_a_command_that_a_comment_excepts_is_not_checked(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- not checked: ganzoo mine, the command of a plugin -->\nType `ganzoo mine --now`.\n")
    check_inline_commands(page)
    page.write_text(page.read_text() + "Then `ganzoo mien`.\n")
    with pytest.raises(AssertionError, match="there is no command mien"):
        check_inline_commands(page)
