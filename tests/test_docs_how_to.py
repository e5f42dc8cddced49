"""The how-to pages on resuming and evaluating, and the page on determinism: tables and code are those of ganzoo."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from ganzoo.errors import GanzooError
from ganzoo.recipe.reader import read_recipe
from ganzoo.settings import RESUMABLE
from tests.support.command_line import Run
from tests.support.pages import ROOT, blocks
from tests.support.tiny_run import write_recipe

DOCS = ROOT / "docs"


def test_what_may_change_is_what_the_program_accepts() -> None:
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", (DOCS / "resuming.md").read_text(), re.MULTILINE)
    named = {name for cell, _ in rows for name in re.findall(r"`(\w+\.\w+)`", cell)}
    assert named == {f"{section}.{key}" for section, keys in RESUMABLE.items() for key in keys}


def test_the_refusal_on_the_page_of_resuming_is_the_programs(tmp_path: Path, run: Run) -> None:
    (text,) = blocks(DOCS / "resuming.md", "text")
    recipe = write_recipe(tmp_path, train={"steps": 1}, evaluate={"every": 0, "best": None, "metrics": []})
    assert run("run", recipe, "--root", tmp_path / "runs")[0] == 0
    code, _, error = run("run", recipe, "method.identity=0", "--root", tmp_path / "runs")
    folder = tmp_path / "runs/tiny/default"
    assert (code, error) == (3, text.replace("runs/first/default", str(folder)))


def test_the_exit_codes_on_the_page_of_resuming_are_those_of_the_page_of_errors() -> None:
    errors = (DOCS / "errors.md").read_text()
    page = (DOCS / "resuming.md").read_text()
    codes = [128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert f"| {', '.join(map(str, codes))} |" in page
    assert "{} after Ctrl-C, {} after SIGTERM, {} after SIGHUP".format(*codes) in errors
    assert f"| {GanzooError.exit_code} |" in page and "137 (128 + 9)" in errors


def test_the_recipe_on_the_page_of_evaluating_is_read(tmp_path: Path) -> None:
    (text,) = blocks(DOCS / "evaluating.md", "yaml")
    (tmp_path / "page.yaml").write_text(f"{text}base: {ROOT}/recipes/quickstart.yaml\n")
    recipe = read_recipe(tmp_path / "page.yaml")
    assert (recipe.evaluate.every, recipe.evaluate.best) == (500, "min swd_AB")
    assert [one.component.name for one in recipe.metrics] == ["cycle_l1", "swd"]


def test_the_draws_on_the_page_of_determinism_are_keyed() -> None:
    (code,) = blocks(DOCS / "determinism.md", "python")
    assert code.count("assert ") == 2
    exec(code, {})
