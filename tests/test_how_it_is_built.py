"""docs/how_it_is_built.md: its layers are those of the code, and its two journeys are the files that are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ganzoo.test_layers import LAYERS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/how_it_is_built.md").read_text(encoding="utf-8")
TRACE = """
import inspect, sys, threading
from pathlib import Path

root, folder, codes = Path(sys.argv[1]), Path(sys.argv[2]), set()

def note(frame, event, argument):
    if event == "call":
        codes.add(frame.f_code)

def print_files():
    sys.settrace(None), threading.settrace(None)
    # neither the body of a module or class, nor a comprehension in it
    run = [code for code in codes if code.co_flags & inspect.CO_OPTIMIZED and not code.co_qualname.startswith("<")]
    files = {Path(code.co_filename) for code in run}
    inside = [file.relative_to(root) for file in files if file.is_relative_to(root)]
    print(*["ran " + file.as_posix() for file in inside if file.parts[0] in ("ganzoo", "plugins")], sep="\\n")
"""
TRAIN_ONE_STEP = """
import ganzoo
from ganzoo.cli import main
from ganzoo.engine.engine import Engine

class Trained(BaseException): pass

step, tried = Engine.step, []

def stop(self, micros):
    result = step(self, micros)
    if tried:  # the first step is only tried
        raise Trained
    tried.append(True)
    return result

Engine.step = stop
sys.argv = ["ganzoo", "run", "recipes/quickstart.yaml", *sys.argv[3:], "--root", str(folder)]
threading.settrace(note), sys.settrace(note)
try:
    main()
except Trained:
    print_files()
"""
WRITE_A_TABLE = """
import yaml
from ganzoo.bench import children, page, runner
from ganzoo.bench.spec import Places, read_spec
from tests.support.bench_records import MARKERS, Runs

rows = {"one": {"label": "One", "recipe": str(root / "recipes/quickstart.yaml")}}
spec = {"title": "A table", "page": "page.md", "seeds": [0], "set": sys.argv[3:], "rows": rows}
(folder / "spec.yaml").write_text(yaml.safe_dump({**spec, "columns": [{"value": "read", "label": "read"}]}))
(folder / "page.md").write_text(MARKERS)
children.ChildProcesses.run = staticmethod(Runs())
threading.settrace(note), sys.settrace(note)
bench, places = read_spec(folder / "spec.yaml"), Places(folder / "runs")
runner.run(bench, places, jobs=1)
page.update_page(bench, places, check=False)
assert "| One |" in (folder / "page.md").read_text()
print_files()
"""
SMALL = ["networks.G.width=2", "networks.G.blocks=1", "networks.D.width=2", "train.batch=2"]
SMALL += ["evaluate.every=0", "evaluate.best=null"]


def section(kind: str, name: str) -> str:
    match = re.search(rf"<!-- {kind}: {name} -->\n(.*?)<!-- end of {kind} -->", PAGE, re.DOTALL)
    assert match
    return match[1]


def journey(name: str) -> list[str]:
    return re.findall(r"^\d+\. `([^`]+)`", section("journey", name), re.MULTILINE)


def trace(script: str, folder: Path, *changes: str) -> set[str]:
    """Return the project's files of which a function was run."""
    command = [sys.executable, "-c", TRACE + script, str(ROOT), str(folder), *SMALL, *changes]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^ran (\S+)$", done.stdout, re.MULTILINE))


def test_the_layers_of_the_page_are_those_of_the_test() -> None:
    layers = {}
    for number, names in re.findall(r"^\| (\d+) \| ([^|]+) \|", PAGE, re.MULTILINE):
        for name in re.findall(r"`([\w./]+)`", names):
            layers[name.rstrip("/")] = int(number)
    assert {name or "__init__": layer for name, layer in LAYERS.items()} == layers


@pytest.mark.parametrize(("name", "most"), [("trained step", 25), ("table", 14)])
def test_the_files_of_a_journey_are_there_and_few(name: str, most: int) -> None:
    files = journey(name)
    assert 10 < len(files) == len(set(files)) <= most
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_every_file_to_a_trained_step_is_run_and_no_other(tmp_path: Path) -> None:
    listed = [*journey("trained step"), *re.findall(r"`([^`]+\.py)`", section("helpers", "trained step"))]
    ran = trace(TRAIN_ONE_STEP, tmp_path, "train.steps=2", "evaluate.metrics=[]")
    hooks = {file for file in ran if re.fullmatch(r"plugins/ganzoo_\w+/__init__\.py", file)}
    assert sorted(listed) == sorted(ran - hooks)


@pytest.mark.slow
def test_every_file_from_a_value_to_a_table_is_run(tmp_path: Path) -> None:
    assert set(journey("table")) <= trace(WRITE_A_TABLE, tmp_path, "train.steps=1", "evaluate.metrics=[digits]")
