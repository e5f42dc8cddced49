"""Callbacks of plugins and trackers: what they see, and what happens when one fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ganzoo as package
from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Callback, RunInfo
from tests.support.tiny_run import everything, lines


def test_callbacks_observe_the_run_can_end_it_and_are_switched_off_when_they_fail(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ganzoo.training.callbacks import Callbacks

    calls: list[str] = []

    class Recording(Callback):
        def on_start(self, run: RunInfo) -> None:
            calls.append("start")

        def on_checkpoint(self, run: RunInfo, step: int) -> None:
            calls.append(f"checkpoint {step}")

        def on_evaluation(self, run: RunInfo, step: int, values: Any) -> bool:
            calls.append(f"evaluation {step} {sorted(values)[0]}")
            return step == 4

        def on_end(self, run: RunInfo) -> None:
            calls.append("end")

    class Broken(Callback):
        def on_step(self, run: RunInfo, step: int, losses: Any) -> None:
            raise OSError("no connection")

    monkeypatch.setattr(Callbacks, "gather", lambda self, trackers: self.active.extend([Recording(), Broken()]))
    package.run(home / "tiny.yaml", root=tmp_path)
    assert calls == ["start", "checkpoint 2", "evaluation 4 cycle_l1_AB", "checkpoint 4", "end"]
    folder = tmp_path / "tiny/default"
    assert [(one["checkpoint"], one["trained"]) for one in lines(folder / "results.jsonl")] == [
        ("last", 4),
        ("best", 4),
    ]
    before = everything(folder / "checkpoints/last")
    package.run(home / "tiny.yaml", root=tmp_path)
    assert everything(folder / "checkpoints/last") == before
    assert "Broken failed in on_step and is switched off: no connection" in capsys.readouterr().out
    monkeypatch.setenv("GANZOO_STRICT", "1")
    with pytest.raises(OSError, match="no connection"):
        package.run(home / "tiny.yaml", root=tmp_path / "strict")
    assert read_progress(tmp_path / "tiny/default/checkpoints/last")["step"] == 4


def test_a_tracker_that_is_not_installed_is_reported_and_training_continues(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ("train.steps=1", "evaluate.metrics=[]", "evaluate.best=null", "train.trackers=[dvclive]")
    package.run(home / "tiny.yaml", *short, root=tmp_path)
    assert "dvclive is not installed" in capsys.readouterr().out
    with pytest.raises(GanzooError, match=r"train\.trackers.*tensorbord.*did you mean 'tensorboard'"):
        package.run(home / "tiny.yaml", "train.trackers=[tensorbord]", root=tmp_path)
