"""The list of runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ganzoo.studio.catalog import Catalog, plain
from ganzoo.utils.atomic import lock_file
from tests.support.command_line import refusal
from tests.support.studio_runs import train_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_runs(tmp_path_factory.mktemp("catalog"), "plain", "masked")


@pytest.fixture
def copy(runs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs, tmp_path / "runs"))


def test_runs_are_listed_newest_first(copy: Path) -> None:
    old, new = copy / "plain/default", copy / "masked/default"
    for file in old.glob("*.jsonl"):
        os.utime(file, (1e9, 1e9))
    listed = Catalog([str(copy)]).runs()
    assert [one.folder for one in listed] == [new, old]
    assert listed[1].line.startswith(f"{old}: cyclegan, 2 of 2 steps, finished, changed ")
    assert listed[0].checkpoints == ["last"] and listed[1].checkpoints == ["best", "last"]
    grid = listed[0].last_grid
    assert grid is not None and grid.name == "step-0000002.png"


def test_a_run_in_training_says_so(copy: Path) -> None:
    run = copy / "plain/default"
    with lock_file(run / ".lock", ""):
        listed = Catalog([str(run)]).runs()
        assert [one.line for one in listed] == [f"{run}: cyclegan, 2 of 2 steps, training now"]
        assert "- **state**: training now" in listed[0].facts().splitlines()


def test_the_facts_have_the_metric_values(copy: Path) -> None:
    (run,) = Catalog([str(copy / "plain")]).runs()
    lines = run.facts().splitlines()
    assert "- **method**: cyclegan" in lines and "- **steps**: 2 of 2" in lines
    assert "- **checkpoints**: best, last" in lines
    values = run.closing_values("best")
    assert set(values) == {"cycle_l1_AB", "cycle_l1_BA"} and all(value > 0 for value in values.values())
    assert run.closing_values("step-7") == {}


def test_only_listed_runs_can_be_named(copy: Path, runs: Path) -> None:
    catalog = Catalog([str(copy / "plain")])
    name = str(copy / "plain/default")
    assert catalog.find(name).folder == copy / "plain/default"
    for other in (str(runs / "plain/default"), str(copy / "masked/default"), f"{name}/../default", "/etc"):
        assert refusal(catalog.find, other) == (
            f"{other}: no such run here, or it was deleted meanwhile; reload the list"
        )
    assert refusal(catalog.find, None) == "choose a run first"
    shutil.rmtree(copy / "plain/default")
    assert "deleted meanwhile" in refusal(catalog.find, name)
    assert catalog.runs() == []


def test_a_damaged_run_is_listed_with_its_problem(copy: Path) -> None:
    (copy / "plain/default/checkpoints/last/progress.json").write_text("{")
    (run,) = Catalog([str(copy / "plain")]).runs()
    assert run.summary.state == "damaged"
    assert any(line.startswith("- **problem**: ") and "progress" in line for line in run.facts().splitlines())


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert refusal(Catalog, [str(gone)]) == f"{gone}: no such folder; name runs, or folders of runs"


def test_names_of_files_are_not_read_as_markdown() -> None:
    assert plain("<b>*x*\n[a](b)") == r"\<b\>\*x\* \[a\]\(b\)"
