"""Runs: their folder, exact resuming, settings that may change, and reasons to stop."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

import ganzoo as package
from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.errors import GanzooError, SettingsChangedError
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.training import run_folder
from ganzoo.training.loop import train
from ganzoo.training.run import Run
from ganzoo.utils.atomic import ProcessLock
from ganzoo.utils.program import program_name
from tests.support.killed_runs import train_until
from tests.support.tiny_run import assert_same, everything, ganzoo, lines, make_images, write_recipe


def run_until(recipe: Path, step: int, root: Path, **options: Any) -> Path:
    """Train until the process dies in the step of index ``step``, before that step is logged, drawn or saved."""
    run = Run.prepare(recipe, root=root, **options)
    train_until(run, step)
    return run.folder


def test_the_folder_of_a_run(whole: Path) -> None:
    names = {path.name for path in whole.iterdir()}
    assert names == {
        "recipe.yaml", "resolved.yaml", "env.json", "metrics.jsonl", "events.jsonl", "results.jsonl", "samples",
        "checkpoints", "report.html", "images.json", ".lock",
    }  # fmt: skip
    assert {path.name for path in (whole / "checkpoints").iterdir()} == {"last", "best"}
    assert {path.name for path in (whole / "checkpoints/last/networks").iterdir()} == {
        f"{name}.safetensors" for name in ("G_AB", "G_BA", "D_A", "D_B")
    }
    environment = json.loads((whole / "env.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert environment["processes"] == 1
    logged = [line for line in lines(whole / "metrics.jsonl") if "losses" in line]
    assert [line["step"] for line in logged] == [3, 6, 8]
    assert set(logged[0]["losses"]) >= {"generator/cycle_A", "discriminator/D_B"}
    evaluated = [line for line in lines(whole / "metrics.jsonl") if "values" in line]
    assert [(line["step"], line["split"]) for line in evaluated] == [(s, "validation") for s in (0, 4, 8)]
    last, best = lines(whole / "results.jsonl")
    assert (last["checkpoint"], last["trained"], best["checkpoint"]) == ("last", 8, "best")
    for result in (last, best):
        assert result["split"] == "test" and result["images"] == {"A": 3, "B": 3}
    assert sorted(path.name for path in (whole / "samples").iterdir()) == ["step-0000004.png", "step-0000008.png"]
    with Image.open(whole / "samples/step-0000004.png") as grid:
        assert grid.size[0] > 8 * 12  # both domains, each real, fake, rec, idt


def test_the_resolved_recipe_reproduces_the_run(whole: Path, tmp_path: Path) -> None:
    package.run(whole / "resolved.yaml", root=tmp_path)
    assert_same(whole, tmp_path / "resolved" / "default")


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7])
def test_a_run_that_died_resumes_to_the_same_result(whole: Path, home: Path, tmp_path: Path, step: int) -> None:
    folder = run_until(home / "tiny.yaml", step, tmp_path)
    package.run(home / "tiny.yaml", root=tmp_path)
    assert_same(whole, folder)


def test_a_finished_run_is_not_trained_again(whole: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything(whole / "checkpoints/last"), (whole / "metrics.jsonl").read_bytes()
    values = package.run(home / "tiny.yaml", root=home / "runs")
    assert "already at its end" in capsys.readouterr().out
    assert (everything(whole / "checkpoints/last"), (whole / "metrics.jsonl").read_bytes()) == before
    assert values == lines(whole / "results.jsonl")[0]["values"]


def test_equal_seeds_give_equal_runs_and_other_seeds_do_not(whole: Path, home: Path, tmp_path: Path) -> None:
    package.run(home / "tiny.yaml", root=tmp_path, name="again")
    assert_same(whole, tmp_path / "tiny" / "again")
    package.run(home / "tiny.yaml", "train.seed=1", root=tmp_path, name="other")
    first, second = (everything(path / "checkpoints/last") for path in (whole, tmp_path / "tiny" / "other"))
    weights = [name for name in first if name.startswith("networks") and name.endswith("weight")]
    assert weights and all(first[name] != second[name] for name in weights)


def test_workers_and_cache_do_not_change_the_data(whole: Path, home: Path, tmp_path: Path) -> None:
    package.run(home / "tiny.yaml", "train.workers=5", "images.cache=0", root=tmp_path)
    assert_same(whole, tmp_path / "tiny" / "default")


def test_a_longer_run_resumes_and_says_so(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package.run(home / "tiny.yaml", "train.steps=4", root=tmp_path)
    package.run(home / "tiny.yaml", "train.steps=6", "train.log=2", root=tmp_path)
    output = capsys.readouterr().out
    assert "changed since the last session: train.steps: 4 → 6" in output
    assert "the learning rate's schedule is stretched to the new length" in output
    assert "resumed from step 4" in output
    assert [one["step"] for one in lines(tmp_path / "tiny/default/results.jsonl")] == [4, 4, 6, 6]


def test_a_stretched_schedule_is_said_once_also_where_images_were_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = {"metrics": [], "every": 0, "best": None}
    recipe = write_recipe(tmp_path, train={"sample": 0, "save": 1}, data={"validation": 0}, evaluate=none)
    line = "the learning rate's schedule is stretched to the new length\n"
    run_until(recipe, 4, tmp_path, overrides=["train.epochs=1"])  # of 6 steps
    package.run(recipe, "train.steps=6", root=tmp_path)
    assert line not in capsys.readouterr().out
    run_until(recipe, 7, tmp_path, overrides=["train.epochs=2"])
    assert capsys.readouterr().out.count(line) == 1
    for domain in "AB":
        folder = tmp_path / f"images/train{domain}"
        for index in range(4):
            Image.new("RGB", (20, 16), (index, 9, 9)).save(folder / f"more{index}.png")
    package.run(recipe, "train.epochs=2", root=tmp_path)
    assert capsys.readouterr().out.count(line) == 1


def test_other_changes_are_refused_and_listed(whole: Path, home: Path) -> None:
    with pytest.raises(GanzooError) as caught:
        package.run(home / "tiny.yaml", "train.lr=0.1", "networks.G.width=3", root=home / "runs")
    text = str(caught.value)
    assert "train.lr: 0.001 → 0.1" in text
    assert "networks.G_AB.width: 2 → 3" in text
    assert "--fresh" in text and "\n" not in text


def test_fresh_renames_the_old_run(home: Path, tmp_path: Path) -> None:
    short = ("train.steps=1", "evaluate.every=0", "evaluate.best=null", "evaluate.metrics=[]")
    for _ in range(3):
        package.run(home / "tiny.yaml", *short, root=tmp_path, fresh=True)
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == [
        "default", "default.before-1", "default.before-2"
    ]  # fmt: skip


def test_a_rate_that_falls_every_so_many_epochs_cannot_go_on_in_steps(tmp_path: Path) -> None:
    schedule = {"lr_policy": "step", "lr_every": 1}
    recipe = write_recipe(tmp_path, train=schedule, evaluate={"metrics": [], "every": 0, "best": None})
    package.run(recipe, "train.epochs=1", root=tmp_path)
    with pytest.raises(SettingsChangedError, match=r"train\.lr_every: 1 epochs → 1 steps"):
        package.run(recipe, "train.steps=9", root=tmp_path)
    package.run(recipe, "train.epochs=2", root=tmp_path)


def test_a_copy_of_the_recipe_in_the_runs_folder_can_start_it_anew(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, "recipe", train={"steps": 1}, evaluate={"metrics": [], "every": 0, "best": None})
    package.run(recipe, root=tmp_path)
    copy = tmp_path / "recipe/default/recipe.yaml"
    assert copy.read_bytes() == recipe.read_bytes()
    package.run(copy, root=tmp_path, fresh=True)
    assert copy.read_bytes() == recipe.read_bytes() and (tmp_path / "recipe/default.before-1/recipe.yaml").is_file()


def test_a_run_killed_before_its_settings_were_written_starts_again(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny/default"
    (folder / "samples").mkdir(parents=True)
    (folder / "recipe.yaml").write_text("half")
    (folder / ".env.json.1.part").write_text("{")
    package.run(home / "tiny.yaml", "train.steps=1", "evaluate.metrics=[]", "evaluate.best=null", root=tmp_path)
    assert read_progress(folder / "checkpoints/last")["step"] == 1


def test_a_removed_image_is_reported_and_the_run_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 2}, evaluate={"metrics": [], "every": 0, "best": None})
    package.run(recipe, root=tmp_path)
    (tmp_path / "images/trainA/03.png").unlink()
    package.run(recipe, "train.steps=3", root=tmp_path)
    assert "changed since the last session: images.A: 11 → 10" in capsys.readouterr().out


def test_a_kill_between_the_two_final_records_loses_neither(whole: Path, home: Path, tmp_path: Path) -> None:
    package.run(home / "tiny.yaml", root=tmp_path)
    results = tmp_path / "tiny/default/results.jsonl"
    results.write_text(results.read_text().splitlines()[0] + "\n")
    package.run(home / "tiny.yaml", root=tmp_path)
    assert_same(whole, tmp_path / "tiny/default")


def test_a_finished_run_is_evaluated_again_when_its_metrics_change(home: Path, tmp_path: Path) -> None:
    package.run(home / "tiny.yaml", root=tmp_path)
    values = package.run(home / "tiny.yaml", "evaluate.metrics=[identity_l1]", "evaluate.best=null", root=tmp_path)
    assert set(values) == {"identity_l1_AB", "identity_l1_BA"}


def test_a_record_of_other_images_is_not_the_runs_own(home: Path, tmp_path: Path) -> None:
    """Two folders of one name: paths count by their last part, so the recipe's checksum is the same."""
    package.run(home / "tiny.yaml", root=tmp_path)
    folder = tmp_path / "tiny/default"
    results = folder / "results.jsonl"
    first = [one for one in lines(results) if one["split"] == "test"]
    results.unlink()
    other = make_images(tmp_path / "other/images", test=5)
    evaluate_targets([folder], changes=[f"data.root={other}"])
    package.run(home / "tiny.yaml", root=tmp_path)
    found = lines(results)
    assert [one["images"] for one in found] == [{"A": 5, "B": 5}] * 2 + [{"A": 3, "B": 3}] * 2
    assert [one["values"] for one in found[2:]] == [one["values"] for one in first]


