"""Checks of the log: each gives its hint where it should, and none where the log does not show the problem."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ganzoo.report.log_checks import (
    best_long_ago,
    collect_hints,
    discriminator_losses,
    discriminator_won,
    opposing_losses,
    skipped_steps,
    waiting_for_data,
)
from ganzoo.report.run_log import RunLog
from tests.support.run_logs import RECIPE, Course, logged, write_run


def constant(value: float) -> Course:
    return lambda done: value


def log(tmp_path: Path, lines: list[dict[str, Any]] | None = None, **options: Any) -> RunLog:
    return RunLog(write_run(tmp_path / "run", lines or [], **options))


def falling(done: float) -> float:
    """Return the loss of a discriminator that wins in the second half."""
    return 0.25 if done < 0.5 else 0.004


def rising(done: float) -> float:
    return 0.3 if done < 0.5 else 0.93


def test_a_healthy_run_has_no_hints(tmp_path: Path) -> None:
    terms = {"generator/gan_AB": constant(0.3), "discriminator/D_B": constant(0.22), "generator/cycle_A": falling}
    lines = logged(40, terms)
    assert collect_hints(log(tmp_path, lines)) == []


def test_a_discriminator_that_has_won(tmp_path: Path) -> None:
    terms = {
        "generator/gan_AB": rising,
        "generator/gan_BA": constant(0.3),
        "generator/cycle_A": rising,
        "discriminator/D_A": constant(0.22),
        "discriminator/D_B": falling,
    }
    lines = logged(40, terms)
    (hint,) = discriminator_won(log(tmp_path, lines))
    assert hint.startswith(
        "The discriminator has won: in the last quarter of the log discriminator/D_B stayed at 0.004 or less, "
        "generator/gan_AB at 0.93 or more"
    )
    assert collect_hints(RunLog(tmp_path / "run")) == [hint]


@pytest.mark.parametrize(
    ("discriminator", "gan", "count"),
    [
        (lambda done: 0.25 if done < 0.5 or done > 0.99 else 0.004, rising, 40),  # the discriminator's loss rises again
        (falling, constant(0.07), 40),  # both are small
        (constant(1e-4), constant(0.1), 40),
        (falling, lambda done: 0.05 if done == 1 else 0.93, 40),  # the generator fools it in the end
        (lambda done: -0.02, rising, 40),  # a Wasserstein critic's loss may be below 0
        (lambda done: math.nan, rising, 40),
        (falling, lambda done: math.nan, 40),
        (constant(0.004), constant(0.93), 8),  # too short
    ],
)
def test_a_discriminator_that_has_not_won(tmp_path: Path, discriminator: Course, gan: Course, count: int) -> None:
    lines = logged(count, {"generator/gan_AB": gan, "discriminator/D_B": discriminator})
    assert discriminator_won(log(tmp_path, lines)) == []


def test_losses_of_other_networks_are_not_those_of_discriminators(tmp_path: Path) -> None:
    lines = logged(40, {"generator/gan_AB": rising, "other/E_B": falling})
    assert discriminator_won(log(tmp_path, lines)) == []


@pytest.mark.parametrize(
    ("slots", "discriminator", "gans"),
    [
        (("D_A", "D_B"), "D_A", ["gan", "gan_BA"]),
        (("D_A", "D_B", "D_masked_A", "D_masked_B"), "D_masked_B", ["gan_masked_AB"]),
        (("D_AB",), "D", ["gan", "gan_AB", "gan_BA"]),
        (("D_B",), "D_B", ["gan", "gan_AB"]),
    ],
)
def test_which_losses_belong_together(
    tmp_path: Path, slots: tuple[str, ...], discriminator: str, gans: list[str]
) -> None:
    recipe = {**RECIPE, "networks": {"G_AB": {"generator": "x"}, **{one: {"discriminator": "patch"} for one in slots}}}
    names = [
        f"d/{discriminator}",
        *(f"g/{one}" for one in ("gan", "gan_AB", "gan_BA", "gan_masked_AB", "gan_masked_BA")),
    ]
    run = log(tmp_path, logged(2, dict.fromkeys(names, constant(1))), recipe=recipe)
    assert list(discriminator_losses(run)) == [f"d/{discriminator}"]
    assert list(opposing_losses(run, f"d/{discriminator}")) == [f"g/{one}" for one in gans]


def test_skipped_steps_are_counted_once_and_named(tmp_path: Path) -> None:
    skipped = [
        (40, "generator/cycle_A"),
        (41, "generator/cycle_A"),
        (40, "generator/cycle_A"),
        (90, "discriminator/D_B"),
    ]
    events = [{"event": "not-finite", "step": step, "term": term, "in_a_row": 1} for step, term in skipped]
    (hint,) = skipped_steps(log(tmp_path, events=events))
    assert hint.startswith("3 steps were skipped, as a value was not finite: from step 40 to 90, by generator/cycle_A,")
    (hint,) = skipped_steps(log(tmp_path / "one", events=events[:1]))
    assert hint.startswith("1 step was skipped, as a value was not finite: step 40, by generator/cycle_A.")


def test_a_run_without_skipped_steps(tmp_path: Path) -> None:
    events = [{"event": "started", "step": 0}, {"event": "finished", "step": 9}]
    assert skipped_steps(log(tmp_path, events=events)) == []


@pytest.mark.parametrize(("share", "reported"), [(0.29, False), (0.31, True), (0.9, True)])
def test_a_run_that_waits_for_images(tmp_path: Path, share: float, reported: bool) -> None:
    hints = waiting_for_data(log(tmp_path, logged(8, wait=share)))
    assert [hint.partition(" of the time")[0] for hint in hints] == ([f"{share:.0%}"] if reported else [])


def test_intervals_count_by_their_time_and_the_first_does_not_count(tmp_path: Path) -> None:
    lines = logged(8)
    lines[0] |= {"data_wait": 1.0, "seconds": 1000.0}  # fills the cache
    assert waiting_for_data(log(tmp_path, lines)) == []
    lines[4] |= {"data_wait": 0.9, "seconds": 8 * 2.5}
    (hint,) = waiting_for_data(log(tmp_path / "slow", lines))
    assert hint.startswith(f"{0.9 * 8 / 14:.0%} of the time was spent waiting")
    assert waiting_for_data(log(tmp_path / "short", logged(3, wait=0.9))) == []


def evaluated(*values: float, name: str = "cycle_l1_AB") -> list[dict[str, Any]]:
    return [{"step": 100 * i, "split": "validation", "values": {name: value}} for i, value in enumerate(values)]


def best(step: int, rule: str = "min cycle_l1_AB") -> dict[str, Any]:
    return {"step": step, "best": 0.1, "best_of": rule}


def test_a_run_that_was_best_long_ago(tmp_path: Path) -> None:
    lines = evaluated(0.5, 0.3, 0.1, 0.12, 0.14, 0.15, 0.2, 0.22, 0.18)
    (hint,) = best_long_ago(log(tmp_path, lines, best=best(200)))
    assert hint.startswith("cycle_l1_AB was best long ago: 0.1 at step 200, 0.2 recently (median of the last quarter")


def test_a_higher_value_may_be_better(tmp_path: Path) -> None:
    recipe = {**RECIPE, "evaluate": {"best": "max read"}}
    up, down = (evaluated(0, 50, 90, 80, 70, last, name="read") for last in (89, 60))
    assert best_long_ago(log(tmp_path / "up", up, best=best(200, "max read"), recipe=recipe)) == []
    assert len(best_long_ago(log(tmp_path / "down", down, best=best(200, "max read"), recipe=recipe))) == 1


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ((0.5, 0.3, 0.1, 0.12, 0.14, 0.15, 0.13, 0.11, 0.12), 200),  # a small decline
        ((0.5, 0.1, 0.1, 0.1, 0.1, 0.1), 100),  # no decline
        ((0.5, 0.3, 0.2, 0.15, 0.1, 0.3), 400),  # best recently
        ((0.5, 0.1, 0.3, 0.4), 100),  # too few evaluations
        ((0.5, 0.1, math.nan, math.nan, math.nan), 100),
    ],
)
def test_a_run_that_was_not_best_long_ago(tmp_path: Path, values: tuple[float, ...], step: int) -> None:
    assert best_long_ago(log(tmp_path, evaluated(*values), best=best(step))) == []


def test_without_a_best_checkpoint_there_is_no_hint_about_it(tmp_path: Path) -> None:
    assert best_long_ago(log(tmp_path, evaluated(0.5, 0.1, 0.2, 0.3, 0.4, 0.5))) == []
