"""Shards of a table: each cell in one of them, the same records as without, merged when the table is complete."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from ganzoo.bench import runner
from ganzoo.bench.records import (
    Shard,
    lock_records,
    merge_shards,
    missing_cells,
    read_bench_records,
    save_records,
    shard_files,
    with_words,
)
from ganzoo.bench.spec import Places, read_spec
from ganzoo.provenance.record import Code, read_records
from tests.support.bench_records import Runs, make, record, replace_run_command, spec, write_spec
from tests.support.command_line import Run
from tests.support.tiny_run import lines


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_each_cell_is_in_one_shard(tmp_path: Path, count: int) -> None:
    bench = read_spec(write_spec(tmp_path, seeds=[0, 1, 2]))
    shards = [Shard(index, count).cells(bench) for index in range(1, count + 1)]
    assert sorted(cell.name for shard in shards for cell in shard) == sorted(cell.name for cell in bench.cells())
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_two_shards_make_the_records_of_one_bench(tmp_path: Path, runs: Runs, run: Run) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole, bench = spec(tmp_path / "whole"), spec(tmp_path / "parts")
    expected = make(whole)
    places = Places(tmp_path / "parts/runs")
    runs.names.clear()
    runner.run(bench, places, jobs=1, shard=Shard(2, 2))
    assert runs.names == ["two-seed0", "two-seed1"] and not bench.records.exists()
    code, table, notes = run("table", str(bench.file))
    assert code == 0 and "spec: 2 of 4 runs are missing: one-seed0, one-seed1" in notes
    assert "| Two |" in table
    runner.run(bench, places, jobs=1, shard=Shard(1, 2))
    runner.run(bench, places, jobs=1, shard=Shard(2, 2))
    assert runs.names == ["two-seed0", "two-seed1", "one-seed0", "one-seed1"]  # none twice
    assert [file.name for file in shard_files(bench)] == ["spec.1-of-2.jsonl", "spec.2-of-2.jsonl"]
    code, _, notes = run("table", str(bench.file), "--write")
    assert (code, notes) == (0, "")
    assert lines(bench.records, "time", "cost") == expected
    assert not shard_files(bench)
    assert make(bench) == expected and len(runs.names) == 4


def test_the_command_runs_a_shard_and_writes_no_page(tmp_path: Path, runs: Runs, run: Run) -> None:
    bench = spec(tmp_path)
    before = (tmp_path / "page.md").read_text()
    code, table, notes = run("bench", str(bench.file), "--root", str(tmp_path / "runs"), "--shard", "3/4")
    assert code == 0 and runs.names == ["one-seed1"]
    assert "| One |" in table and "3 of 4 runs are missing" in notes
    assert (tmp_path / "page.md").read_text() == before


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_a_share_that_is_none_is_refused(tmp_path: Path, run: Run, text: str) -> None:
    code, _, error = run("bench", str(spec(tmp_path).file), f"--shard={text}")
    assert code == 2 and f"{text!r} is not a share such as 2/4, the second of four" in error


def test_of_several_records_of_a_cell_the_latest_complete_one_counts(tmp_path: Path) -> None:
    bench = read_spec(write_spec(tmp_path))
    early = record("one", 0, {"cycle_l1_AB": 1.0}).model_copy(update={"time": "2026-01-01T00:00:00"})
    late = record("one", 0, {"cycle_l1_AB": 2.0}).model_copy(update={"time": "2026-01-02T00:00:00"})
    failed = record("one", 0, {}, status="failed", why="x").model_copy(update={"time": "2026-01-03T00:00:00"})
    other = record("three", 0, {})
    save_records(bench, [late], None)
    save_records(bench, [early, other], Shard(1, 2))
    save_records(bench, [failed], Shard(2, 2))
    assert read_bench_records(bench) == [late]
    missing = missing_cells(bench, read_bench_records(bench))
    assert [cell.name for cell in missing] == ["two-seed0", "one-seed1", "two-seed1"]


@pytest.mark.parametrize("changed", ["recipe_key", "plugins", "cell"])
def test_a_failed_record_counts_before_an_outdated_complete_one(tmp_path: Path, changed: str) -> None:
    bench = read_spec(write_spec(tmp_path))
    complete = record("one", 0, {"cycle_l1_AB": 1.0}).model_copy(update={"time": "2026-01-01T00:00:00"})
    failed = record("one", 0, {}, status="failed", why="x").model_copy(update={"time": "2026-01-02T00:00:00"})
    new = {
        "recipe_key": "another",
        "plugins": {"p": Code(version="1", code="another")},
        "cell": {**failed.cell, "prepared": "another"},
    }
    failed = failed.model_copy(update={changed: new[changed]})
    save_records(bench, [complete], None)
    save_records(bench, [failed], Shard(1, 2))
    assert read_bench_records(bench) == [failed]
    assert "one-seed0" in [cell.name for cell in missing_cells(bench, read_bench_records(bench))]


def test_a_row_that_is_added_moves_cells_to_other_shards_and_loses_no_record(tmp_path: Path, runs: Runs) -> None:
    places = Places(tmp_path / "runs")
    for index in (1, 2):
        runner.run(spec(tmp_path), places, jobs=1, shard=Shard(index, 2))
    rows = {name: {"label": name, "recipe": "tiny.yaml"} for name in ("one", "two", "three")}
    rows["two"]["set"] = ["method.cycle=1"]  # type: ignore[assignment]
    bench = spec(tmp_path, rows=rows)
    runs.names.clear()
    runner.run(bench, places, jobs=1, shard=Shard(1, 2))
    assert [cell.name for cell in Shard(1, 2).cells(bench)] == ["one-seed0", "three-seed0", "two-seed1"]
    assert runs.names == ["three-seed0"]
    assert [cell.name for cell in missing_cells(bench, read_bench_records(bench))] == ["three-seed1"]


def test_a_record_that_is_made_anew_from_a_runs_files_counts_before_that_of_a_shard(tmp_path: Path, runs: Runs) -> None:
    every, places = ["train.steps=2", "evaluate.every=1"], Places(tmp_path / "runs")
    runner.run(spec(tmp_path, seeds=[0], set=every), places, jobs=1, shard=Shard(1, 1))
    (file,) = shard_files(spec(tmp_path, seeds=[0]))
    old = file.read_text().replace('"time": "2', '"time": "1')  # long ago
    file.write_text(old)
    bench = spec(tmp_path, seeds=[0], set=every, curves=[{"value": "cycle_l1_AB", "label": "cycle"}])
    runner.run(bench, places, jobs=1)
    merge_shards(bench)
    assert all(len(one.history["cycle_l1_AB"]) == 3 for one in read_bench_records(bench)) and not shard_files(bench)


def test_records_that_others_write_while_a_bench_runs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, runs = spec(tmp_path, seeds=[0], budget="One trial."), Runs()
    of_other = with_words(bench, record("two", 0, {"cycle_l1_AB": 1.0}))

    def call(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        save_records(bench, [of_other], None)  # as a merge of shards
        return runs(words, environment)

    replace_run_command(monkeypatch, call)
    runner.run(bench, Places(tmp_path / "runs"), jobs=1, only=["one"])
    one, two = read_bench_records(bench)
    assert (one.cell["row"], two) == ("one", of_other)
    bench.records.unlink()
    runner.run(bench, Places(tmp_path / "runs"), jobs=1, shard=Shard(1, 2))
    assert [record.cell["row"] for record in read_records(shard_files(bench)[0])] == ["one"]  # of its own cells only


def test_shards_are_not_merged_while_a_record_is_saved(tmp_path: Path) -> None:
    bench = spec(tmp_path, seeds=[0])
    save_records(bench, [record(row, 0, {"cycle_l1_AB": 1.0}) for row in ("one", "two")], Shard(1, 1))
    merging = threading.Thread(target=merge_shards, args=[bench])
    with lock_records(bench):
        merging.start()
        merging.join(0.3)
        assert shard_files(bench)
    merging.join()
    assert not shard_files(bench) and not missing_cells(bench, read_bench_records(bench))


def test_merged_records_have_the_words_of_the_spec(tmp_path: Path, runs: Runs) -> None:
    runner.run(spec(tmp_path, budget="One trial."), Places(tmp_path / "runs"), jobs=1, shard=Shard(1, 1))
    bench = spec(tmp_path, budget="Two trials.")
    make(bench)
    assert {one.budget for one in read_records(bench.records)} == {"Two trials."}
    merge_shards(bench)
    assert {one.budget for one in read_records(bench.records)} == {"Two trials."} and not shard_files(bench)


@pytest.mark.slow
def test_two_processes_run_a_table_with_one_preparation(tmp_path: Path) -> None:
    prepare = {"first": {"command": "run {here}/tiny.yaml --name first --root {root}", "makes": "{root}/tiny/first"}}
    bench = spec(tmp_path, prepare=prepare)
    command = [sys.executable, "-m", "ganzoo", "bench", str(bench.file), "--root", str(tmp_path / "runs")]
    started = [
        subprocess.Popen([*command, "--shard", f"{index}/2"], stdout=subprocess.PIPE, text=True) for index in (1, 2)
    ]
    said = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert "".join(said).count("spec: preparing first\n") == 1
    assert not missing_cells(bench, read_bench_records(bench))
