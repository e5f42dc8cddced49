"""Runs: their folder, exact resuming, settings that may change, and reasons to stop."""

from __future__ import annotations

import json
import shutil
import subprocess
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
from ganzoo.interfaces import Callback, ImagePool, RunInfo
from ganzoo.training.loop import train
from ganzoo.training.run import Run
from ganzoo.utils.program import program_name
from tests.support.command_line import refusal
from tests.support.killed_runs import train_until
from tests.support.small_networks import SIMGAN_OPTIONS, SIMGAN_SMALL
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


def test_a_name_must_be_one_folder(home: Path) -> None:
    for name in ("a/b", "..", "", ".hidden"):
        with pytest.raises(GanzooError, match="--name"):
            Run.prepare(home / "tiny.yaml", name=name)


def test_a_folder_that_is_not_a_runs_is_not_changed(home: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny/default").mkdir(parents=True)
    (tmp_path / "tiny/default/thesis.tex").write_text("precious")
    with pytest.raises(GanzooError, match="not empty, and not a run's folder"):
        package.run(home / "tiny.yaml", root=tmp_path)


def test_repeated_non_finite_steps_end_the_run_and_name_the_term(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ganzoo_cyclegan.method import CycleGAN

    original = CycleGAN.generator_losses

    def broken(self: CycleGAN, step: Any) -> dict[str, torch.Tensor]:
        losses = original(self, step)
        if step.index >= 3:
            losses["cycle_A"] = losses["cycle_A"] * float("nan")
        return losses

    monkeypatch.setattr(CycleGAN, "generator_losses", broken)
    with pytest.raises(GanzooError, match=r"generator/cycle_A was not finite in 3 steps in a row"):
        package.run(home / "tiny.yaml", "train.patience=3", root=tmp_path)
    folder = tmp_path / "tiny/default"
    events = [one for one in lines(folder / "events.jsonl") if one["event"] == "not-finite"]
    assert [(one["step"], one["term"], one["in_a_row"]) for one in events] == [
        (4, "generator/cycle_A", 1), (5, "generator/cycle_A", 2), (6, "generator/cycle_A", 3)
    ]  # fmt: skip
    saved = everything(folder / "checkpoints/last")
    assert read_progress(folder / "checkpoints/last")["step"] == 6
    assert "not saved" not in capsys.readouterr().out
    import numpy as np

    values = [np.frombuffer(saved[name], np.float32) for name in saved if name.startswith(("networks", "process"))]
    assert all(np.isfinite(value).all() for value in values)


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


def test_a_step_that_is_not_finite_undoes_no_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SimGAN's history changes in every second step only; a checkpoint has no state of the step before."""
    from ganzoo_simgan.method import SimGAN

    original, undo, steps = SimGAN.generator_losses, SimGAN.undo, [0]
    changed, undone = set(), set()

    def broken(self: SimGAN, step: Any) -> dict[str, torch.Tensor]:
        steps.append(step.index)
        losses = original(self, step)
        return losses if step.index < 3 else {name: term * float("nan") for name, term in losses.items()}

    def query(self: ImagePool, *words: Any, **named: Any) -> torch.Tensor:
        changed.add(steps[-1])
        return original_query(self, *words, **named)

    def recorded(self: SimGAN) -> None:
        undone.add(steps[-1])
        undo(self)

    original_query = ImagePool.query
    monkeypatch.setattr(SimGAN, "generator_losses", broken)
    monkeypatch.setattr(SimGAN, "undo", recorded)
    monkeypatch.setattr(ImagePool, "query", query)
    recipe = write_recipe(tmp_path, train={"steps": 7}, networks=SIMGAN_SMALL)
    settings = yaml.safe_load(recipe.read_text())
    settings |= {"method": {"method": "simgan", **SIMGAN_OPTIONS}, "evaluate": {"metrics": []}}
    recipe.write_text(yaml.safe_dump(settings))
    package.run(recipe, root=tmp_path)
    assert {index for index in undone if index >= 3} == {index for index in changed if index >= 3} != {3, 4, 5, 6}


def test_callbacks_observe_the_run_can_end_it_and_are_switched_off_when_they_fail(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ganzoo.training.callbacks import Callbacks

    calls: list[str] = []

    class Recording(Callback):
        def on_start(self, run: RunInfo) -> None:
            calls.append("start")

        def on_checkpoint(self, run: RunInfo, step: int) -> None:
            calls.append(f"checkpoint {step}")

        def on_evaluation(self, run: RunInfo, step: int, values: Any) -> bool:
            calls.append(f"evaluation {step} {sorted(values)[0]}")
            return step == 4

        def on_end(self, run: RunInfo) -> None:
            calls.append("end")

    class Broken(Callback):
        def on_step(self, run: RunInfo, step: int, losses: Any) -> None:
            raise OSError("no connection")

    monkeypatch.setattr(Callbacks, "gather", lambda self, trackers: self.active.extend([Recording(), Broken()]))
    package.run(home / "tiny.yaml", root=tmp_path)
    assert calls == ["start", "checkpoint 2", "evaluation 4 cycle_l1_AB", "checkpoint 4", "end"]
    folder = tmp_path / "tiny/default"
    assert [(one["checkpoint"], one["trained"]) for one in lines(folder / "results.jsonl")] == [
        ("last", 4),
        ("best", 4),
    ]
    before = everything(folder / "checkpoints/last")
    package.run(home / "tiny.yaml", root=tmp_path)
    assert everything(folder / "checkpoints/last") == before
    assert "Broken failed in on_step and is switched off: no connection" in capsys.readouterr().out
    monkeypatch.setenv("GANZOO_STRICT", "1")
    with pytest.raises(OSError, match="no connection"):
        package.run(home / "tiny.yaml", root=tmp_path / "strict")
    assert read_progress(tmp_path / "tiny/default/checkpoints/last")["step"] == 4


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


def test_a_tracker_that_is_not_installed_is_reported_and_training_continues(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ("train.steps=1", "evaluate.metrics=[]", "evaluate.best=null", "train.trackers=[dvclive]")
    package.run(home / "tiny.yaml", *short, root=tmp_path)
    assert "dvclive is not installed" in capsys.readouterr().out
    with pytest.raises(GanzooError, match=r"train\.trackers.*tensorbord.*did you mean 'tensorboard'"):
        package.run(home / "tiny.yaml", "train.trackers=[tensorbord]", root=tmp_path)


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
    assert ganzoo("run", home / "tiny.yaml", "--root", tmp_path).returncode == 0


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


@pytest.mark.parametrize("name", ["n" * 201, "ü" * 101, "..", ".x", "a/b", "a\nb", "\x1b"])
def test_a_name_that_no_folder_can_have_is_refused(home: Path, tmp_path: Path, name: str) -> None:
    message = refusal(package.run, home / "tiny.yaml", name=name, root=tmp_path / "runs")
    assert message.startswith("--name is ") and "it must be the name of one folder: at most 200 bytes" in message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["...yaml", ".yaml", f"{'n' * 240}.yaml"])
def test_a_recipe_whose_name_no_folder_can_have_is_refused(home: Path, tmp_path: Path, name: str) -> None:
    recipe = tmp_path / "recipes" / name
    recipe.parent.mkdir()
    shutil.copy(home / "tiny.yaml", recipe)
    message = refusal(package.run, recipe, root=tmp_path / "runs")
    assert message.startswith(f"{recipe}: the recipe's name is ") and "one folder" in message
    assert [one.name for one in tmp_path.iterdir()] == ["recipes"]


def test_leftovers_of_killed_processes_are_deleted_at_the_next_start(home: Path, tmp_path: Path) -> None:
    package.run(home / "tiny.yaml", root=tmp_path)
    folder = tmp_path / "tiny/default"
    expected = {file.relative_to(folder) for file in folder.rglob("*")}
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (".last.old", ".last.new", ".best.old", ".step-4.new"):
        shutil.copytree(folder / "checkpoints/last", folder / "checkpoints" / name)
    for name in (f"samples/.step-0000004.png.{ended.pid}.part", f".report.html.{ended.pid}.part"):
        (folder / name).touch()
    package.run(home / "tiny.yaml", root=tmp_path)
    assert {file.relative_to(folder) for file in folder.rglob("*")} == expected


def test_a_folder_whose_recipe_has_dots_keeps_its_name(home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    recipe = shutil.copy(home / "tiny.yaml", tmp_path / "tiny.v1.5.yaml")
    package.run(recipe, "train.steps=1", "evaluate.best=null", root=tmp_path)
    monkeypatch.chdir(tmp_path / "tiny.v1.5")
    (record,) = evaluate_targets([Path("default")])
    assert record["recipe"] == "tiny.v1.5"
