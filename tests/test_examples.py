"""The packages in examples/: small, one of each kind, and each with a recipe that runs. Their tests lie beside them."""

from __future__ import annotations

import ast
import csv
import io
import json
import tokenize
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

import pytest

import ganzoo
from ganzoo.plugins import plugins
from ganzoo.recipe.reader import read_recipe
from ganzoo.registry import KINDS
from ganzoo.testing import write_images
from tests.support.example_packages import EXAMPLES, example_packages, project_of
from tests.support.pages import ROOT, blocks

MOST_LINES = 60


@pytest.fixture(autouse=True, scope="module")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with example_packages(tmp_path_factory.mktemp("metadata")):
        yield


def code_lines(text: str) -> int:
    """Return the number of lines that have code: not blank, no comment, no docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    used = {line for one in tokens if one.type not in silent for line in range(one.start[0], one.end[0] + 1)}
    return len(used - docstrings)


def test_lines_of_code_are_counted() -> None:
    function = 'def f(a):\n    """Two\n    lines."""\n    return (\n        a\n    )\n'
    assert code_lines(f'"""A module."""\n\nx = 1  # a comment\n# another\n\n\n{function}') == 5


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_small_and_complete(example: Path) -> None:
    modules = list((example / example.name).glob("*.py"))
    assert sum(code_lines(module.read_text()) for module in modules) <= MOST_LINES
    assert {"README.md", "recipe.yaml", "tests"} <= {one.name for one in example.iterdir()}
    project = project_of(example)
    assert project["dependencies"] == ["ganzoo-i2i>=0.1"]
    assert project["entry-points"] == {"ganzoo": {example.name: example.name}}
    assert (example / "README.md").read_text().startswith(f"# {project['name']}\n")


def test_there_is_an_example_of_each_kind_and_of_each_hook() -> None:
    loaded = {
        plugin.name: plugin
        for plugin in plugins().loaded
        if plugin.package.startswith("ganzoo-") and not plugin.bundled
    }
    assert {example.name for example in EXAMPLES} == set(loaded)
    assert [plugin.error for plugin in loaded.values() if plugin.error] == []
    added = [component for component in plugins().registry.find() if component.plugin in loaded]
    assert sorted(component.kind for component in added) == sorted(KINDS)
    assert loaded["csv_log"].components == loaded["compare_runs"].components == 0
    assert "sheet" in plugins().commands(())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_recipe_of_an_example_uses_it_and_runs(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    short = ["train.steps=2", "train.batch=2", "train.log=1", "images.size=32", "images.load=0"]
    metrics = ["colour_distance"] if example.name == "colour_distance" else []  # others would take most of the time
    quick = ["evaluate.every=0", f"evaluate.metrics={metrics}"]
    if example.name == "class_folders":
        write_images(tmp_path / "photos", train=8)
        (tmp_path / "photos/trainA").rename(tmp_path / "photos/horse")
        (tmp_path / "photos/trainB").rename(tmp_path / "photos/zebra")
    values = ganzoo.run(example / "recipe.yaml", *short, *quick)
    folder = tmp_path / "runs/recipe/default"
    assert set(values) == {f"{metric}_{direction}" for metric in metrics for direction in ("AB", "BA")}
    assert all(0 < value < 1 for value in values.values())
    names = [component.name for component in plugins().registry.find() if component.plugin == example.name]
    assert all(f": {name}" in (folder / "resolved.yaml").read_text() for name in names)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [line["losses"] for line in lines if "losses" in line]
    assert len(losses) == 2
    assert all(isfinite(value) for one in losses for value in one.values())
    with (folder / "values.csv").open(newline="") as opened:  # of csv_log, which observes each run
        assert [row["step"] for row in csv.DictReader(opened)] == ["1", "2"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_yaml_of_a_readme_is_valid(example: Path, tmp_path: Path) -> None:
    for block in blocks(example / "README.md", "yaml"):
        (tmp_path / "shown.yaml").write_text(f"base: {example / 'recipe.yaml'}\n{block}")
        read_recipe(tmp_path / "shown.yaml")


def test_the_page_of_plugins_lists_the_examples() -> None:
    page = (ROOT / "docs/plugins.md").read_text()
    assert [example.name for example in EXAMPLES if f"(../examples/{example.name}/README.md)" not in page] == []