def test_a_second_process_does_not_train_the_same_run(home: Path, tmp_path: Path) -> None:
    first = Run.prepare(home / "tiny.yaml", root=tmp_path)
    done = ganzoo("run", home / "tiny.yaml", "--root", tmp_path)
    assert done.returncode == 4
    assert done.stderr.strip().endswith("another process is training this run; wait for it, or set another --name")
    train(first)
    package.run(home / "tiny.yaml", root=tmp_path)  # which would raise an error


@pytest.mark.parametrize("locks", [True, False])
def test_a_run_that_cannot_be_locked_says_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], locks: bool
) -> None:
    if not locks:
        monkeypatch.setattr(run_folder, "lock_file", lambda file, busy: ProcessLock(None))
    Run.prepare(home / "tiny.yaml", root=tmp_path).files.close()
    shown = "".join(capsys.readouterr())
    line = "tiny/default: this folder cannot be locked; make sure that no second process trains this run\n"
    assert shown.count(line) == (0 if locks else 1)


def test_pairs_are_not_revealed_to_a_method_that_learns_without_them(tmp_path: Path) -> None:
    for index in range(8):
        (tmp_path / "pairs/train").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 16), (index * 20, 0, 0)).save(tmp_path / f"pairs/train/{index}.png")
    recipe = write_recipe(tmp_path)
    text = recipe.read_text().replace("dataset: folders", "dataset: paired").replace("/images", "/pairs")
    recipe.write_text(text)
    short = ("data.validation=0", "evaluate.metrics=[]", "evaluate.best=null", "train.steps=1")
    run = Run.prepare(recipe, short, root=tmp_path)
    assert run.dataset.paired
    rows = [run.sampler.row(step, 0).indices for step in range(40)]
    assert sum(row["A"] == row["B"] for row in rows) < 20
    batch = run.reader.training_batch([run.sampler.row(0, place) for place in range(8)], 0, 0)
    assert not (batch.planes["real_A"] == batch.planes["true_A"]).all()


