"""The folder of a run: names that it can have, and what in it is not touched or is deleted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ganzoo as package
from ganzoo.errors import GanzooError
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.training.run import Run
from tests.support.command_line import refusal


def test_a_name_must_be_one_folder(home: Path) -> None:
    for name in ("a/b", "..", "", ".hidden"):
        with pytest.raises(GanzooError, match="--name"):
            Run.prepare(home / "tiny.yaml", name=name)


def test_a_folder_that_is_not_a_runs_is_not_changed(home: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny/default").mkdir(parents=True)
    (tmp_path / "tiny/default/thesis.tex").write_text("precious")
    with pytest.raises(GanzooError, match="not empty, and not a run's folder"):
        package.run(home / "tiny.yaml", root=tmp_path)


@pytest.mark.parametrize("name", ["n" * 201, "ü" * 101, "..", ".x", "a/b", "a\nb", "\x1b"])
def test_a_name_that_no_folder_can_have_is_refused(home: Path, tmp_path: Path, name: str) -> None:
    message = refusal(package.run, home / "tiny.yaml", name=name, root=tmp_path / "runs")
    assert message.startswith("--name is ") and "it must be the name of one folder: at most 200 bytes" in message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["...yaml", ".yaml", f"{'n' * 240}.yaml"])
def test_a_recipe_whose_name_no_folder_can_have_is_refused(home: Path, tmp_path: Path, name: str) -> None:
    recipe = tmp_path / "recipes" / name
    recipe.parent.mkdir()
    shutil.copy(home / "tiny.yaml", recipe)
    message = refusal(package.run, recipe, root=tmp_path / "runs")
    assert message.startswith(f"{recipe}: the recipe's name is ") and "one folder" in message
    assert [one.name for one in tmp_path.iterdir()] == ["recipes"]


def test_leftovers_of_killed_processes_are_deleted_at_the_next_start(home: Path, tmp_path: Path) -> None:
    package.run(home / "tiny.yaml", root=tmp_path)
    folder = tmp_path / "tiny/default"
    expected = {file.relative_to(folder) for file in folder.rglob("*")}
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (".last.old", ".last.new", ".best.old", ".step-4.new"):
        shutil.copytree(folder / "checkpoints/last", folder / "checkpoints" / name)
    for name in (f"samples/.step-0000004.png.{ended.pid}.part", f".report.html.{ended.pid}.part"):
        (folder / name).touch()
    package.run(home / "tiny.yaml", root=tmp_path)
    assert {file.relative_to(folder) for file in folder.rglob("*")} == expected


def test_a_folder_whose_recipe_has_dots_keeps_its_name(home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    recipe = shutil.copy(home / "tiny.yaml", tmp_path / "tiny.v1.5.yaml")
    package.run(recipe, "train.steps=1", "evaluate.best=null", root=tmp_path)
    monkeypatch.chdir(tmp_path / "tiny.v1.5")
    (record,) = evaluate_targets([Path("default")])
    assert record["recipe"] == "tiny.v1.5"
