"""Changes since a row was run: it is trained again, measured again, marked, or left as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from ganzoo.bench.records import read_bench_records
from ganzoo.bench.spec import Bench
from ganzoo.bench.staleness import ImageChecksums, stale
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.provenance.fingerprint import code_key
from ganzoo.recipe.reader import read_recipe
from tests.support.bench_records import Runs, make, replace_run_command, spec
from tests.support.command_line import Run


def test_a_cell_with_a_changed_recipe_or_plugin_is_trained_again(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(spec(tmp_path, seeds=[0]))
    del runs.names[:]
    changed = spec(tmp_path, seeds=[0], set=["train.steps=3"])
    assert {one["step"] for one in make(changed)} == {3}
    assert runs.names == ["one-seed0", "two-seed0"]
    keys = {"ganzoo_cyclegan.method": "another"}
    monkeypatch.setattr(
        "ganzoo.provenance.fingerprint.code_key", lambda *modules: keys.get(modules[0]) or code_key(*modules)
    )
    make(changed)
    assert runs.names == ["one-seed0", "two-seed0"] * 2
    assert (tmp_path / "runs/spec/tiny/one-seed0.before-2").is_dir()


def test_a_run_is_only_measured_again_if_only_a_metric_has_changed(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = spec(tmp_path, seeds=[0])
    first = make(bench)
    keys = {"ganzoo_metrics.cycle_errors": "another"}
    monkeypatch.setattr(
        "ganzoo.provenance.fingerprint.code_key", lambda *modules: keys.get(modules[0]) or code_key(*modules)
    )
    del runs.names[:]
    second = make(bench)
    assert runs.names == ["one-seed0", "evaluate one-seed0", "two-seed0", "evaluate two-seed0"]
    assert [one["plugins"]["metrics"]["code"] for one in second] == ["another"] * 2
    assert [one["values"] for one in second] == [one["values"] for one in first]
    columns = [{"value": "identity_l1_AB", "label": "identity"}]
    other = make(spec(tmp_path, seeds=[0], set=["train.steps=2", "evaluate.metrics=[identity_l1]"], columns=columns))
    assert [set(one["values"]) for one in other] == [{"identity_l1_AB", "identity_l1_BA"}] * 2
    assert [one["weights"] for one in other] == [one["weights"] for one in first]
    assert not list(tmp_path.glob("runs/spec/tiny/*.before-1"))
    best = spec(
        tmp_path,
        seeds=[0],
        checkpoint="best",
        set=["train.steps=2", "evaluate.best=min cycle_l1_AB", "evaluate.every=1"],
    )
    make(best)
    keys["ganzoo_metrics.cycle_errors"] = "a third"  # another checkpoint might be the best by it
    del runs.names[:]
    make(best)
    assert runs.names == ["one-seed0", "two-seed0"]
    assert (tmp_path / "runs/spec/tiny/one-seed0.before-2").is_dir()


def test_a_run_of_another_length_is_put_aside_although_it_could_be_resumed(tmp_path: Path, runs: Runs) -> None:
    longer = [one["weights"] for one in make(spec(tmp_path, seeds=[0], set=["train.steps=5"]))]
    fresh = spec(tmp_path, seeds=[0], set=["train.steps=3"])
    found = make(fresh)
    assert [(one["trained"], one["trained_by"][0]["steps"]) for one in found] == [(3, 3)] * 2
    shutil.rmtree(tmp_path / "runs")
    fresh.records.unlink()
    assert [one["weights"] for one in make(fresh)] == [one["weights"] for one in found] != longer


def test_changed_images_are_trained_on_or_measured_again(tmp_path: Path, runs: Runs) -> None:
    bench = spec(tmp_path, seeds=[0])
    first = make(bench)
    for split, other_weights in (("test", False), ("train", True)):
        images = sorted((tmp_path / f"images/{split}A").glob("*"))
        images[0].write_bytes(images[1].read_bytes())
        found = make(bench)
        assert [one["weights"] != two["weights"] for one, two in zip(first, found, strict=True)] == [other_weights] * 2
        assert found[0]["values"] != first[0]["values"]
        assert make(bench) == found  # nothing is stale any more


def test_metrics_that_are_removed_and_added_are_measured_again(tmp_path: Path, runs: Runs) -> None:
    both = make(spec(tmp_path, seeds=[0]))
    make(spec(tmp_path, seeds=[0], set=["train.steps=2", "evaluate.metrics=[cycle_l1]"]))
    assert make(spec(tmp_path, seeds=[0])) == both


def test_the_rule_for_the_best_checkpoint_is_part_of_its_training(tmp_path: Path, runs: Runs) -> None:
    chosen = ["train.steps=2", "evaluate.best=min cycle_l1_AB", "evaluate.every=1"]
    for checkpoint, trained_again in (("last", False), ("best", True)):
        bench = spec(tmp_path, seeds=[0], checkpoint=checkpoint, set=chosen)
        first = make(bench)
        other = make(spec(tmp_path, seeds=[0], checkpoint=checkpoint, set=[*chosen, "evaluate.best=max cycle_l1_AB"]))
        assert first[0]["recipe_key"] != other[0]["recipe_key"]
        assert any((tmp_path / "runs/spec/tiny").glob("*.before-*")) is trained_again
        bench.records.unlink()
    assert (first[0]["rule"], other[0]["rule"]) == ("min cycle_l1_AB", "max cycle_l1_AB")


def test_the_rule_that_a_learning_rate_follows_is_part_of_its_training(tmp_path: Path, runs: Runs) -> None:
    rule = ["train.lr_policy=plateau", "evaluate.best=min cycle_l1_AB", "evaluate.every=1"]
    for number, changes in enumerate((rule, [*rule, "evaluate.best=max cycle_l1_AB"], [*rule, "evaluate.every=2"])):
        make(spec(tmp_path, seeds=[0], set=["train.steps=2", *changes]))
        assert len([*(tmp_path / "runs/spec/tiny").glob("one-seed0.before-*")]) == number


def test_a_recipe_that_is_edited_while_the_table_runs_is_named_as_the_reason(tmp_path: Path, runs: Runs) -> None:
    bench = spec(tmp_path, seeds=[0])

    def edited(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        recipe = tmp_path / "tiny.yaml"
        recipe.write_text(recipe.read_text().replace("lr: 0.001", "lr: 0.002"))
        return runs(words, environment)

    with pytest.MonkeyPatch.context() as patch:
        replace_run_command(patch, edited)
        found = make(bench)
    assert [one["why"] for one in found] == ["its recipe was edited while the table was run; run it again"] * 2
    assert [one["status"] for one in make(bench)] == ["ok"] * 2


def test_a_table_whose_test_images_are_removed_shows_the_values_on_validation_images(
    tmp_path: Path, runs: Runs
) -> None:
    bench = spec(tmp_path, seeds=[0], set=["train.steps=2", "data.validation=0.34"])
    assert {one["split"] for one in make(bench)} == {"test"}
    for domain in "AB":
        shutil.rmtree(tmp_path / f"images/test{domain}")
    found = make(bench)
    assert {one["split"] for one in found} == {"validation"}
    assert make(bench) == found


def test_runs_are_measured_on_test_images_that_were_added(tmp_path: Path, runs: Runs, run: Run) -> None:
    bench = spec(tmp_path, seeds=[0], set=["train.steps=2", "data.validation=0.34"])
    for domain in "AB":
        (tmp_path / f"images/test{domain}").rename(tmp_path / f"test{domain}")
    found = make(bench)
    assert {one["split"] for one in found} == {"validation"}
    (tmp_path / "testA").rename(tmp_path / "images/testA")  # those of B are still missing
    assert make(bench) == found and len(runs.names) == 2
    (tmp_path / "testB").rename(tmp_path / "images/testB")
    assert "outdated: changed since it was run: images" in run("table", str(bench.file))[1]
    again = make(bench)
    assert {one["split"] for one in again} == {"test"}
    assert [one["weights"] for one in again] == [one["weights"] for one in found]
    assert make(bench) == again and len(runs.names) == 4


def test_another_number_of_draws_is_measured_again(tmp_path: Path, runs: Runs) -> None:
    steps = ["train.steps=2", "evaluate.every=1"]
    words = {"seeds": [0], "reach": {"value": "cycle_l1_AB", "at": 1000, "better": "less"}}
    found = make(spec(tmp_path, **words, set=steps))
    bench = spec(tmp_path, **words, set=[*steps, "evaluate.bootstrap=9"])
    again = make(bench)
    assert [one["about"]["cycle_l1_AB"].get("bootstrap") for one in [*found, *again]] == [None, None, 9, 9]
    assert [one["weights"] for one in again] == [one["weights"] for one in found]
    bench.records.unlink()
    evaluate_targets([tmp_path / "runs/spec/tiny/one-seed0"], bootstrap=5)
    assert make(bench) == again
    count = len(runs.names)
    assert make(bench) == again and len(runs.names) == count
    assert make(spec(tmp_path, **words, set=steps)) == found


def test_a_run_trained_where_auto_is_another_precision_is_measured_or_stays(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ganzoo.engine.precision.bf16_instructions", lambda: ["amx_bf16"])
    auto, folder = ["train.steps=2", "train.precision=auto"], tmp_path / "runs/spec/tiny"
    (first, _) = make(spec(tmp_path, seeds=[0], set=auto))
    monkeypatch.setattr("ganzoo.engine.precision.bf16_instructions", list)
    del runs.names[:]
    columns = [{"value": "identity_l1_AB", "label": "identity"}]
    changed = [*auto, "evaluate.metrics=[identity_l1]"]
    (found, _) = make(spec(tmp_path, seeds=[0], set=changed, columns=columns))
    assert runs.names[:2] == ["one-seed0", "evaluate one-seed0"] and found["status"] == "ok"
    assert (found["weights"], [*found["values"]]) == (first["weights"], ["identity_l1_AB", "identity_l1_BA"])
    make(spec(tmp_path, seeds=[0], set=changed, columns=columns))
    assert len(runs.names) == 4  # nothing is outdated
    events = folder / "one-seed0/events.jsonl"
    events.write_text("".join(line for line in events.open() if '"finished"' not in line))
    (found, _) = make(spec(tmp_path, seeds=[0], set=auto))
    assert found["status"] == "failed" and "train.precision: bf16 → fp32" in found["why"]
    assert {one["status"] for one in make(spec(tmp_path, seeds=[0], set=[*auto, "train.precision=bf16"]))} == {"ok"}
    assert not [*folder.glob("*.before-*")]
    capsys.readouterr()
    make(spec(tmp_path, seeds=[0], set=["train.steps=2", "train.precision=fp32"]))  # that is another recipe
    assert len([*folder.glob("*.before-*")]) == 2
    reason = "one-seed0: put aside and trained again from the start: "
    (line,) = (one for one in capsys.readouterr().out.splitlines() if one.startswith(reason))
    assert "train.precision: bf16 → fp32" in line


def test_a_run_with_unknown_sessions_is_put_aside(tmp_path: Path, runs: Runs) -> None:
    bench = spec(tmp_path, seeds=[0])
    make(bench)
    bench.records.unlink()
    for row, change in (("one", {}), ("two", {"step": 1})):
        file = tmp_path / f"runs/spec/tiny/{row}-seed0/checkpoints/last/progress.json"
        saved = json.loads(file.read_text())
        first = saved.pop("sessions")[0]
        file.write_text(json.dumps({**saved, "sessions": [{**first, **change}]} if change else saved))
    make(bench)
    assert len([*(tmp_path / "runs/spec/tiny").glob("*.before-1")]) == 2


def test_another_preparation_marks_the_rows_that_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Runs()

    def call(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 0, "", "") if words[0] == "bank" else found(words, environment)

    replace_run_command(monkeypatch, call)

    def prepared(size: int) -> Bench:
        command = {"command": f"bank build {size} -o {{root}}", "makes": "{root}"}
        return spec(tmp_path, seeds=[0], prepare={"bank": command})

    make(prepared(1))
    assert len(found.names) == 2
    make(prepared(1))
    assert len(found.names) == 2
    (record, *_), bench = read_bench_records(prepared(1)), prepared(2)
    recipe = read_recipe(tmp_path / "tiny.yaml", ["train.steps=2"])
    assert "preparation" in stale(bench, record, recipe, {}, ImageChecksums())
    make(bench)
    assert len(found.names) == 4


def test_a_run_that_began_with_other_networks_is_trained_again(tmp_path: Path, runs: Runs, run: Run) -> None:
    make(spec(tmp_path, seeds=[0]))
    (tmp_path / "later").mkdir()
    start = f"train.start={tmp_path}/runs/spec/tiny/{{run}}"
    bench = spec(tmp_path / "later", seeds=[0], set=["train.steps=2", start])
    found = make(bench)
    assert make(bench) == found and len(runs.names) == 4
    make(spec(tmp_path, seeds=[0], set=["train.steps=3"]))  # other networks in the same place
    assert "outdated: changed since it was run: train.start" in run("table", str(bench.file))[1]
    again = make(bench)
    assert len(runs.names) == 8
    keys = [one["trained_by"][0]["sources"]["train.start"] for one in (*found, *again)]
    assert len(set(keys)) == 4
    shutil.rmtree(tmp_path / "runs/spec")
    assert "outdated" not in run("table", str(bench.file))[1]  # they are not on this machine


def test_changed_images_mark_a_row_and_missing_ones_do_not(tmp_path: Path, runs: Runs, run: Run) -> None:
    bench = spec(tmp_path, seeds=[0])
    make(bench)
    assert "outdated" not in run("table", str(bench.file))[1]
    images = sorted((tmp_path / "images/testA").glob("*"))
    images[0].write_bytes(images[1].read_bytes())
    assert "outdated: changed since it was run: images" in run("table", str(bench.file))[1]
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    assert "outdated" not in run("table", str(bench.file))[1]
