"""``ganzoo check`` measures a run's cost: compared with a real checkpoint, steps and files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

import ganzoo
from ganzoo.check.parts_table import check
from ganzoo.check.profile import Profile, format_profile, measure_steps
from ganzoo.data.sample_cache import ENTRY_BYTES
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.recipe.reader import read_recipe
from ganzoo.utils.formatting import format_bytes
from tests.support.tiny_run import everything, write_recipe

QUIET = ["evaluate.metrics=[]", "evaluate.every=0", "evaluate.best=null", "train.sample=0", "images.cache=1"]


def profile_lines(capsys: pytest.CaptureFixture[str], recipe: Path, *overrides: str) -> list[str]:
    """Return the lines that report the profile."""
    check(recipe, [*QUIET, *overrides])
    lines = capsys.readouterr().out.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("measured with ")) :]


def test_the_checkpoint_is_as_large_as_the_one_that_a_run_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = []

    def record(*arguments: object) -> Profile:
        profiles.append(profile := measure(*arguments))  # type: ignore[arg-type]
        return profile

    measure = measure_steps
    monkeypatch.setattr("ganzoo.check.parts_table.measure_steps", record)
    recipe = write_recipe(tmp_path)
    profile_lines(capsys, recipe)
    ganzoo.run(recipe, *QUIET, "train.steps=4", root=tmp_path / "runs")
    last = everything(tmp_path / "runs/tiny/default/checkpoints/last")
    written = sum(len(one) for name, one in last.items() if ":" in name and ":sums/" not in name)
    assert profiles[0].checkpoint == written > 40_000
    assert 1 << 27 < profiles[0].memory < psutil.virtual_memory().total
    assert profiles[0].seconds > 0


def test_numbers_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(Engine, "step", lambda self, micros: steps.append([len(one["real_A"]) for one in micros]))
    clock = iter([0, 90, 100, 104, 200, 203, 300, 305])  # start and end of each of four steps
    monkeypatch.setattr("ganzoo.check.profile.time.perf_counter", clock.__next__)
    monkeypatch.setattr("ganzoo.check.profile.LONG", 1000.0)
    overrides = ["train.steps=40", "train.batch=2", "train.accumulate=2", "train.keep=10"]
    lines = profile_lines(capsys, write_recipe(tmp_path), *overrides)
    assert steps == [[2, 2]] * 4
    assert lines[0].startswith("measured with 4 steps on cpu, ")
    assert lines[1] == "  time     3 s per step: 40 steps take 2 min"
    assert lines[2].endswith(f" at peak, of {format_bytes(psutil.virtual_memory().total)}")
    assert (
        lines[3]
        == f"  images   {format_bytes(22 * (16 * 16 * 3 + ENTRY_BYTES))} of memory for decoded images (images.cache)"
    )
    assert ": 6 checkpoints of " in lines[4]
    assert len(lines) == 5


def test_the_time_is_the_mean_over_the_kinds_of_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step of three is long: the reported time is the mean, and each kind is timed once whatever it takes."""
    monkeypatch.setattr(Engine, "cycle", 3)
    monkeypatch.setattr(Engine, "step", lambda self, micros: None)
    lengths = [0, 2, 13, 3, 5, 10, 4, 2, 11, 1]  # the first does not count
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    clock = [moment for end, length in zip(ends, lengths, strict=True) for moment in (end - length, end)]
    for limit, steps, seconds in ((1000.0, 10, "4.33"), (1.0, 4, "6")):
        monkeypatch.setattr("ganzoo.check.profile.time.perf_counter", iter(clock).__next__)
        monkeypatch.setattr("ganzoo.check.profile.LONG", limit)
        lines = profile_lines(capsys, write_recipe(tmp_path), "train.steps=30")
        assert lines[0].startswith(f"measured with {steps} steps")
        assert lines[1].startswith(f"  time     {seconds} s per step: 30 steps take ")


def test_no_file_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    profile_lines(capsys, recipe, "train.steps=2")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_step_that_does_not_fit_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Engine, micros: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Engine, "step", full)
    with pytest.raises(GanzooError, match=r"^a step does not fit into the memory: neither a smaller batch"):
        profile_lines(capsys, write_recipe(tmp_path), "train.steps=2")


def test_a_long_step_runs_only_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganzoo.check.profile.time.perf_counter", iter([0, 30, 30, 50]).__next__)
    lines = profile_lines(capsys, write_recipe(tmp_path), "train.steps=3")
    assert lines[0].startswith("measured with 2 steps")
    assert lines[1] == "  time     20 s per step: 3 steps take 60 s"


@pytest.mark.parametrize(("kind", "where"), [("mps", "mps"), ("xpu", "xpu")])
def test_other_devices_are_reported_by_name(tmp_path: Path, kind: str, where: str) -> None:
    measured = Profile(seconds=1.0, memory=0, checkpoint=1 << 20, steps=4, device=torch.device(kind), precision="fp32")
    lines = format_profile(measured, read_recipe(write_recipe(tmp_path)), 10, 0, {})
    assert lines[0] == f"measured with 4 steps on {where}, fp32:"
    assert not any("memory" in line for line in lines[:2])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems report it in another way")
def test_the_memory_is_not_that_of_a_larger_parent() -> None:
    """The value of getrusage is inherited from the parent process; ours must not be."""
    code = "from ganzoo.utils.memory import peak_process_memory; print(peak_process_memory())"
    parent = (
        "import subprocess, sys; large = bytearray(1500 << 20); "
        f"print(subprocess.run([sys.executable, '-c', {code!r}], capture_output=True, text=True).stdout)"
    )
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, timeout=120)
    assert 50 << 20 < int(done.stdout) < 1200 << 20
