"""The reference pages are what the program would write; their parts are right."""

from __future__ import annotations

import doctest
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Literal

import click
import pytest

from ganzoo.recipe.options import options_of
from tests.support.pages import ROOT
from tools.reference import code_size, docstrings, pages, variables
from tools.reference.__main__ import main
from tools.reference.commands import find_commands
from tools.reference.docstrings import parse
from tools.reference.markdown import option_list
from tools.reference.python import signature
from tools.site import diagram, hooks


def test_the_pages_are_up_to_date() -> None:
    command = [sys.executable, "-m", "tools.reference", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_edited_a_missing_and_a_strange_page_are_found_and_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = {file.name: file.read_text() for file in (ROOT / "docs/reference").iterdir()}
    monkeypatch.setattr(pages, "write_pages", lambda: right)
    monkeypatch.setenv("GANZOO_PLUGINS", "")  # the command sets it
    folder = tmp_path / "reference"
    shutil.copytree(ROOT / "docs/reference", folder)
    page = folder / "generators.md"
    page.write_text(page.read_text().replace("int ≥ 1 = 64", "int ≥ 1 = 65", 1))
    (folder / "hooks.md").unlink()
    (folder / "strange.md").write_text("# Strange\n")
    words = ["--folder", str(folder)]
    with pytest.raises(SystemExit, match=r"\(generators.md, hooks.md, strange.md\): run make reference"):
        main([*words, "--check"], standalone_mode=False)
    main(words, standalone_mode=False)
    assert {file.name: file.read_text() for file in folder.iterdir()} == right
    main([*words, "--check"], standalone_mode=False)


def test_every_way_to_read_a_variable_is_found(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "ganzoo").mkdir()
    (tmp_path / "ganzoo/a.py").write_text(
        'import os\nFIFTH = "GANZOO_E"\nos.environ.get("GANZOO_A")\nos.environ["GANZOO_B"]\n'
        'os.getenv("GANZOO_C")\n"GANZOO_D" in os.environ\nos.environ.pop(FIFTH)\n'
        'os.environ["SET"] = "1"\nos.environ.setdefault("SET_TOO", "")\n'
    )
    assert [*variables.read_variables(tmp_path)] == [f"GANZOO_{letter}" for letter in "ABCDE"]


@pytest.mark.parametrize("name", ["GANZOO_NEW", "GANZOO_CACHE"], ids=["read, not described", "described, not read"])
def test_a_variable_that_is_not_described_or_not_read_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = {one: [ROOT / "ganzoo/errors.py"] for one in {*variables.OWN, *variables.FOREIGN} ^ {name}}
    monkeypatch.setattr(variables, "read_variables", lambda: read)
    with pytest.raises(ValueError, match=name):
        variables.write_page()


def test_a_docstring_becomes_markdown() -> None:
    doc = parse(
        """Blur ``x`` by *size.

        >>> blur(1)
        1

        Args:
            size: radius, in
                pixels.
            mode: ``a`` or ``b``.

        Raises GanzooError.
        """
    )
    assert doc.text == "Blur `x` by \\*size.\n\n```pycon\n>>> blur(1)\n1\n```\n\nRaises GanzooError."
    assert doc.arguments == {"size": "radius, in pixels.", "mode": "`a` or `b`."}


@pytest.mark.parametrize("module", [code_size, docstrings, diagram, hooks], ids=lambda module: module.__name__)
def test_the_examples_in_docstrings_run(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module)
    assert failed == 0 and tried


def test_an_option_shows_type_default_and_meaning() -> None:
    def component(channels: int, *, norm: Literal["a", "b"] = "a", root: str, scale: float | None = None) -> None: ...

    assert option_list(options_of(component).values(), {"norm": "the norm."}) == (
        "- `norm: 'a' | 'b' = a`<br>\n  the norm.\n- `root: str`<br>\n  required;\n- `scale: float | null = null`<br>"
    )


def test_signatures_are_as_in_the_source() -> None:
    assert signature("parse", parse) == "parse(doc: str | None) -> Docstring"

    def train(recipe: Path, *, overrides: tuple[str, ...] = (), folder: Path | None = None, seed: int = 0) -> None: ...

    assert signature("train", train).splitlines() == [
        "train(",
        "    recipe: Path,",
        "    *,",
        "    overrides: tuple[str, ...] = (),",
        "    folder: Path | None = None,",
        "    seed: int = 0,",
        ") -> None",
    ]


def test_groups_are_listed_only_if_they_do_something() -> None:
    @click.group
    def top() -> None: ...

    @top.group(invoke_without_command=True)
    def runs() -> None: ...

    @top.group
    def data() -> None: ...

    for group in (runs, data):
        group.command("check")(lambda: None)
    context = click.Context(top, info_name="ganzoo")
    paths = [path for path, *_ in find_commands(top, context)]
    assert paths == ["ganzoo data check", "ganzoo runs", "ganzoo runs check"]
