"""docs/tutorial_plugin.md: its commands are run, in order, by a user who has ganzoo as a wheel.

Nothing is downloaded: the environment sees the packages of this one through a .pth file, and pip uses no index.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.new_packages import variables_for, write_package
from tests.support.pages import ROOT

PAGE = (ROOT / "docs/tutorial_plugin.md").read_text()
BLOCKS = re.findall(r"(?:`([\w/.]+)`:\n\n(?:<!--.*?-->\n)?)?```(\w+)\n(.*?)```", PAGE, re.DOTALL)
"""Each block of the page: the file that the line above it names, if it names one, the language and the text."""
FILES = {name: text for name, language, text in BLOCKS if language != "sh" and "." in name}
METHODS = ("cyclegan", "munit", "cut")
TRAIN = """
import sys
import ganzoo
for method in sys.argv[1:]:
    ganzoo.run("recipes/palette.yaml", f"method={method}", "train.steps=1", name=method)
"""


def register(project: Path) -> None:
    """Add the tutorial's line to the hook: after the last component that is registered."""
    hooks = project / "mosaic" / "__init__.py"
    *_, last = re.findall(r"^    registry\.add\(.*\)\n", hooks.read_text(), re.MULTILINE)
    hooks.write_text(hooks.read_text().replace(last, last + FILES["mosaic/__init__.py"]))


def write_files(project: Path) -> None:
    """Write the files of the tutorial."""
    register(project)
    for name in FILES.keys() - {"mosaic/__init__.py"}:
        (project / name).write_text(FILES[name])


def test_the_page_is_short_and_its_files_are_found() -> None:
    assert len(PAGE.splitlines()) <= 120
    assert list(FILES) == [
        "mosaic/palette.py",
        "mosaic/__init__.py",
        "tests/test_palette.py",
        "recipes/palette.yaml",
    ]


def test_a_loss_in_thirty_lines_attaches_to_three_methods(tmp_path: Path) -> None:
    assert len(FILES["mosaic/palette.py"].splitlines()) <= 30
    project = write_package(tmp_path, "mosaic", ["loss", "dataset"])
    write_files(project)
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, *METHODS],
        cwd=project,
        env=variables_for(project),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for method in METHODS:
        logged = (project / "runs" / "palette" / method / "metrics.jsonl").read_text()
        (value,) = re.findall(r'"generator/palette": ([\d.e-]+)', logged)
        assert float(value) > 0


class User:
    """A shell in a new virtual environment that has ganzoo as a wheel, and what ganzoo needs through a .pth file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.environment = folder / "environment"
        venv.create(self.environment, with_pip=False, symlinks=True)
        parent = sysconfig.get_path("purelib")
        (packages,) = self.environment.glob("lib/python*/site-packages")
        (packages / "parent.pth").write_text(f"import site; site.addsitedir({parent!r})\n")

    def shell(self, text: str) -> str:
        """Run commands; the next ones start in the folder where these end."""
        quiet = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        path = f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-c", f"{text}\npwd"],
            cwd=self.folder,
            env={**own, **quiet, "OMP_NUM_THREADS": "1", "PATH": path},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        *lines, end = done.stdout.splitlines()
        self.folder = Path(end)
        return "\n".join(lines)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    folder = tmp_path_factory.mktemp("tutorial")
    checkout = folder / "checkout"  # a copy, because the build writes files into the folder
    checkout.mkdir()
    for name in ("ganzoo", "plugins"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    user = User(folder)
    user.shell(f"python -m pip wheel --no-deps --wheel-dir {folder / 'wheels'} {checkout}")
    user.shell(f"python -m pip install --no-deps {folder / 'wheels'}/ganzoo_i2i-*.whl")
    shutil.rmtree(checkout)
    return user


@pytest.mark.slow
def test_the_tutorial_runs_from_its_first_command_to_its_last(user: User) -> None:
    where = user.shell('python -c "import ganzoo; print(ganzoo.__file__)"')
    assert Path(where).is_relative_to(user.environment)
    outputs = []
    for name, language, text in BLOCKS:
        if language == "sh":
            if "IMAGES" in text:
                (user.folder / "IMAGES").mkdir()
                Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(user.folder / "IMAGES" / "dark.png")
            outputs.append(user.shell(text))
        elif name == "mosaic/__init__.py":
            register(user.folder)
        elif name:
            (user.folder / name).write_text(text)
    project = user.folder
    assert project.name == "ganzoo-mosaic"
    assert "  cd ganzoo-mosaic" in outputs[0].splitlines()
    assert re.search(r"\d+ passed", outputs[1]) and "failed" not in outputs[1]
    assert any(
        line.split() == ["mosaic", "ganzoo-mosaic", "0.1.0", "7", "components"] for line in outputs[1].splitlines()
    )
    assert (project / "OUT" / "dark.png").is_file()
    assert "variance" in outputs[3]
    for method in METHODS:
        assert f"runs/palette/{method}/" in outputs[4]
    user.shell("python -m ruff check . && python -m ruff format --check .")


@pytest.mark.slow
def test_the_package_passes_its_tests_as_a_wheel_too(user: User) -> None:
    assert user.folder.name == "ganzoo-mosaic", "the tutorial runs first"
    user.shell("python -m pip uninstall --yes ganzoo-mosaic && python -m pip install --no-deps dist/*.whl")
    user.shell("mkdir ../elsewhere && cp -r tests recipes pyproject.toml ../elsewhere && cd ../elsewhere")
    where = user.shell('python -c "import mosaic; print(mosaic.__file__)"')
    assert Path(where).is_relative_to(user.environment)
    assert re.search(r"\d+ passed", user.shell("python -m pytest"))
    user.shell("ganzoo plugins --check")
