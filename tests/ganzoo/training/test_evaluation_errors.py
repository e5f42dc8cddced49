"""Errors in evaluations of a run in training: what is saved, what the resumed run does again, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import ganzoo as package
from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluation
from ganzoo.training.loop import train
from ganzoo.training.run import Run
from tests.support.killed_runs import train_until
from tests.support.tiny_run import assert_same, lines


def test_a_step_whose_evaluation_fails_is_computed_and_evaluated_again(home: Path, whole: Path, tmp_path: Path) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    inner = run.files.metrics.append

    def failing(**fields: Any) -> None:
        if fields["step"] == 4 and "values" in fields:
            raise GanzooError("metrics.jsonl: cannot be written: No space left on device")
        inner(**fields)

    run.files.metrics.append = failing  # type: ignore[method-assign]
    with pytest.raises(GanzooError, match="No space left"):
        train(run)
    assert read_progress(run.folder / "checkpoints/last")["step"] == 2  # and not 4, which lacks its evaluation
    package.run(home / "tiny.yaml", root=tmp_path)
    assert_same(whole, run.folder)


def test_a_best_checkpoint_of_a_later_step_than_the_last_is_not_this_runs(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(*values: float) -> None:
        planned = iter(values)
        names = ("cycle_l1_AB", "cycle_l1_BA")
        monkeypatch.setattr(
            "ganzoo.training.loop.evaluate_now", lambda run, step: Evaluation(dict.fromkeys(names, next(planned)))
        )

    words = ("evaluate.every=1", "train.sample=0")
    run = Run.prepare(home / "tiny.yaml", words, root=tmp_path)
    plan(9.0, 5.0, 4.0, 1.0)
    train_until(run, 3)
    best, last = (run.folder / "checkpoints" / name for name in ("best", "last"))
    assert (read_progress(last)["step"], read_progress(best)["step"]) == (2, 3)
    plan(3.0, 7.0, 7.0, 2.0, 7.0, 7.0)  # of steps 3 to 8: another GPU, or other options, and never as good again
    package.run(home / "tiny.yaml", *words, root=tmp_path)
    assert (read_progress(best)["step"], read_progress(best)["best"], read_progress(last)["stale"]) == (6, 2.0, 2)
    (deleted,) = (one for one in lines(run.folder / "events.jsonl") if one["event"] == "best-deleted")
    assert (deleted["step"], deleted["last"]) == (3, 2)


@pytest.mark.parametrize("change", ["evaluate.best=min nonsense", "evaluate.metrics=[cycle_l1, cycle_l1]"])
def test_a_resumed_run_is_refused_before_it_trains_if_its_new_metrics_do_not_work(
    home: Path, tmp_path: Path, change: str
) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    train_until(run, 3)
    before = (run.folder / "resolved.yaml").read_bytes()
    with pytest.raises(GanzooError, match=r"^evaluate\.(best|metrics)"):
        package.run(home / "tiny.yaml", change, root=tmp_path)
    assert (run.folder / "resolved.yaml").read_bytes() == before
    assert read_progress(run.folder / "checkpoints/last")["step"] == 2


def test_an_evaluation_that_does_not_fit_into_the_memory_costs_its_values_and_not_the_run(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    inner = run.engine.method.forward
    trained: list[Any] = []

    def forward(step: Any) -> None:
        if not step.training and trained:
            raise torch.OutOfMemoryError("CUDA out of memory")
        trained.extend([step] if step.training else [])
        inner(step)

    run.engine.method.forward = forward  # type: ignore[method-assign]
    with pytest.raises(GanzooError, match="some metrics failed"):
        train(run)
    said = capsys.readouterr().out
    assert (
        "step 4: not measured: cycle_l1, identity_l1: a batch does not fit into the memory: lower evaluate.batch"
        in said
    )
    assert "step 4: no samples: a grid of samples does not fit into the memory: lower images.size" in said
    assert read_progress(run.folder / "checkpoints/last")["step"] == 8


def test_intervals_that_a_finished_run_lacks_are_computed(home: Path, tmp_path: Path) -> None:
    package.run(home / "tiny.yaml", root=tmp_path)
    package.run(home / "tiny.yaml", "evaluate.bootstrap=20", root=tmp_path)
    results = lines(tmp_path / "tiny/default/results.jsonl")
    assert [one["checkpoint"] for one in results] == ["last", "best", "last", "best"]
    assert ["interval" in one["about"]["cycle_l1_AB"] for one in results] == [False, False, True, True]
    package.run(home / "tiny.yaml", "evaluate.bootstrap=20", root=tmp_path)
    assert len(lines(tmp_path / "tiny/default/results.jsonl")) == 4


def test_the_time_of_an_interrupted_logging_interval_counts(home: Path, tmp_path: Path) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    train_until(run, 4)
    saved = read_progress(run.folder / "checkpoints/last")
    assert (saved["step"], saved["interval"]["steps"]) == (4, 1)  # a line of the log each 3 steps
    package.run(home / "tiny.yaml", root=tmp_path)
    (line,) = (one for one in lines(run.folder / "metrics.jsonl") if one["step"] == 6 and "losses" in one)
    assert line["seconds"] > saved["interval"]["seconds"]
    assert line["images_per_s"] * line["seconds"] == pytest.approx(3 * 2, rel=0.05)  # steps × images, not 2 × 2
