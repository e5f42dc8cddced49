"""The packages that ``ganzoo new plugin`` writes: linters, types, loading, recipes, and their own tests."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from zipfile import ZipFile

import pytest

from ganzoo.authoring.names import LONGEST, Names
from ganzoo.authoring.package import DOES, KINDS, render_package
from ganzoo.plugins import Plugins
from ganzoo.registry import KINDS as COMPONENTS
from tests.support.new_packages import variables_for, write_package
from tests.support.pages import ROOT

LONG = "a_name_of_" + "many_letters"[: LONGEST - 10]
READ = """
import sys
from ganzoo.recipe.reader import read_recipe
for file in sys.argv[1:]:
    recipe = read_recipe(file)
    print(recipe.method.component.name, recipe.data.component.name)
"""


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Plugin → project: ``mosaic`` with all kinds, and one plugin for each kind."""
    folder = tmp_path_factory.mktemp("projects")
    alone = {f"only_{kind}": write_package(folder, f"only_{kind}", [kind]) for kind in KINDS}
    return {"mosaic": write_package(folder, "mosaic"), **alone}


def call(*words: object, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_they_pass_their_linter(projects: dict[str, Path], tmp_path: Path) -> None:
    """So do packages with the shortest and the longest name, as lines are as long as names."""
    folders = [*projects.values(), *(write_package(tmp_path, name) for name in ("a", LONG, "of_the_17_letters"))]
    call("-m", "ruff", "check", "--no-cache", *folders, cwd=tmp_path)
    call("-m", "ruff", "format", "--no-cache", "--check", *folders, cwd=tmp_path)


@pytest.mark.slow
def test_their_types_are_right(projects: dict[str, Path], tmp_path: Path) -> None:
    packages = [project / name for name, project in projects.items()]
    tests = (projects["mosaic"] / "tests").glob("*.py")
    env = {**variables_for(), "MYPYPATH": variables_for(*projects.values())["PYTHONPATH"]}
    config = projects["mosaic"] / "pyproject.toml"
    call("-m", "mypy", "--cache-dir", tmp_path, "--config-file", config, *packages, *tests, cwd=tmp_path, env=env)


@pytest.mark.parametrize("name", ["mosaic", *(f"only_{kind}" for kind in KINDS)])
def test_each_loads_with_the_kinds_that_were_asked_for(
    projects: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(projects[name])
    kinds = KINDS if name == "mosaic" else (name.removeprefix("only_"),)
    loaded = Plugins()
    loaded.load([EntryPoint(name, name, "ganzoo")], strict=True)
    components = loaded.registry.find()
    assert [one.kind for one in components] == [kind for kind in COMPONENTS if kind in kinds]
    assert {one.name for one in components} <= {name}
    for one in components:
        assert one.load().__name__ == f"{Names(name).title}{one.kind.capitalize()}"
    assert list(loaded.commands(())) == [Names(name).command] * ("command" in kinds)
    assert loaded.manager.hook.ganzoo_callbacks(run=None) == [] or "callback" in kinds


def test_a_wheel_has_lists_of_weights_and_packages_within_the_package(tmp_path: Path) -> None:
    project = write_package(tmp_path, "mosaic", ["loss"])
    (project / "mosaic" / "weights.toml").write_text("")
    (project / "mosaic" / "nets").mkdir()
    (project / "mosaic" / "nets" / "__init__.py").write_text("")
    call("-c", f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})", cwd=project)
    (wheel,) = tmp_path.glob("*.whl")
    files = [name for name in ZipFile(wheel).namelist() if name.startswith("mosaic/")]
    assert sorted(files) == [
        f"mosaic/{name}" for name in ("__init__.py", "loss.py", "nets/__init__.py", "weights.toml")
    ]


def test_each_recipe_uses_what_was_written(projects: dict[str, Path]) -> None:
    files = [project / "recipes" / f"{name}.yaml" for name, project in projects.items()]
    out = call("-c", READ, *files, cwd=ROOT, env=variables_for(*projects.values()))
    expected = dict.fromkeys(projects, "cyclegan striped_digits")
    expected |= {"mosaic": "mosaic mosaic", "only_method": "only_method striped_digits"}
    expected["only_dataset"] = "cyclegan only_dataset"
    assert out.splitlines() == list(expected.values())
    recipe = files[0].read_text()
    for kind in ("generator", "discriminator", "masker", "loss"):
        assert f"{kind}: mosaic" in recipe
    assert "metrics: [mosaic]" in recipe


def test_each_kind_has_its_files_and_a_row_in_the_readme() -> None:
    assert tuple(DOES) == KINDS
    files = render_package(Names("two_tone"), ["loss", "command"])
    assert sorted(map(str, files)) == [
        ".github/workflows/test.yml", ".gitignore", "README.md", "pyproject.toml", "recipes/two_tone.yaml",
        "tests/test_command.py", "tests/test_loss.py", "tests/test_recipe.py",
        "two_tone/__init__.py", "two_tone/command.py", "two_tone/loss.py",
    ]  # fmt: skip
    readme = next(text for path, text in files.items() if path.name == "README.md")
    assert "# ganzoo-two-tone\n\nA plugin for ganzoo: a loss and a command.\n" in readme
    assert "| loss | `two_tone` | `two_tone/loss.py` | keeps the edges of an image |\n" in readme
    assert "| command | `ganzoo two-tone` | `two_tone/command.py` |" in readme


def test_a_line_that_breaks_a_rule_fails_the_linter(tmp_path: Path) -> None:
    project = write_package(tmp_path, "mosaic", ["loss"])
    with (project / "mosaic" / "loss.py").open("a") as file:
        file.write("import os\n")
    with pytest.raises(AssertionError, match="E402"):
        call("-m", "ruff", "check", "--no-cache", project, cwd=tmp_path)


@pytest.mark.slow
def test_the_tests_of_each_kind_alone_pass(projects: dict[str, Path], tmp_path: Path) -> None:
    alone = [project for name, project in projects.items() if name != "mosaic"]
    tests = [project / "tests" for project in alone]
    options = ("--import-mode=importlib", "-p", "no:cacheprovider", "--rootdir", alone[0].parent)
    env = {**variables_for(*alone), "GANZOO_CACHE": str(tmp_path)}
    assert "failed" not in call("-m", "pytest", *options, *tests, cwd=alone[0].parent, env=env)
