"""The choice of the best checkpoint, and runs that end early."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import ganzoo as package
from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluation
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.interfaces import Callback, RunInfo
from ganzoo.provenance.record import read_records
from ganzoo.report.run_log import RunLog
from ganzoo.training.lr_policy import Plateau
from ganzoo.training.progress import Progress
from ganzoo.training.run import Run
from tests.support.tiny_run import lines


def test_the_best_checkpoint_has_the_best_evaluated_value(whole: Path) -> None:
    evaluated = {line["step"]: line["values"]["cycle_l1_AB"] for line in lines(whole / "metrics.jsonl")
                 if "values" in line and line["step"]}  # fmt: skip
    progress = read_progress(whole / "checkpoints/best")
    assert progress["step"] == min(evaluated, key=lambda step: evaluated[step])
    assert progress["best"] == min(evaluated.values())


def test_an_unknown_best_value_is_refused_with_the_available_names(home: Path, tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match=r"no value 'fid'; there are: cycle_l1_AB"):
        package.run(home / "tiny.yaml", "evaluate.best=min fid", root=tmp_path)
    assert not any(tmp_path.rglob("*"))  # before the run starts


def test_a_run_that_a_callback_ended_resumes_with_a_longer_length(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganzoo.training.callbacks import Callbacks

    class Ending(Callback):
        def on_evaluation(self, run: RunInfo, step: int, values: Any) -> bool:
            return step == 4

    with monkeypatch.context() as patch:
        patch.setattr(Callbacks, "gather", lambda self, trackers: self.active.append(Ending()))
        package.run(home / "tiny.yaml", root=tmp_path)
    last = tmp_path / "tiny/default/checkpoints/last"
    assert read_progress(last)["step"] == 4
    package.run(home / "tiny.yaml", root=tmp_path)
    assert read_progress(last)["step"] == 4
    package.run(home / "tiny.yaml", "train.steps=10", root=tmp_path)
    assert read_progress(last)["step"] == 10


def test_another_criterion_is_not_compared_with_the_old_best_value() -> None:
    progress = Progress(best=0.1, best_of="min a")
    assert not progress.improve("min a", {"a": 0.2})
    assert progress.improve("max b", {"b": 5.0})
    assert (progress.best, progress.best_of) == (5.0, "max b")
    assert not progress.improve("max b", {"b": 4.0})
    assert not progress.improve("max b", {"b": float("nan")})
    assert not progress.improve(None, {"b": 9.0})


def test_best_is_never_chosen_on_test_images(home: Path, tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="the data has no validation images"):
        package.run(home / "tiny.yaml", "data.validation=0", root=tmp_path)


class PlannedEvaluations:
    """Replaces ``evaluate_now`` by evaluations with planned values; None stands for a failed metric."""

    def __init__(self, *values: float | None) -> None:
        self.values = iter(values)

    def __call__(self, run: Run, step: int) -> Evaluation:
        value = next(self.values)
        if value is None:
            return Evaluation(failed={"cycle_l1": "planted"})
        return Evaluation(dict.fromkeys(("cycle_l1_AB", "cycle_l1_BA"), value))


def steps_of(root: Path) -> int:
    return int(read_progress(root / "tiny/default/checkpoints/last")["step"])


def test_a_run_ends_when_its_best_value_does_not_improve(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("evaluate.every=1", "evaluate.patience=2", "train.sample=0")
    for count, best in ((3, 1), (5, 3)):  # of 8
        planned = [9.0, 1.0, 2.0, 3.0] if best == 1 else [9.0, 3.0, 4.0, 2.0, 2.0, 2.0]
        monkeypatch.setattr("ganzoo.training.loop.evaluate_now", PlannedEvaluations(*planned))
        package.run(home / "tiny.yaml", *words, root=tmp_path / str(count))
        assert steps_of(tmp_path / str(count)) == count
        folder = tmp_path / str(count) / "tiny/default"
        assert read_progress(folder / "checkpoints/best")["step"] == best
        assert [one["step"] for one in lines(folder / "metrics.jsonl") if "losses" in one] == (
            [3] if best == 1 else [3, 5]
        )
    assert "min cycle_l1_AB has not improved for 2 evaluations: the training ends here" in capsys.readouterr().out


def test_evaluations_without_improvement_are_counted_across_sessions_and_more_patience_resumes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*words: str, values: Sequence[float]) -> int:
        monkeypatch.setattr("ganzoo.training.loop.evaluate_now", PlannedEvaluations(*values))
        package.run(home / "tiny.yaml", "evaluate.every=1", "train.sample=0", *words, root=tmp_path)
        return steps_of(tmp_path)

    assert run("evaluate.patience=3", "train.steps=3", values=[9.0, 1.0, 2.0, 2.0]) == 3
    assert run("evaluate.patience=3", "train.steps=8", values=[2.0]) == 4  # the third in a row
    assert run("evaluate.patience=3", "train.steps=8", values=[]) == 4
    assert run("evaluate.patience=5", "train.steps=8", values=[2.0, 2.0]) == 6  # two more
    assert run("evaluate.patience=5", "train.steps=8", "evaluate.best=min cycle_l1_BA", values=[1.0, 2.0]) == 8


def test_values_that_were_measured_otherwise_are_not_compared(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str, values: Sequence[float]) -> tuple[int, int, bool]:
        monkeypatch.setattr("ganzoo.training.loop.evaluate_now", PlannedEvaluations(*values))
        words = ("evaluate.every=1", "evaluate.patience=2", "train.sample=0", *words)
        package.run(home / "tiny.yaml", *words, root=tmp_path)
        best = read_progress(tmp_path / "tiny/default/checkpoints/best")["step"]
        said = "min cycle_l1_AB is measured otherwise than before" in capsys.readouterr().out
        return steps_of(tmp_path), best, said

    assert run("train.steps=3", values=[9.0, 1.0, 0.5, 0.6]) == (3, 2, False)
    assert run("train.steps=5", "evaluate.limit=1", values=[4.0, 3.0]) == (5, 5, True)
    assert run("train.steps=9", "evaluate.limit=1", values=[3.0, 3.0]) == (7, 5, False)  # out of patience
    assert run("train.steps=9", "evaluate.limit=1", "evaluate.metrics=[cycle_l1]", values=[]) == (7, 5, False)
    assert run("train.steps=9", values=[8.0, 7.0]) == (9, 9, True)


def test_only_what_both_evaluations_have_makes_values_differ() -> None:
    progress = Progress(best=0.1, best_of="min a", stale=2, plateau=Plateau(0.1, "min a", 2, 0.5))
    for measured in ({"limit": 0, "metrics.a": {}}, {"limit": 0, "metrics.a": {}, "metrics.b": {}}):
        assert not progress.measure_on("min a", measured)  # unknown before; a metric more
    assert (progress.best, progress.stale, progress.plateau.waited) == (0.1, 2, 2)
    assert progress.measure_on("min a", {"limit": 5, "metrics.a": {}})
    assert (progress.best, progress.stale, progress.plateau) == (None, 0, Plateau(None, "min a", 0, 0.5))


def test_a_run_that_ended_early_resumes_with_a_longer_length(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(steps: int, *values: float) -> int:
        monkeypatch.setattr("ganzoo.training.loop.evaluate_now", PlannedEvaluations(*values))
        words = ("evaluate.every=1", "train.sample=0", "evaluate.patience=2", f"train.steps={steps}")
        package.run(home / "tiny.yaml", *words, root=tmp_path)
        return steps_of(tmp_path)

    assert run(8, 9.0, 1.0, 2.0, 2.0) == 3
    assert run(16, 2.0, 2.0) == 5  # the count starts again
    assert run(16) == 5


def test_a_value_that_is_never_finite_runs_out_of_patience_too(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganzoo.training.loop.evaluate_now", PlannedEvaluations(9.0, float("nan"), float("inf")))
    package.run(home / "tiny.yaml", "evaluate.every=1", "evaluate.patience=2", root=tmp_path)
    assert steps_of(tmp_path) == 2


def test_a_metric_that_fails_during_training_does_not_end_the_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganzoo.training.loop.evaluate_now", PlannedEvaluations(9.0, None, 2.0, None))
    package.run(home / "tiny.yaml", "evaluate.every=1", "train.steps=3", "train.sample=0", root=tmp_path)
    assert steps_of(tmp_path) == 3
    assert read_progress(tmp_path / "tiny/default/checkpoints/best")["step"] == 2


def test_an_evaluation_without_the_best_value_counts_as_no_improvement() -> None:
    progress = Progress()
    assert progress.improve("min a", {"a": 1.0}, metric_failed=True)
    assert not progress.improve("min a", {"b": 0.5}, metric_failed=True)
    assert (progress.best, progress.stale) == (1.0, 1)
    with pytest.raises(GanzooError, match="there is no value 'a'; there are: b"):
        progress.improve("min a", {"b": 0.5})


def test_patience_without_a_best_value_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match=r"evaluate\.best: patience needs 'best', the metric value to improve"):
        package.run(home / "tiny.yaml", "evaluate.patience=2", "evaluate.best=null", root=tmp_path)


@pytest.mark.parametrize(("steps", "early"), [(8, True), (3, False)])
def test_a_run_ends_early_only_before_its_full_length(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, early: bool
) -> None:
    """The patience ends after step 3."""
    monkeypatch.setattr("ganzoo.training.loop.evaluate_now", PlannedEvaluations(9.0, 1.0, 2.0, 3.0))
    words = ("evaluate.every=1", "evaluate.patience=2", "train.sample=0", f"train.steps={steps}")
    package.run(home / "tiny.yaml", *words, root=tmp_path)
    folder = tmp_path / "tiny/default"
    assert steps_of(tmp_path) == 3
    assert ("ended-early" in [one["event"] for one in lines(folder / "events.jsonl")]) is early
    assert RunLog(folder).status() == ("ended early" if early else "finished") + " at step 3"
    package.run(home / "tiny.yaml", *words, root=tmp_path)  # at its end, so it is not continued
    assert RunLog(folder).status() == ("ended early" if early else "finished") + " at step 3"


def test_the_values_of_best_are_of_its_weights(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step 1 is the best of three: its weights are in ``best`` and in ``step-1``, those of step 3 in ``last``."""
    monkeypatch.setattr("ganzoo.training.loop.evaluate_now", PlannedEvaluations(9.0, 1.0, 2.0, 3.0))
    words = ("evaluate.every=1", "train.sample=0", "train.keep=1", "train.steps=3")
    package.run(home / "tiny.yaml", *words, root=tmp_path)
    folder = tmp_path / "tiny/default"
    trained = {one.checkpoint: one.values for one in read_records(folder / "results.jsonl")}
    assert trained.keys() == {"last", "best"}
    evaluated = {}
    for name in ("last", "best", "step-1", "step-2", "step-3"):
        (record,) = evaluate_targets([folder], checkpoint=name, out=tmp_path / f"{name}.jsonl")
        evaluated[name] = record["values"]
    assert evaluated["best"] == evaluated["step-1"] == trained["best"]
    assert evaluated["last"] == evaluated["step-3"] == trained["last"]
    for name in trained["best"]:
        assert len({evaluated[step][name] for step in ("step-1", "step-2", "step-3")}) == 3
