"""A third party's plugin: built as a wheel, installed, listed, used in a recipe and run; then broken on purpose.

Nothing is downloaded: the test's environment sees the packages of this one through a .pth file, and pip uses no index.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
RECIPE = """\
method: {method: cyclegan, pool: 2}
networks:
  G: {generator: pointwise, width: 4}
  D: {discriminator: pixel, width: 4}
maskers: {discriminator: disc, composite: {masker: disc, radius: 0.5}}
losses:
  tint: {loss: mean_colour, of: {image: fake_B, target: real_B}, weight: 5e-1}
data: {dataset: spots, count: 4, size: 12}
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

    def install(self, source: Path) -> Path:
        """Build a wheel of a package, and install the wheel."""
        wheels = self.folder / "wheels"
        build = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, source)
        done = self.python("-m", "pip", *build)
        assert done.returncode == 0, done.stdout + done.stderr
        (wheel,) = wheels.glob("ganzoo_example-*.whl")
        done = self.python("-m", "pip", "install", "--no-deps", "--force-reinstall", wheel)
        assert done.returncode == 0, done.stdout + done.stderr
        return wheel


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, because the build writes files into the folder."""
    folder = tmp_path_factory.mktemp("source") / "example"
    shutil.copytree(
        HERE / "example_plugin", folder, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    )
    return folder


@pytest.fixture(scope="module")
def installed(environment: Environment, source: Path) -> Environment:
    wheel = environment.install(source)
    assert wheel.name == "ganzoo_example-0.3.0-py3-none-any.whl"
    (environment.folder / "spots.yaml").write_text(RECIPE)
    return environment


def test_the_plugin_is_installed_only_in_its_environment(installed: Environment) -> None:
    done = installed.python("-c", "import ganzoo_example; print(ganzoo_example.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(installed.packages)
    here = subprocess.run([sys.executable, "-c", "import ganzoo_example"], cwd=installed.folder, capture_output=True)
    assert here.returncode != 0


def test_the_plugin_is_listed_and_shown_like_bundled_ones(installed: Environment) -> None:
    lines = [line.split() for line in installed.ganzoo("plugins").splitlines()]
    assert ["example", "ganzoo-example", "0.3.0", "4", "components"] in lines
    listed = {tuple(line.split()) for line in installed.ganzoo("list").splitlines()}
    assert {
        ("generator", "pointwise", "example"),
        ("masker", "disc", "example"),
        ("loss", "mean_colour", "example"),
        ("dataset", "spots", "example"),
    } <= listed
    about = json.loads(installed.ganzoo("show", "generator", "pointwise", "--json"))
    assert about["options"][0] == {"name": "width", "type": "int ≥ 1", "required": False, "default": 16}
    assert Path(about["source"].rpartition(":")[0]).is_relative_to(installed.packages)


def test_its_components_are_used_in_a_recipe_and_run(installed: Environment) -> None:
    out = installed.ganzoo("run", "spots.yaml")
    assert "2 steps" in out
    folder = installed.folder / "runs" / "spots" / "default"
    steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [one["step"] for one in steps] == [1, 2]
    assert all(one["losses"]["generator/tint"] > 0 for one in steps)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert next(one for one in events if one["event"] == "example")["reported"] == 2
    resolved = yaml.safe_load((folder / "resolved.yaml").read_text())
    assert resolved["networks"]["G_AB"] == {"generator": "pointwise", "width": 4, "layers": 1}
    assert resolved["maskers"]["composite"]["radius"] == 0.5
    assert json.loads((folder / "env.json").read_text())["plugins"]["example"] == "0.3.0"


def test_a_mistake_in_its_options_is_reported_with_its_place(installed: Environment) -> None:
    lines = installed.ganzoo("check", "spots.yaml", "networks.G.widht=3", "data.count=0", code=2).splitlines()
    assert lines == [
        "ganzoo: command line: data.count=0: data.count: count is 0: input should be greater than or equal to 1",
        "ganzoo: command line: networks.G.widht=3: networks.G.widht: unknown option 'widht' (did you mean 'width'?)",
    ]


def test_a_broken_plugin_is_reported_and_breaks_nothing(installed: Environment, source: Path) -> None:
    hooks = source / "ganzoo_example" / "__init__.py"
    whole = hooks.read_text()
    hooks.write_text(whole.replace("GANZOO_INTERFACE = 1", "import a_library_that_is_not_here\n\nGANZOO_INTERFACE = 1"))
    assert hooks.read_text() != whole
    installed.install(source)
    (line,) = [one for one in installed.ganzoo("plugins").splitlines() if one.startswith("example ")]
    assert "FAILED: ModuleNotFoundError: No module named 'a_library_that_is_not_here' (" in line
    assert "ganzoo_example/__init__.py:" in line
    assert "cyclegan" in installed.ganzoo("list", "method")
    *components, last = installed.ganzoo("list").splitlines()  # stderr is appended to stdout
    assert re.fullmatch(r"ganzoo: 1 plugin failed to load: example \(ganzoo-example\); '.* plugins' shows why", last)
    assert components and "example" not in "\n".join(components)
    installed.ganzoo(
        "check", "spots.yaml", "maskers=null", "losses=null", "data=striped_digits", "networks=null", "images.size=32"
    )
    message = installed.ganzoo("check", "spots.yaml", code=5)
    failed = "these plugins failed to load and may have it: example (ganzoo-example)"
    assert re.search(
        rf"networks\.G\.generator: unknown generator 'pointwise' \(there are: .*\); {re.escape(failed)}", message
    )
    assert f"data.dataset: unknown dataset 'spots'{' '}" in message
