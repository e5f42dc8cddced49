"""When a run reached a level and stayed there: the step, the seconds, the table, and what makes a record outdated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganzoo.bench.columns import Reach
from ganzoo.bench.page import current_table
from ganzoo.bench.reach import reached_step, seconds_until, with_reach
from ganzoo.bench.render import markdown
from ganzoo.bench.runner import run as run_bench
from ganzoo.bench.spec import Places, read_spec
from ganzoo.provenance.record import read_records
from ganzoo.utils.jsonl import JsonLines
from tests.support.bench_records import Runs, record, write_spec
from tests.support.tiny_run import write_recipe

REACH = Reach(value="v", at=95, better="more")


def evaluated(*values: float) -> list[dict[str, Any]]:
    """Return the lines of evaluations every 10 steps from the untrained networks on, and of a log every 20 steps."""
    lines: list[dict[str, Any]] = []
    for number, value in enumerate(values):
        if number and number % 2 == 0:
            lines.append({"step": 10 * number, "seconds": 4.0})
        lines.append({"step": 10 * number, "split": "validation", "values": {"v": value}})
    return lines


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ((0, 20, 95, 100), 20),
        ((100, 96, 97), 10),  # the untrained networks do not count
        ((0, 100, 0, 99), 30),  # it came and went
        ((0, 100, 94.9), None),
        ((0, float("nan"), 96, float("nan")), None),
        ((0,), None),
    ],
)
def test_the_first_evaluation_from_which_on_it_stays(values: tuple[float, ...], step: int | None) -> None:
    assert reached_step(evaluated(*values), REACH) == step
    opposite = [{**one, "values": {"v": -one["values"]["v"]}} if "values" in one else one for one in evaluated(*values)]
    assert reached_step(opposite, Reach(value="v", at=-95, better="less")) == step


def test_seconds_are_those_of_training_until_the_step() -> None:
    lines = evaluated(0, 0, 0, 0, 0, 0, 0)
    assert [seconds_until(lines, step) for step in (10, 20, 30, 60)] == [2, 4, 6, 12]


def test_a_record_gets_the_values_or_the_reason(tmp_path: Path) -> None:
    file = JsonLines(tmp_path / "metrics.jsonl")
    for line in evaluated(0, 0, 96):
        file.append(**line)
    done = with_reach(record("one", 0, {"v": 97.0}), tmp_path, REACH)
    assert done.values == {"v": 97.0, "steps_to_v": 20, "seconds_to_v": 4}
    file.append(step=30, split="test", values={"v": 0.0})  # of other images
    assert with_reach(record("one", 0, {"v": 97.0}), tmp_path, REACH).values["steps_to_v"] == 20
    file.append(step=30, split="validation", values={"v": 0.0})
    lost = with_reach(record("one", 0, {"v": 97.0}), tmp_path, REACH)
    assert lost.values == {"v": 97.0}
    assert lost.about["seconds_to_v"]["missing"] == "v did not stay at 95 on validation images"
    other = with_reach(record("one", 0, {}), tmp_path, REACH.model_copy(update={"value": "w"}))
    assert other.about["steps_to_w"]["missing"] == "w was not measured on validation images"


def test_a_method_of_one_direction_has_the_values_other_name(tmp_path: Path) -> None:
    for line in evaluated(0, 0, 96):
        JsonLines(tmp_path / "metrics.jsonl").append(**line)
    reach = Reach(value="v_AB", also="v", at=95, better="more")
    assert with_reach(record("one", 0, {}), tmp_path, reach).values == {"steps_to_v_AB": 20, "seconds_to_v_AB": 4}


def test_a_run_that_was_not_evaluated_as_now_is_trained_again(tmp_path: Path, runs: Runs) -> None:
    """Its log has other steps, so the level would be reached at the last one."""
    write_recipe(tmp_path, evaluate={"every": 0, "best": None})
    reach = {"value": "cycle_l1_AB", "at": 1000, "better": "less"}
    places, words = Places(tmp_path / "runs"), {"seeds": [0], "reach": reach}
    run_bench(read_spec(write_spec(tmp_path, seeds=[0])), places, jobs=1)
    for every, times in ((1, 2), (1, 2), (2, 3)):
        changes = ["train.steps=2", f"evaluate.every={every}"]
        run_bench(read_spec(write_spec(tmp_path, **words, set=changes)), places, jobs=1)
        assert len(runs.names) == 2 * times  # two rows
        steps = [one.values["steps_to_cycle_l1_AB"] for one in read_records(tmp_path / "spec.jsonl")]
        assert steps == [every] * 2


def test_a_table_shows_it_and_another_level_makes_records_outdated(tmp_path: Path, runs: Runs) -> None:
    write_recipe(tmp_path, evaluate={"every": 1, "best": None})
    columns = [{"value": f"steps_to_{name}", "label": "steps"} for name in ("cycle_l1_AB",)]
    places = Places(tmp_path / "runs")
    words: dict[str, Any] = {"seeds": [0], "columns": columns}

    def bench(at: float) -> str:
        reach = {"value": "cycle_l1_AB", "at": at, "better": "less"}
        spec = read_spec(write_spec(tmp_path, **words, reach=reach))
        run_bench(spec, places, jobs=1)
        return markdown(current_table(spec, places))

    assert "| One | 1.000 |" in bench(1000)
    trained = len(runs.names)
    text = bench(-1)  # evaluated again from the run's files, not trained again
    assert "| One | —<sup>1</sup> |" in text and "cycle_l1_AB did not stay at -1 on validation images" in text
    assert all(one.step == 2 for one in read_records(tmp_path / "spec.jsonl"))
    assert set(runs.names[trained:]) == {"one-seed0", "two-seed0"}
    assert not [*(tmp_path / "runs").rglob("*.before-*")]