def test_running_out_of_memory_is_reported_in_one_line(home: Path, tmp_path: Path) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)

    def full(micros: Any) -> Any:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    run.engine.step = full  # type: ignore[method-assign]
    with pytest.raises(GanzooError, match=r"out of memory at step 1: lower train\.batch"):
        train(run)


def test_the_summary_shows_the_command_that_trains_longer(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ("train.steps=1", "evaluate.metrics=[]", "evaluate.best=null")
    package.run(home / "tiny.yaml", *short, root=tmp_path, name="mine")
    output = capsys.readouterr().out
    command = f"ganzoo run {home / 'tiny.yaml'} --name mine --root {tmp_path}"
    assert command in output
    assert f"{tmp_path} evaluate.metrics=[] evaluate.best=null" in output.replace("'", "")


def test_without_held_out_images_a_run_trains_and_reports_that_metrics_are_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 2}, data={"validation": 0}, evaluate={"best": None})
    for domain in "AB":
        for image in (tmp_path / f"images/test{domain}").iterdir():
            image.unlink()
        (tmp_path / f"images/test{domain}").rmdir()
    assert package.run(recipe, root=tmp_path) == {}
    assert "no held-out images, so metrics are not measured" in capsys.readouterr().out
    assert (tmp_path / "tiny/default/samples/step-0000002.png").is_file()


