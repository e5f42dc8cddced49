"""Each contract of callbacks fails on one that is wrong in that way, and passes on one that is right."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

import pytest

from ganzoo.interfaces import Callback, RunInfo
from ganzoo.testing import callback_tests


class Right(Callback):
    """Counts the steps, and writes their number to a file."""

    def __init__(self) -> None:
        self.steps = 0

    def on_step(self, run: RunInfo, step: int, losses: Any) -> None:
        self.steps = step

    def on_end(self, run: RunInfo) -> None:
        (run.folder / "steps.txt").write_text(str(self.steps))


class Copies(Callback):
    """Right: it copies each checkpoint, and reads the files of a real run at its end."""

    def on_checkpoint(self, run: RunInfo, step: int) -> None:
        shutil.copytree(run.folder / "checkpoints" / "last", run.folder / "copies" / str(step))

    def on_evaluation(self, run: RunInfo, step: int, values: Any) -> bool:
        return bool(values["swd_AB"] < 0)

    def on_end(self, run: RunInfo) -> None:
        for name in ("metrics", "results"):
            assert (run.folder / f"{name}.jsonl").read_text()


class Misspelt(Right):
    def on_steps(self, run: RunInfo, step: int, losses: Any) -> None:
        self.steps = step


class NoParameters(Right):
    def on_checkpoint(self) -> None:  # type: ignore[override]
        pass


class OneTerm(Right):
    def on_step(self, run: RunInfo, step: int, losses: Any) -> None:
        self.steps = losses["generator/content"]


class NewFiles(Right):
    def on_end(self, run: RunInfo) -> None:
        with (run.folder / "steps.txt").open("x") as file:
            file.write("0")


class Mean(Right):
    def on_end(self, run: RunInfo) -> None:
        run.write_event("mean", value=1 / self.steps)


class Texts(Right):
    def on_evaluation(self, run: RunInfo, step: int, values: Any) -> Any:
        return "go on"


WRONG: dict[type[Callback], set[str]] = {
    Misspelt: {"test_its_functions_are_events"},
    NoParameters: {
        "test_its_functions_are_events",
        "test_it_observes_a_run",
        "test_it_observes_a_resumed_run",
        "test_it_says_whether_training_ends",
    },
    OneTerm: {"test_it_observes_a_run", "test_it_observes_a_resumed_run", "test_it_says_whether_training_ends"},
    NewFiles: {"test_it_observes_a_resumed_run"},
    Mean: {"test_it_observes_a_run_without_steps"},
    Texts: {"test_it_says_whether_training_ends"},
}


def failures(make: type[Callback], folder: Path) -> dict[str, str]:
    """Return the contracts that a callback breaks, with the reason."""
    tests, failed = callback_tests(make)(), {}
    for name in [one for one in dir(tests) if one.startswith("test_")]:
        test = getattr(tests, name)
        try:
            test(**dict.fromkeys(inspect.signature(test).parameters, folder / name))
        except (Exception, pytest.fail.Exception) as error:
            failed[name] = f"{type(error).__name__}: {error}"
    return failed


@pytest.mark.parametrize("target", WRONG)
def test_a_wrong_callback_breaks_exactly_its_contracts(target: type[Callback], tmp_path: Path) -> None:
    assert failures(target, tmp_path).keys() == WRONG[target]


@pytest.mark.parametrize("target", [Right, Copies])
def test_a_right_callback_keeps_all(target: type[Callback], tmp_path: Path) -> None:
    assert failures(target, tmp_path) == {}


def test_the_run_is_that_of_the_recipe(tmp_path: Path) -> None:
    steps, losses, values = [], set(), set()

    class Names(Callback):
        def on_step(self, run: RunInfo, step: int, means: Any) -> None:
            steps.append(step)
            losses.update(means)

        def on_evaluation(self, run: RunInfo, step: int, measured: Any) -> bool:
            values.update(measured)
            return False

    recipe = {"method": {"identity": 0.5}, "train": {"epochs": 1}, "evaluate": {"metrics": ["cycle_l1"]}}
    callback_tests(Names, recipe=recipe)().test_it_observes_a_resumed_run(tmp_path)
    assert steps == [*range(1, len(steps) + 1)]
    assert {"generator/gan_AB", "generator/identity_A"} <= losses
    assert values == {"cycle_l1_AB", "cycle_l1_BA"}


def test_each_contract_has_a_callback_that_breaks_it() -> None:
    names = {one for one in dir(callback_tests(Right)) if one.startswith("test_")}
    assert names == set.union(*WRONG.values())
    assert all(getattr(callback_tests(Right), one).__doc__ for one in names)


def test_a_misspelt_function_is_named_with_its_line(tmp_path: Path) -> None:
    why = failures(Misspelt, tmp_path)["test_its_functions_are_events"]
    assert "'on_steps'" in why
    assert "(did you mean 'on_step'?)" in why
    assert "test_callback.py:" in why
