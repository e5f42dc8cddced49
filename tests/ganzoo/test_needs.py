"""What ``check`` says that a run needs: against the run's own checkpoint, its steps and the files that it reads."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch
from tinyrun import everything, write_recipe

import ganzoo
from ganzoo import needs
from ganzoo.check import check
from ganzoo.engine import Engine
from ganzoo.errors import GanzooError

QUIET = ["evaluate.metrics=[]", "evaluate.every=0", "evaluate.best=null", "train.sample=0", "images.cache=1"]


def said(capsys: pytest.CaptureFixture[str], recipe: Path, *overrides: str) -> list[str]:
    """Return the lines that tell what was measured."""
    check(recipe, [*QUIET, *overrides])
    lines = capsys.readouterr().out.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("measured by two steps on cpu")) :]


def test_the_checkpoint_is_as_large_as_the_one_that_a_run_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []

    def measured(*given: object) -> needs.Needs:
        kept.append(found := measure(*given))  # type: ignore[arg-type]
        return found

    measure = needs.measure
    monkeypatch.setattr("ganzoo.check.measure", measured)
    recipe = write_recipe(tmp_path)
    said(capsys, recipe, "train.steps=2")
    ganzoo.run(recipe, *QUIET, "train.steps=2", root=tmp_path / "runs")
    last = everything(tmp_path / "runs/tiny/default/checkpoints/last")
    written = sum(len(one) for name, one in last.items() if ":" in name and ":sums/" not in name)
    assert kept[0].checkpoint == written > 40_000
    assert kept[0].memory > 50 << 20 and kept[0].seconds > 0


def test_numbers_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(Engine, "step", lambda self, micros: steps.append([len(one["real_A"]) for one in micros]))
    monkeypatch.setattr("ganzoo.needs.time.perf_counter", iter(range(0, 4 * 3, 3)).__next__)
    overrides = ["train.steps=40", "train.batch=2", "train.accumulate=2", "train.keep=10"]
    lines = said(capsys, write_recipe(tmp_path), *overrides)
    assert steps == [[2, 2], [2, 2]]
    assert lines[1] == "  time     3 s a step: 40 steps take 2 min"
    assert lines[2].endswith(f" at the most, of {needs.size(psutil.virtual_memory().total)}")
    assert lines[3].startswith("  pictures 0.0") and lines[3].endswith("kept decoded (images.cache)")
    assert ": 6 checkpoints of " in lines[4]
    assert len(lines) == 5


def test_nothing_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    said(capsys, recipe, "train.steps=2")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_step_that_does_not_fit_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Engine, micros: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Engine, "step", full)
    with pytest.raises(GanzooError, match=r"^a step does not fit into the memory: lower train\.batch"):
        said(capsys, write_recipe(tmp_path), "train.steps=2")
