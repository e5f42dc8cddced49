"""ganzoo bench, with real runs of a tiny recipe: resumed, repaired, outdated; ganzoo table against what was edited."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bench_records import Runs, write_spec
from calls import Run, refusal
from tinyrun import lines, write_recipe

from ganzoo.bench import children, running
from ganzoo.bench.running import kept
from ganzoo.bench.spec import Bench, Places, read_spec
from ganzoo.console import Console
from ganzoo.errors import GanzooError
from ganzoo.evaluations import evaluate_targets
from ganzoo.fingerprint import code_key

MARKERS = "# Page\n<!-- spec table: made -->\n<!-- end of spec table -->\nrest\n"


def spec(folder: Path, **changes: Any) -> Bench:
    if not (folder / "tiny.yaml").exists():
        write_recipe(folder, evaluate={"every": 0, "best": None})
        (folder / "page.md").write_text(MARKERS)
    rows = {
        "one": {"label": "One", "recipe": "tiny.yaml"},
        "two": {"label": "Two", "recipe": "tiny.yaml", "set": ["method.cycle=1"]},
    }
    return read_spec(write_spec(folder, **{"page": "page.md", "rows": rows, **changes}))


def make(bench: Bench) -> list[dict[str, Any]]:
    running.run(bench, Places(bench.file.parent / "runs"), jobs=1)
    return lines(bench.records, "time", "cost")


def test_a_bench_makes_what_is_missing_and_the_same_again(tmp_path: Path, runs: Runs) -> None:
    bench = spec(tmp_path)
    first = make(bench)
    assert runs.names == ["one-seed0", "two-seed0", "one-seed1", "two-seed1"]
    assert [(one["cell"]["row"], one["seed"], one["status"]) for one in first] == [
        ("one", 0, "ok"), ("one", 1, "ok"), ("two", 0, "ok"), ("two", 1, "ok"),
    ]  # fmt: skip
    assert first[0]["figures"] != first[1]["figures"]
    make(bench)
    assert len(runs.names) == 4  # nothing is lacking
    shutil.rmtree(tmp_path / "runs/spec/tiny/two-seed0")
    whole = bench.records.read_text().splitlines(keepends=True)
    bench.records.write_text("".join(one for i, one in enumerate(whole) if i != 2))
    assert make(bench) == first  # bit for bit but for times
    assert runs.names[4:] == ["two-seed0"]


def test_a_failure_is_a_record_and_is_tried_again(tmp_path: Path, runs: Runs) -> None:
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


def test_a_changed_recipe_or_plugin_is_run_anew(tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    make(spec(tmp_path, seeds=[0]))
    del runs.names[:]
    changed = spec(tmp_path, seeds=[0], set=["train.steps=3"])
    assert {one["step"] for one in make(changed)} == {3}
    assert runs.names == ["one-seed0", "two-seed0"]
    keys = {"ganzoo_cyclegan.method": "another"}
    monkeypatch.setattr("ganzoo.fingerprint.code_key", lambda *modules: keys.get(modules[0]) or code_key(*modules))
    make(changed)
    assert runs.names == ["one-seed0", "two-seed0"] * 2
    assert (tmp_path / "runs/spec/tiny/one-seed0.before-2").is_dir()


def test_where_only_what_measures_has_changed_a_run_is_measured_again(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = spec(tmp_path, seeds=[0])
    first = make(bench)
    keys = {"ganzoo_metrics.errors": "another"}
    monkeypatch.setattr("ganzoo.fingerprint.code_key", lambda *modules: keys.get(modules[0]) or code_key(*modules))
    del runs.names[:]
    second = make(bench)
    assert runs.names == ["one-seed0", "evaluate one-seed0", "two-seed0", "evaluate two-seed0"]
    assert [one["plugins"]["metrics"]["code"] for one in second] == ["another"] * 2
    assert [one["figures"] for one in second] == [one["figures"] for one in first]
    other = make(spec(tmp_path, seeds=[0], set=["train.steps=2", "evaluate.metrics=[identity_l1]"]))
    assert [set(one["figures"]) for one in other] == [{"identity_l1_AB", "identity_l1_BA"}] * 2
    assert [one["weights"] for one in other] == [one["weights"] for one in first]
    assert not list(tmp_path.glob("runs/spec/tiny/*.before-1"))
    best = spec(
        tmp_path,
        seeds=[0],
        checkpoint="best",
        set=["train.steps=2", "evaluate.best=min cycle_l1_AB", "evaluate.every=1"],
    )
    make(best)
    keys["ganzoo_metrics.errors"] = "a third"  # another checkpoint might be the best by it
    del runs.names[:]
    make(best)
    assert runs.names == ["one-seed0", "two-seed0"]
    assert (tmp_path / "runs/spec/tiny/one-seed0.before-2").is_dir()


def test_rows_that_are_no_more_leave_the_records(tmp_path: Path, runs: Runs) -> None:
    make(spec(tmp_path, seeds=[0]))
    rows = {
        "two": {"label": "Two", "recipe": "tiny.yaml", "set": ["method.cycle=1"]},
        "new": {"label": "New", "recipe": "tiny.yaml"},
    }
    assert [one["cell"]["row"] for one in make(spec(tmp_path, seeds=[0], rows=rows))] == ["two", "new"]


def test_a_table_stands_on_its_page_and_edits_are_noticed(tmp_path: Path, runs: Runs, run: Run) -> None:
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
    records = kept(bench)
    edited = records[0].model_copy(update={"figures": {"cycle_l1_AB": 0.0}})
    bench.records.write_text("".join(json.dumps(one.fields()) + "\n" for one in [edited, *records[1:]]))
    assert "is not what its records give" in run("table", file, "--check")[2]


def test_changed_pictures_mark_a_row_and_missing_ones_do_not(tmp_path: Path, runs: Runs, run: Run) -> None:
    bench = spec(tmp_path, seeds=[0])
    make(bench)
    assert "outdated" not in run("table", str(bench.file))[1]
    pictures = sorted((tmp_path / "pictures/testA").glob("*"))
    pictures[0].write_bytes(pictures[1].read_bytes())
    assert "outdated: changed since it was run: pictures" in run("table", str(bench.file))[1]
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    assert "outdated" not in run("table", str(bench.file))[1]


def test_mistakes_are_told_before_anything_is_run(tmp_path: Path, runs: Runs, run: Run) -> None:
    bench = spec(tmp_path, rows={"one": {"label": "One", "recipe": "tiny.yaml", "set": ["method.cylce=1"]}})
    assert "cylce" in run("bench", str(bench.file))[2]
    assert "there is no row 'three'" in run("bench", str(bench.file), "--only", "three")[2]
    assert runs.names == []
    (tmp_path / "page.md").write_text("nothing")
    assert "the markers <!-- spec table -->" in run("table", str(spec(tmp_path).file), "--write")[2]


def test_what_recipes_need_is_made_once_and_its_failure_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    status = [2, 0]

    def ganzoo_called(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        commands.append(words)
        if words[0] == "bank":
            code = status.pop(0)
            if not code:
                Path(words[-1]).mkdir(parents=True)
            return subprocess.CompletedProcess(words, code, "", "ganzoo: no pictures\n" if code else "")
        return subprocess.CompletedProcess(words, 2, "", "ganzoo: not run\n")

    monkeypatch.setattr(children, "call", ganzoo_called)
    prepare = {"bank": {"command": "bank build '{data}/x y' -o {root}/bank", "makes": "{root}/bank"}}
    bench = spec(tmp_path, seeds=[0], prepare=prepare)
    places = Places(tmp_path / "runs", tmp_path / "data")
    with pytest.raises(GanzooError, match=r"spec.yaml: prepare.bank: no pictures"):
        running.run(bench, places, jobs=1)
    wanted = ["bank", "build", f"{tmp_path}/data/x y", "-o", f"{tmp_path}/runs/spec/bank"]
    assert commands == [wanted]
    running.run(bench, places, jobs=1)
    running.run(bench, places, jobs=1)
    assert [one for one in commands if one[0] == "bank"] == [wanted, wanted]  # the second made it


def test_a_run_that_was_trained_otherwise_is_put_aside_though_it_could_go_on(tmp_path: Path, runs: Runs) -> None:
    longer = [one["weights"] for one in make(spec(tmp_path, seeds=[0], set=["train.steps=5"]))]
    fresh = spec(tmp_path, seeds=[0], set=["train.steps=3"])
    found = make(fresh)
    assert [(one["trained"], one["trained_by"][0]["steps"]) for one in found] == [(3, 3)] * 2
    shutil.rmtree(tmp_path / "runs")
    fresh.records.unlink()
    assert [one["weights"] for one in make(fresh)] == [one["weights"] for one in found] != longer


def test_other_pictures_are_trained_on_anew_or_measured_anew(tmp_path: Path, runs: Runs) -> None:
    bench = spec(tmp_path, seeds=[0])
    first = make(bench)
    for split, other_weights in (("test", False), ("train", True)):
        pictures = sorted((tmp_path / f"pictures/{split}A").glob("*"))
        pictures[0].write_bytes(pictures[1].read_bytes())
        found = make(bench)
        assert [one["weights"] != two["weights"] for one, two in zip(first, found, strict=True)] == [other_weights] * 2
        assert found[0]["figures"] != first[0]["figures"]
        assert make(bench) == found  # nothing is stale any more


def test_the_record_is_of_the_run_and_not_of_what_was_tried_with_it(tmp_path: Path, runs: Runs) -> None:
    bench = spec(tmp_path, seeds=[0])
    first = make(bench)
    bench.records.unlink()
    folder = tmp_path / "runs/spec/tiny/one-seed0"
    evaluate_targets([folder], split="validation")
    evaluate_targets([folder], changes=["evaluate.metrics=[cycle_l1]"])
    assert make(bench) == first
    said = refusal(evaluate_targets, [folder], changes=["train.seed=9"])
    assert "it was trained as it was; data, images and evaluate can be set" in said


def test_metrics_that_come_and_go_are_measured_again(tmp_path: Path, runs: Runs) -> None:
    both = make(spec(tmp_path, seeds=[0]))
    make(spec(tmp_path, seeds=[0], set=["train.steps=2", "evaluate.metrics=[cycle_l1]"]))
    assert make(spec(tmp_path, seeds=[0])) == both


def test_a_run_that_fails_is_not_measured_as_it_was(tmp_path: Path, runs: Runs) -> None:
    make(spec(tmp_path, seeds=[0]))
    found = make(spec(tmp_path, seeds=[0], set=["train.steps=2", "evaluate.metrics=[swd]"]))
    assert [one["status"] for one in found] == ["failed"] * 2
    assert "smaller than its lowest level" in found[0]["why"]


def test_what_was_prepared_by_another_command_or_half_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def call(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        called.append(" ".join(words[:3]))
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(children, "call", call)
    places = Places(tmp_path / "runs")
    (tmp_path / "runs/spec/bank").mkdir(parents=True)  # where one was killed at its work
    for size in (1, 1, 2):
        prepare = {"bank": {"command": f"bank build {size}", "makes": "{root}/bank"}}
        running.prepare(spec(tmp_path, prepare=prepare), places, Console(quiet=True))
    assert called == ["bank build 1", "bank build 2"]
