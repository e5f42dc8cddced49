"""ganzoo bench with real runs of a tiny recipe: missing, failed and outdated cells; ganzoo table detects edits."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ganzoo.bench import runner
from ganzoo.bench.records import read_bench_records
from ganzoo.bench.spec import Places
from ganzoo.errors import GanzooError
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.utils.atomic import lock_file, sibling_path
from ganzoo.utils.console import Console
from tests.support.bench_records import Runs, make, replace_run_command, spec
from tests.support.command_line import Run, refusal

CURVES = [{"value": "cycle_l1_AB", "label": "cycle"}]
UNTRANSLATED = ["method=untranslated", "networks=null", "train.steps=0", "train.ema=0"]


def test_a_bench_runs_what_is_missing_and_gives_the_same_records_again(tmp_path: Path, runs: Runs) -> None:
    bench = spec(tmp_path)
    first = make(bench)
    assert runs.names == ["one-seed0", "two-seed0", "one-seed1", "two-seed1"]
    assert [(one["cell"]["row"], one["seed"], one["status"]) for one in first] == [
        ("one", 0, "ok"), ("one", 1, "ok"), ("two", 0, "ok"), ("two", 1, "ok"),
    ]  # fmt: skip
    assert first[0]["values"] != first[1]["values"]
    make(bench)
    assert len(runs.names) == 4  # nothing is missing
    shutil.rmtree(tmp_path / "runs/spec/tiny/two-seed0")
    whole = bench.records.read_text().splitlines(keepends=True)
    bench.records.write_text("".join(one for i, one in enumerate(whole) if i != 2))
    assert make(bench) == first  # bit for bit except for times
    assert runs.names[4:] == ["two-seed0"]


def test_a_failure_is_recorded_and_tried_again(tmp_path: Path, runs: Runs) -> None:
    bad = ["train.lr=1e30", "train.patience=1", "train.steps=4"]
    rows = {"one": {"label": "One", "recipe": "tiny.yaml"}, "two": {"label": "Two", "recipe": "tiny.yaml", "set": bad}}
    bench = spec(tmp_path, rows=rows, seeds=[0])
    found = make(bench)
    assert [one["status"] for one in found] == ["ok", "failed"]
    assert found[1]["why"].startswith("stopped at step")
    assert str(tmp_path) not in bench.records.read_text()
    make(bench)
    assert runs.names == ["one-seed0", "two-seed0", "two-seed0"]
    rows["two"] = {"label": "Two", "recipe": "tiny.yaml", "set": ["method.cycle=1"]}
    assert [one["status"] for one in make(spec(tmp_path, rows=rows, seeds=[0]))] == ["ok", "ok"]


def test_failures_of_rows_that_were_not_chosen_do_not_count(tmp_path: Path, runs: Runs, run: Run) -> None:
    bad = {"label": "Two", "recipe": "tiny.yaml", "set": ["train.lr=1e30", "train.patience=1", "train.steps=4"]}
    bench = spec(tmp_path, rows={"one": {"label": "One", "recipe": "tiny.yaml"}, "two": bad}, seeds=[0])
    words = ("bench", bench.file, "--root", tmp_path / "runs")
    assert run(*words)[0] == 2
    assert run(*words, "--only", "one")[0] == 0
    assert run(*words, "--only", "two")[0] == 2


def test_records_of_removed_rows_are_removed(tmp_path: Path, runs: Runs) -> None:
    make(spec(tmp_path, seeds=[0]))
    rows = {
        "two": {"label": "Two", "recipe": "tiny.yaml", "set": ["method.cycle=1"]},
        "new": {"label": "New", "recipe": "tiny.yaml"},
    }
    assert [one["cell"]["row"] for one in make(spec(tmp_path, seeds=[0], rows=rows))] == ["two", "new"]


def test_a_table_is_written_on_its_page_and_edits_are_detected(tmp_path: Path, runs: Runs, run: Run) -> None:
    bench = spec(tmp_path)
    make(bench)
    file, page = str(bench.file), tmp_path / "page.md"
    assert run("table", file, "--check")[0] == 2
    assert run("table", file, "--write")[0] == 0
    assert page.read_text().startswith("# Page\n<!-- spec table: made -->\n|  | cycle |")
    assert page.read_text().endswith("<!-- end of spec table -->\nrest\n")
    assert run("table", file, "--check")[0] == 0
    written = page.read_text()
    number = written.split("| One | ")[1][:5]
    page.write_text(written.replace(number, "0.001", 1))
    assert "is not what its records give" in run("table", file, "--check")[2]
    page.write_text(written)
    records = read_bench_records(bench)
    edited = records[0].model_copy(update={"values": {"cycle_l1_AB": 0.0}})
    bench.records.write_text("".join(json.dumps(one.fields()) + "\n" for one in [edited, *records[1:]]))
    assert "is not what its records give" in run("table", file, "--check")[2]


def test_mistakes_are_reported_before_anything_is_run(tmp_path: Path, runs: Runs, run: Run) -> None:
    bench = spec(tmp_path, rows={"one": {"label": "One", "recipe": "tiny.yaml", "set": ["method.cylce=1"]}})
    assert "cylce" in run("bench", str(bench.file))[2]
    assert "there is no row 'three'" in run("bench", str(bench.file), "--only", "three")[2]
    columns = [{"value": "cycle_l1_AB", "label": "cycle"}, {"value": "swd_AB", "label": "SWD"}]
    every, reach = ["train.steps=2", "evaluate.every=1"], {"value": "swd_AB", "at": 1, "better": "less"}
    for place, words in (
        ("columns", {"columns": columns}),
        ("curves", {"curves": columns, "set": every}),
        ("reach", {"reach": reach, "set": every}),
    ):
        error = run("bench", str(spec(tmp_path, **words).file))[2]
        assert f"{place}: swd_AB: no row measures the metric 'swd'; add to" in error
    prepare = {"bank": {"command": "bank build x -o {root}/bank", "makes": "{root}/bank"}}
    unknown = spec(tmp_path, set=["train.steps=2", "data.root={data}/x"], prepare=prepare)
    assert "--data FOLDER" in run("bench", str(unknown.file))[2]  # and not that the preparation failed
    assert runs.names == []
    (tmp_path / "page.md").write_text("nothing")
    assert "the markers <!-- spec table -->" in run("table", str(spec(tmp_path).file), "--write")[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"checkpoint": "best"}, 'checkpoint best: its runs have none; add to `set` "evaluate.best=min NAME"'),
        ({"curves": CURVES}, 'curves: its runs are not evaluated during training; add to `set` "evaluate.every=STEPS"'),
        ({"reach": {"value": "cycle_l1_AB", "at": 1, "better": "less"}}, "reach: its runs are not evaluated during"),
    ],
)
def test_what_the_training_of_a_row_lacks_is_reported_before_it(
    tmp_path: Path, runs: Runs, run: Run, words: dict[str, Any], message: str
) -> None:
    untrained = {"label": "Untrained", "recipe": "tiny.yaml", "set": UNTRANSLATED}
    rows = {"untrained": untrained, "one": {"label": "One", "recipe": "tiny.yaml"}}
    bench = spec(tmp_path, rows=rows, **words)
    assert f"spec.yaml: rows.one: {message}" in run("bench", bench.file, "--root", tmp_path / "runs")[2]
    assert runs.names == []


@pytest.mark.parametrize("name", ["plain", "not-utf8-\udce9"])
def test_a_preparation_runs_once_and_its_failure_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    tmp_path = tmp_path / name
    tmp_path.mkdir()
    commands: list[list[str]] = []
    status = [2, 0]

    def ganzoo_called(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        commands.append(words)
        if words[0] == "bank":
            code = status.pop(0)
            if not code:
                Path(words[-1]).mkdir(parents=True)
            return subprocess.CompletedProcess(words, code, "", "ganzoo: no images\n" if code else "")
        return subprocess.CompletedProcess(words, 2, "", "ganzoo: not run\n")

    replace_run_command(monkeypatch, ganzoo_called)
    prepare = {"bank": {"command": "bank build '{data}/x y' -o {root}/bank", "makes": "{root}/bank"}}
    bench = spec(tmp_path, seeds=[0], prepare=prepare)
    places = Places(tmp_path / "runs", tmp_path / "data")
    with pytest.raises(GanzooError, match=r"spec.yaml: prepare.bank: no images"):
        runner.run(bench, places, jobs=1)
    wanted = ["bank", "build", f"{tmp_path}/data/x y", "-o", f"{tmp_path}/runs/spec/bank"]
    assert commands == [wanted]
    runner.run(bench, places, jobs=1)
    runner.run(bench, places, jobs=1)
    assert [one for one in commands if one[0] == "bank"] == [wanted, wanted]  # the second one succeeded


def test_the_record_is_of_the_recipe_and_not_of_other_evaluations_of_the_run(tmp_path: Path, runs: Runs) -> None:
    bench = spec(tmp_path, seeds=[0])
    first = make(bench)
    bench.records.unlink()
    folder = tmp_path / "runs/spec/tiny/one-seed0"
    evaluate_targets([folder], split="validation")
    evaluate_targets([folder], split="train")
    evaluate_targets([folder], changes=["evaluate.metrics=[cycle_l1]"])
    assert make(bench) == first
    error = refusal(evaluate_targets, [folder], changes=["train.seed=9"])
    assert "the training cannot be changed; data, images and evaluate can be set" in error


def test_without_test_images_the_record_is_of_validation_images_and_not_of_training_images(
    tmp_path: Path, runs: Runs
) -> None:
    bench = spec(tmp_path, seeds=[0], set=["train.steps=2", "data.validation=0.25"])
    for images in (tmp_path / "images").glob("test*"):
        shutil.rmtree(images)
    first = make(bench)
    assert [one["split"] for one in first] == ["validation"] * 2
    bench.records.unlink()
    evaluate_targets([tmp_path / "runs/spec/tiny/one-seed0"], split="train")
    assert make(bench) == first


def test_the_best_checkpoint_of_runs_and_the_last_of_untrained_ones(tmp_path: Path, runs: Runs) -> None:
    bench = spec(tmp_path, seeds=[0])
    assert [one["checkpoint"] for one in make(bench)] == ["last", "last"]
    rows = {
        "one": {"label": "One", "recipe": "tiny.yaml"},
        "untrained": {"label": "Untrained", "recipe": "tiny.yaml", "set": UNTRANSLATED},
    }
    chosen = ["train.steps=2", "evaluate.every=1", "evaluate.best=min identity_l1_AB", "evaluate.metrics=[identity_l1]"]
    columns = [{"value": "identity_l1_AB", "label": "identity"}]
    make(spec(tmp_path, seeds=[0], rows=rows, set=chosen, columns=columns))
    best = make(spec(tmp_path, seeds=[0], rows=rows, set=chosen, columns=columns, checkpoint="best"))
    assert [(one["checkpoint"], one["rule"]) for one in best] == [("best", "min identity_l1_AB"), ("last", "last")]
    assert runs.names.count("evaluate one-seed0") <= 1  # the other checkpoint of the same run; it is not trained again


def test_a_run_that_fails_does_not_get_an_earlier_record(tmp_path: Path, runs: Runs) -> None:
    make(spec(tmp_path, seeds=[0]))
    columns = [{"value": "swd_AB", "label": "SWD"}]
    found = make(spec(tmp_path, seeds=[0], set=["train.steps=2", "evaluate.metrics=[swd]"], columns=columns))
    assert [one["status"] for one in found] == ["failed"] * 2
    assert "smaller than its lowest level" in found[0]["why"]


def test_a_preparation_may_lock_the_folder_that_it_builds(tmp_path: Path) -> None:
    """As ``bank build`` does: the folder's lock is not that of the bench, which waits for other shards."""

    def call(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        with lock_file(sibling_path(tmp_path / "runs/spec/bank", "lock"), "it is being built"):
            return subprocess.CompletedProcess(words, 0, "", "")

    prepare = {"bank": {"command": "bank build", "makes": "{root}/bank"}}
    runner.prepare(spec(tmp_path, prepare=prepare), Places(tmp_path / "runs"), call, Console(quiet=True))


def test_a_preparation_by_another_command_or_an_interrupted_one_runs_again(tmp_path: Path) -> None:
    called: list[str] = []

    def call(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        called.append(" ".join(words[:3]))
        return subprocess.CompletedProcess(words, 0, "", "")

    places = Places(tmp_path / "runs")
    (tmp_path / "runs/spec/bank").mkdir(parents=True)  # left by one that was killed
    for size in (1, 1, 2):
        prepare = {"bank": {"command": f"bank build {size}", "makes": "{root}/bank"}}
        runner.prepare(spec(tmp_path, prepare=prepare), places, call, Console(quiet=True))
    assert called == ["bank build 1", "bank build 2"]


def test_a_preparation_runs_again_after_one_whose_result_it_reads(tmp_path: Path) -> None:
    called: list[str] = []

    def call(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        called.append(words[0])
        (tmp_path / "runs/spec" / words[0]).mkdir(parents=True, exist_ok=True)
        return subprocess.CompletedProcess(words, 0, "", "")

    commands = {"masks": "masks", "bank": "bank {root}/masks/x", "other": "other"}
    prepare = {name: {"command": one, "makes": f"{{root}}/{name}"} for name, one in commands.items()}
    for _ in range(2):
        runner.prepare(spec(tmp_path, prepare=prepare), Places(tmp_path / "runs"), call, Console(quiet=True))
    assert called == ["masks", "bank", "other"]
    (tmp_path / "runs/spec/masks").rmdir()
    runner.prepare(spec(tmp_path, prepare=prepare), Places(tmp_path / "runs"), call, Console(quiet=True))
    assert called[3:] == ["masks", "bank"]
