"""``ganzoo bench --dry-run``: protocol, the paper's, differences and choices; they are also in records and tables."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from ganzoo.bench.page import current_table
from ganzoo.bench.plan import describe_plan
from ganzoo.bench.render import markdown
from ganzoo.bench.runner import run as run_bench
from ganzoo.bench.spec import Places, read_spec
from ganzoo.provenance.record import read_records
from ganzoo.utils.core_yaml import load_yaml
from tests.support.bench_records import SPEC, Runs, write_spec
from tests.support.command_line import Run, refusal
from tests.support.tiny_run import write_recipe

ROWS: dict[str, Any] = {
    "one": {**SPEC["rows"]["one"], "differs": ["smaller images"], "budget": "Three learning rates."},
    "two": SPEC["rows"]["two"],
}
PAPER = {"protocol": "100 images.", "values": {"one": {"cycle_l1_AB": 0.5}}}
WORDS: dict[str, Any] = {"rows": ROWS, "paper": PAPER, "differs": ["two steps"], "budget": "One trial each."}


def test_it_prints_both_protocols_and_runs_nothing(tmp_path: Path, run: Run) -> None:
    write_recipe(tmp_path)
    file = write_spec(tmp_path, **WORDS)
    lines = run("bench", str(file), "--dry-run", "--root", str(tmp_path / "runs"))[1].splitlines()
    assert lines[:4] == [
        f"A table ({file})",
        "in the paper: 100 images.",
        "differs from the paper, all rows: two steps",
        "settings: One trial each.",
    ]
    one, two = lines.index("one: One (tiny.yaml)"), lines.index("two: Two (tiny.yaml)")
    assert "  differs from the paper, this row alone: smaller images" in lines[one:two]
    assert "  settings: Three learning rates." in lines[one:two]
    assert "  differs from the paper, this row alone: in nothing that is known" in lines[two:]
    (train,) = (line for line in lines[one:two] if line.startswith("  train: "))
    assert load_yaml(train)["train"]["steps"] == 2
    assert lines[-1] == "4 runs: 2 rows × 2 seeds, which vary; 4 without a record (outdated ones count as recorded)"
    share = run("bench", str(file), "--dry-run", "--shard", "2/3")[1].splitlines()
    assert share[-1] == "shard 2/3: 1 of them; without a record: two-seed0"
    chosen = run("bench", str(file), "--dry-run", "--only", "two")[1]
    assert "two: Two" in chosen and "one: One" not in chosen
    assert "there is no row 'tow'" in run("bench", str(file), "--dry-run", "--only", "tow")[2]
    assert not (tmp_path / "runs").exists() and not (tmp_path / "spec.jsonl").exists()


def test_without_a_folder_of_data_a_word_stands_for_it(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    file = write_spec(tmp_path, prepare={"bank": {"command": "bank build {data}/x", "makes": "{root}/bank"}})
    lines = [*describe_plan(read_spec(file), Places(tmp_path / "runs"))]
    assert lines[1] == "first: bank: ganzoo bank build DATA/x"


def test_what_a_preparation_makes_need_not_be_there(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    masked = ["method={method: smcyclegan, pool: 2}", "maskers.discriminator={masker: unet, weights: '{root}/unet'}"]
    rows = {"two": {**SPEC["rows"]["two"], "set": masked}}
    lines = [*describe_plan(read_spec(write_spec(tmp_path, rows=rows)), Places(tmp_path / "runs"))]
    two = lines[lines.index("two: Two (tiny.yaml)") :]
    assert "  method: {method: smcyclegan, pool: 2}" in two
    (line,) = (line for line in two if line.startswith("  not here yet, so options that are not set are not shown: "))
    assert f"maskers.discriminator: {tmp_path / 'runs/spec/unet'}: no such file or folder" in line


def test_records_and_tables_have_the_words(tmp_path: Path, runs: Runs) -> None:
    write_recipe(tmp_path)
    bench, places = read_spec(write_spec(tmp_path, **{**WORDS, "seeds": [0]})), Places(tmp_path / "runs")
    run_bench(bench, places, jobs=1)
    one, two = read_records(bench.records)
    assert (one.differs, one.budget) == (["two steps", "smaller images"], "One trial each. Three learning rates.")
    assert (two.differs, two.budget) == (["two steps"], "One trial each.")
    file = write_spec(tmp_path, **{**WORDS, "seeds": [0], "budget": "Two trials each."})
    run_bench(read_spec(file), places, jobs=1)
    assert read_records(bench.records)[1].budget == "Two trials each." and len(runs.names) == 2  # nothing is run again
    text = markdown(current_table(bench, places))
    assert "All rows differ from the paper: two steps. Settings: One trial each." in text
    assert "</sup> differs from the paper: smaller images" in text and "</sup> settings: Three learning rates." in text


def test_there_must_be_a_paper_to_differ_from(tmp_path: Path) -> None:
    words = "there is no paper to differ from: give its protocol and values, under paper"
    assert f": differs: {words}" in refusal(read_spec, write_spec(tmp_path, differs=["two steps"]))
    assert f": rows.one.differs: {words}" in refusal(read_spec, write_spec(tmp_path, rows=ROWS))


def test_folders_with_spaces_and_signs_of_yaml_stay_one_word(tmp_path: Path) -> None:
    data = tmp_path / "my #1: pictures"
    data.mkdir()
    write_recipe(tmp_path)
    prepare = {"bank": {"command": "bank build {data}/x -o {root}/bank", "makes": "{root}/bank"}}
    changes = ["data.root={data}/x", "losses.my-loss.weight=1"]
    bench = read_spec(write_spec(tmp_path, prepare=prepare, set=changes))
    places = Places((tmp_path / "my runs").absolute(), data)
    first = next(line for line in describe_plan(bench, places) if line.startswith("first: "))
    words = shlex.split(first.removeprefix("first: bank: ganzoo "))
    assert words == ["bank", "build", f"{data}/x", "-o", f"{places.root}/spec/bank"]
    root, loss, *_ = bench.changes(next(bench.cells()), places)
    assert load_yaml(root.partition("=")[2]) == f"{data}/x" and loss == "losses.my-loss.weight=1"
