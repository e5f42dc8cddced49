"""docs/getting_started.md: its commands run in order on small images, with a stop by Ctrl-C in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.recipe.reader import read_recipe
from tests.support.command_line import Run
from tests.support.killed_runs import wait_for
from tests.support.pages import ROOT, blocks, commands
from tests.support.tiny_run import lines

PAGE = ROOT / "docs/getting_started.md"
SMALLER = {
    "size: 128, load: 143": "size: 16, load: 18",
    "width: 32, blocks: 6": "width: 2, blocks: 1",
    "width: 32, layers: 3": "width: 2, layers: 1",
    "epochs: 100, batch: 4, log: 20, sample: 100, save: 100": "epochs: 8, batch: 4, log: 2, sample: 8, save: 8",
    "every: 100": "every: 8",
}
"""Text in the page's recipe → what the test trains instead, so that it takes seconds."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with the page's folders of images and its recipe, made small."""
    monkeypatch.chdir(tmp_path)
    for number, (name, count) in enumerate((("photos", 20), ("paintings", 18), ("new", 2))):
        Path(name).mkdir()
        for index in range(count):
            pixels = np.random.default_rng([number, index]).integers(0, 256, (5, 6, 3), np.uint8)
            Image.fromarray(pixels).resize((48, 40), Image.Resampling.NEAREST).save(f"{name}/{index}.png")
    (recipe,) = blocks(PAGE, "yaml")
    for text, smaller in SMALLER.items():
        assert text in recipe
        recipe = recipe.replace(text, smaller)
    Path("first.yaml").write_text(recipe)
    return tmp_path


def stopped_by_ctrl_c(*words: str) -> tuple[int, str]:
    """Start a command, send it what Ctrl-C sends after its first logged steps; return exit code and error output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ganzoo", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_for(Path("runs/first/default/metrics.jsonl"), '"step": 2,', process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    return process.returncode, error


def test_the_page_goes_from_two_folders_to_translations(home: Path, run: Run) -> None:
    words = [one for block in blocks(PAGE, "sh") for one in commands(block)]
    assert [one[0] for one in words] == ["data", "check", "run", "run", "run", "evaluate", "translate"]
    data, check, first, again, longer, evaluate, translate = words
    for command in (data, check):
        code, _, error = run(*command)
        assert code == 0, error
    assert (home / "sheet.png").is_file() and not (home / "runs").exists()

    code, error = stopped_by_ctrl_c(*first)
    assert code == 130 and "and saved; the same command resumes it" in error
    assert again == first and longer[:2] == first and longer[2:] == ["train.epochs=120"]
    for command in (again, [*first, "train.epochs=10"]):
        code, _, error = run(*command)
        assert code == 0, error
    folder = home / "runs/first/default"
    assert [one["event"] for one in lines(folder / "events.jsonl")].count("resumed") == 2
    assert json.loads((folder / "checkpoints/last/progress.json").read_text())["step"] == 10 * 4  # 18 of A, in fours

    for command in (evaluate, translate):
        code, _, error = run(*command)
        assert code == 0, error
    records = lines(folder / "results.jsonl")[-2:]
    assert [one["checkpoint"] for one in records] == ["last", "best"]
    assert all({"swd_AB", "cycle_l1_AB"} <= set(one["values"]) for one in records)
    assert sorted(one.name for one in (home / "painted").iterdir()) == ["0.png", "1.png"]
    (code_block,) = blocks(PAGE, "python")
    exec(code_block, {})
    assert (home / "painted.png").read_bytes()[:4] == b"\x89PNG"


def test_the_published_recipe_of_the_page_is_read_as_it_stands(home: Path) -> None:
    (text,) = blocks(PAGE, "yaml")
    Path("first.yaml").write_text(text)
    recipe = read_recipe("first.yaml")
    assert (recipe.train.epochs, recipe.images.size, recipe.evaluate.best) == (100, 128, "min swd_AB")