def test_two_folders_replace_the_recipes_root_and_need_no_test_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 1})
    folders = [f"data.{domain}={tmp_path}/images/train{domain}" for domain in "AB"]
    assert package.run(recipe, *folders, root=tmp_path)
    output = capsys.readouterr().out
    assert "no test images, which are optional: the metrics are measured on the validation images" in output
    assert "last, of step 1, on the validation split" in output
    resolved = yaml.safe_load((tmp_path / "tiny/default/resolved.yaml").read_text())["data"]
    assert (resolved["root"], resolved["A"]) == (None, f"{tmp_path}/images/trainA")
    with pytest.raises(GanzooError, match="'test' has no images to evaluate on"):
        evaluate_targets([tmp_path / "tiny/default"], split="test")


def test_the_commands_at_the_end_work_where_they_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    program_name.cache_clear()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    package.run(write_recipe(tmp_path, train={"steps": 1}), root=tmp_path)
    program_name.cache_clear()
    after = capsys.readouterr().out.partition("next:\n")[2].splitlines()
    assert len(after) == 2
    assert all(line.startswith(f"  {tmp_path}/bin/python -m ganzoo ") for line in after)


def test_a_run_beyond_its_length_says_so(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = ("evaluate.metrics=[]", "evaluate.best=null")
    package.run(home / "tiny.yaml", *short, "train.steps=4", root=tmp_path)
    package.run(home / "tiny.yaml", *short, "train.steps=2", root=tmp_path)
    output = capsys.readouterr().out
    assert "already at step 4, beyond 2" in output
    assert output.count("train.steps=8    # trains for twice as long") == 2
    package.run(home / "tiny.yaml", *short, "train.epochs=3", root=tmp_path, name="epochs")
    package.run(home / "tiny.yaml", *short, "train.epochs=1", root=tmp_path, name="epochs")
    output = capsys.readouterr().out
    assert "beyond" in output and output.count("train.epochs=6    # trains for twice as long") == 2
