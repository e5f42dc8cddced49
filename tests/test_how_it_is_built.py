"""docs/how_it_is_built.md: the layers are those of the code, and the two journeys name files that are run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ganzoo.test_layers import LAYERS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/how_it_is_built.md").read_text(encoding="utf-8")
TRACE = """
import sys, threading
from pathlib import Path
import ganzoo
from ganzoo.engine.engine import Engine

class Trained(BaseException): pass

files, root, step = {}, Path(sys.argv[1]), Engine.step

def note(frame, event, argument):
    if event == "call":
        files.setdefault(frame.f_code.co_filename)

def stop(self, micros):
    step(self, micros)
    raise Trained

Engine.step = stop
sys.argv = ["ganzoo", "run", "recipes/quickstart.yaml", *sys.argv[2:]]
threading.setprofile(note), sys.setprofile(note)
try:
    from ganzoo.cli import main
    main()
except Trained:
    sys.setprofile(None), threading.setprofile(None)
    inside = [Path(one) for one in files if Path(one).is_relative_to(root)]
    print(*[one.relative_to(root).as_posix() for one in inside], sep="\\n")
"""


def journey(name: str) -> list[str]:
    found = re.search(rf"<!-- journey: {name} -->\n(.*?)<!-- end of journey -->", PAGE, re.DOTALL)
    assert found
    return re.findall(r"^\d+\. `([^`]+)`", found[1], re.MULTILINE)


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
    assert [one for one in files if not (ROOT / one).is_file()] == []


def test_every_file_to_a_trained_step_is_run(tmp_path: Path) -> None:
    small = ["networks.G.width=2", "networks.D.width=2", "train.batch=2", "train.steps=2", "evaluate.every=0"]
    words = [*small, "evaluate.metrics=[]", "evaluate.best=null", "--root", str(tmp_path)]
    command = [sys.executable, "-c", TRACE, str(ROOT), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(journey("trained step")) <= set(done.stdout.splitlines())
