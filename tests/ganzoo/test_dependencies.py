"""What has to be installed: each package is declared once, and the base of a run needs few of them."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ganzoo_art2real.bank import Bank
from ganzoo_art2real.retrieval import create_searcher
from tests.support.command_line import refusal
from tests.support.tiny_run import write_recipe

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
OF_AUTHORS = ROOT / "ganzoo/testing"
"""What tests of plugins import; it needs pytest, which those tests bring."""
CODE = sorted([*(ROOT / "ganzoo").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])
IMPORTED_AS = {
    "accelerate": "accelerate",
    "av": "av",
    "clean-fid": "cleanfid",
    "faiss-cpu": "faiss",
    "pillow": "PIL",
    "pillow-heif": "pillow_heif",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
}
"""Distribution → the package that it installs, where the names differ."""
BY_OTHERS = {"mlflow", "tensorboard", "trackio", "wandb", "onnx", "onnxscript", "torchcodec"}
"""Packages that Accelerate or torch import for ganzoo."""
WITH_OTHERS = {"packaging", "pyarrow", "pydantic_core", "typing_extensions"}
"""Packages that come with a declared one, and that are imported here, too."""


def names(requirements: list[str]) -> set[str]:
    """Return the distributions of a list of requirements, without those of the project's own extras."""
    found = {re.match(r"[\w.-]+", one)[0] for one in requirements}  # type: ignore[index]
    return found - {PROJECT["name"]}


def imported() -> set[str]:
    """Return the top-level packages that ganzoo and the bundled plugins import, anywhere in a file."""
    found = set()
    for file in CODE:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {one.name.split(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").split(".")[0])
        if OF_AUTHORS in file.parents:
            found.discard("pytest")
        assert "pytest" not in found, file
    return {one for one in found if one not in sys.stdlib_module_names and not one.startswith("ganzoo")}


def test_every_imported_package_is_declared_and_every_declared_one_is_used() -> None:
    base = names(PROJECT["dependencies"])
    extra = {name for extra, packages in EXTRAS.items() if extra not in ("dev", "all") for name in names(packages)}
    assert base & extra == set(), "in the base and in an extra"
    declared = {IMPORTED_AS.get(name, name.replace("-", "_")) for name in base | extra}
    assert imported() - declared - WITH_OTHERS == set(), "imported, but not in pyproject.toml"
    assert declared - imported() - BY_OTHERS == set(), "in pyproject.toml, but never imported"


def test_the_page_lists_every_extra() -> None:
    page = (ROOT / "docs/environments.md").read_text()
    (table,) = re.findall(r"^\| extra \|.*?\n\n", page, re.DOTALL | re.MULTILINE)
    assert sorted(re.findall(r"`([\w-]+)`(?=[^|]*\|[^|]*\|$)", table, re.MULTILINE)) == sorted(EXTRAS)


def test_all_holds_every_extra_and_each_named_extra_exists() -> None:
    (everything,) = EXTRAS["all"]
    assert set(everything.split("[")[1].rstrip("]").split(",")) == set(EXTRAS) - {"all", "dev"}
    for file in [*CODE, ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for text in re.findall(r"ganzoo-i2i\[([\w,]+)\]", file.read_text(encoding="utf-8")):
            assert set(text.split(",")) <= set(EXTRAS), f"{file}: there is no extra {text}"


def test_nothing_but_its_command_imports_the_studio() -> None:
    ours = ROOT / "ganzoo/studio"
    for file in CODE:
        text = file.read_text(encoding="utf-8")
        if ours not in file.parents:
            assert not re.search(r"^\s*(from|import) (gradio|fastapi|uvicorn)\b", text, re.MULTILINE), file
            imports = re.findall(r"^(\s*)(?:from|import) ganzoo\.studio\b", text, re.MULTILINE)
            inside = file == ROOT / "ganzoo/cli/studio.py" and all(imports)  # within its function, when it runs
            assert not imports or inside, file


BLOCKED = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        blocked = name.split(".")[0] in sys.argv[1].split(",")
        return None if blocked else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
import ganzoo
from ganzoo.cli import cli
recipe = sys.argv[2]
ganzoo.run(recipe, "train.steps=2", "train.trackers=[]", device="cpu")
cli(["translate", "runs/tiny/default", "images/testA", "-o", "out", "--device", "cpu"], standalone_mode=False)
cli(["evaluate", "runs/tiny/default", "--metric", "cycle_l1", "--device", "cpu"], standalone_mode=False)
ganzoo.publish("runs/tiny/default", "published", licence="mit")
ganzoo.export("published", "model.pt2", size=(16, 16), batch=1)
"""
NEEDED = {"accelerate", "click", "filelock", "jinja2", "huggingface_hub", "markupsafe", "numpy", "PIL", "platformdirs",
          "pluggy", "psutil", "pydantic", "yaml", "rich", "safetensors", "torch"}  # fmt: skip
"""What every run needs; all other packages are for parts that a recipe asks for."""


def test_a_run_is_trained_translated_measured_and_published_with_few_packages(tmp_path: Path) -> None:
    declared = names([*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)])
    packages = {IMPORTED_AS.get(name, name.replace("-", "_")) for name in declared}
    assert packages >= NEEDED
    blocked = packages - NEEDED | {"scipy"}
    assert {"faiss", "sklearn", "cleanfid", "lpips", "timm", "kornia", "onnx", "tensorboard"} <= blocked
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, ",".join(blocked), str(write_recipe(tmp_path))],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 3 and (tmp_path / "model.pt2").is_file()


def test_a_missing_faiss_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    message = refusal(create_searcher, Bank.__new__(Bank), 0, (4, 4), kind="approximate")
    assert message.startswith(
        "approximate search of a bank needs the package faiss: pip install 'ganzoo-i2i[art2real]'"
    )
