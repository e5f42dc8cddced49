"""Packages of examples/: built as wheels, installed, listed, used in a recipe and run; then one is broken on purpose.

Nothing is downloaded: the test's environment sees the packages of this one through a .pth file, and pip uses no index.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml

from ganzoo.testing import write_images
from tests.support.example_packages import EXAMPLES

NAMES = ("class_folders", "contrast_masker", "convnext_generator", "csv_log", "edge_loss")
RECIPE = """\
method: {method: cyclegan, pool: 2}
networks:
  G: {generator: convnext, width: 4, blocks: 1}
  D: {discriminator: pixel, width: 4}
maskers: {discriminator: contrast, composite: {masker: contrast, radius: 2}}
losses:
  outlines: {loss: outlines, of: {image: fake_B, target: real_A}, weight: 5e-1}
data: {dataset: class_folders, root: photos, A: trainA, B: trainB}
images: {size: 12}
train: {steps: 2, batch: 2, log: 1, workers: 1}
"""


class Environment:
    """A new virtual environment that also sees the packages of this one, with ganzoo."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, with_pip=False, symlinks=True)
        parent = sysconfig.get_path("purelib")
        (self.packages / "parent.pth").write_text(f"import site; site.addsitedir({parent!r})\n")

    @property
    def packages(self) -> Path:
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / name / "site-packages"

    def python(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "bin" / "python", *map(str, words)],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def ganzoo(self, *words: object, code: int = 0) -> str:
        done = self.python("-m", "ganzoo", *words)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def install(self, *sources: Path) -> list[str]:
        """Build a wheel of each package, install them, and return the names of the wheels."""
        wheels = self.folder / "wheels"
        shutil.rmtree(wheels, ignore_errors=True)
        build = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, *sources)
        done = self.python("-m", "pip", *build)
        assert done.returncode == 0, done.stdout + done.stderr
        built = sorted(wheels.glob("*.whl"))
        done = self.python("-m", "pip", "install", "--no-deps", "--force-reinstall", *built)
        assert done.returncode == 0, done.stdout + done.stderr
        return [wheel.name for wheel in built]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Copies, because the build writes files into the folders."""
    folder = tmp_path_factory.mktemp("sources")
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    chosen = [example for example in EXAMPLES if example.name in NAMES]
    return {example.name: Path(shutil.copytree(example, folder / example.name, ignore=ignored)) for example in chosen}


@pytest.fixture(scope="module")
def installed(environment: Environment, sources: dict[str, Path]) -> Environment:
    wheels = environment.install(*sources.values())
    assert wheels == [f"ganzoo_{name}-0.1.0-py3-none-any.whl" for name in NAMES]
    (environment.folder / "photos.yaml").write_text(RECIPE)
    write_images(environment.folder / "photos")
    return environment


def test_a_package_is_installed_only_in_its_environment(installed: Environment) -> None:
    done = installed.python("-c", "import class_folders; print(class_folders.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(installed.packages)
    here = subprocess.run([sys.executable, "-c", "import class_folders"], cwd=installed.folder, capture_output=True)
    assert here.returncode != 0


def test_the_packages_are_listed_and_shown_like_bundled_ones(installed: Environment) -> None:
    lines = [line.split() for line in installed.ganzoo("plugins").splitlines()]
    assert ["convnext_generator", "ganzoo-convnext-generator", "0.1.0", "1", "component"] in lines
    listed = {tuple(line.split()) for line in installed.ganzoo("list").splitlines()}
    assert {
        ("generator", "convnext", "convnext_generator"),
        ("masker", "contrast", "contrast_masker"),
        ("loss", "outlines", "edge_loss"),
        ("dataset", "class_folders", "class_folders"),
    } <= listed
    about = json.loads(installed.ganzoo("show", "generator", "convnext", "--json"))
    assert about["options"][0] == {"name": "width", "type": "int ≥ 1", "required": False, "default": 64}
    assert Path(about["source"].rpartition(":")[0]).is_relative_to(installed.packages)


def test_their_components_are_used_in_a_recipe_and_run(installed: Environment) -> None:
    out = installed.ganzoo("run", "photos.yaml")
    assert "2 steps" in out
    folder = installed.folder / "runs" / "photos" / "default"
    steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [one["step"] for one in steps] == [1, 2]
    assert all(one["losses"]["generator/outlines"] > 0 for one in steps)
    with (folder / "values.csv").open(newline="") as opened:
        assert [row["step"] for row in csv.DictReader(opened)] == ["1", "2"]
    resolved = yaml.safe_load((folder / "resolved.yaml").read_text())
    assert resolved["networks"]["G_AB"] == {"generator": "convnext", "width": 4, "blocks": 1}
    assert resolved["maskers"]["composite"]["radius"] == 2
    assert json.loads((folder / "env.json").read_text())["plugins"]["csv_log"] == "0.1.0"


def test_the_schema_of_recipes_has_their_components(installed: Environment) -> None:
    schema = json.loads(installed.ganzoo("schema"))
    assert "contrast" in schema["definitions"]["names.masker"]["enum"]
    assert set(schema["definitions"]["loss.outlines"]["properties"]["of"]["anyOf"][1]["properties"]) == {
        "image",
        "target",
    }
    bundled = json.loads(installed.ganzoo("schema", "--bundled"))
    assert "contrast" not in bundled["definitions"]["names.masker"]["enum"]


def test_a_mistake_in_their_options_is_reported_with_its_place(installed: Environment) -> None:
    lines = installed.ganzoo("check", "photos.yaml", "networks.G.widht=3", "data.test=1", code=2).splitlines()
    assert lines == [
        "ganzoo: command line: data.test=1: data.test: test is 1: input should be less than 1",
        "ganzoo: command line: networks.G.widht=3: networks.G.widht: unknown option 'widht' (did you mean 'width'?)",
    ]


@pytest.mark.slow
def test_a_broken_plugin_is_reported_and_breaks_nothing(installed: Environment, sources: dict[str, Path]) -> None:
    hooks = sources["class_folders"] / "class_folders" / "__init__.py"
    whole = hooks.read_text()
    hooks.write_text(whole.replace("GANZOO_INTERFACE = 1", "import a_library_that_is_not_here\n\nGANZOO_INTERFACE = 1"))
    assert hooks.read_text() != whole
    installed.install(sources["class_folders"])
    (line,) = [one for one in installed.ganzoo("plugins").splitlines() if one.startswith("class_folders ")]
    assert "FAILED: ModuleNotFoundError: No module named 'a_library_that_is_not_here' (" in line
    assert "class_folders/__init__.py:" in line
    listed = [line.split() for line in installed.ganzoo("list").splitlines()]
    assert ["method", "cyclegan", "cyclegan"] in listed
    assert ["generator", "convnext", "convnext_generator"] in listed
    assert ["dataset", "class_folders", "class_folders"] not in listed
    installed.ganzoo("check", "photos.yaml", "data=striped_digits", "images.size=32", "--quick")
    message = installed.ganzoo("check", "photos.yaml", code=5)
    failed = "these plugins failed to load and may have it: class_folders (ganzoo-class-folders)"
    assert f"data.dataset: unknown dataset 'class_folders' (did you mean 'folders'?); {failed}" in message
