"""Starts: a failed one binds nothing, one without checkpoints begins again and says so, moved data are the same."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import ganzoo as package
from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.errors import GanzooError, MissingResourceError, SettingsChangedError
from ganzoo.report.run_log import RunLog
from ganzoo.training.run import Run
from tests.support.killed_runs import train_until
from tests.support.tiny_run import assert_same, everything, lines, write_recipe

SHORT = ("evaluate.metrics=[]", "evaluate.best=null", "evaluate.every=0")
PLAIN: dict[str, Any] = {"train": {"steps": 4}, "evaluate": {"metrics": [], "every": 0, "best": None}}


def test_a_step_that_cannot_be_computed_leaves_no_folder(home: Path, tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="needs images of at least 6×6 pixels, not 2×2"):
        package.run(home / "tiny.yaml", "images.size=2", "images.load=2", root=tmp_path)
    assert not (tmp_path / "tiny").exists()


def test_an_error_of_torch_in_the_first_step_is_one_line_and_leaves_no_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path / "first")
    generator = type(run.engine.networks["G_AB"])
    monkeypatch.setattr(generator, "forward", lambda self, image: image @ image.new_zeros(5, 5))
    with pytest.raises(GanzooError) as caught:
        Run.prepare(home / "tiny.yaml", root=tmp_path)
    where = r"generator 'resnet' of plugin 'cyclegan': forward failed: RuntimeError: mat1 and mat2 shapes .* "
    assert re.fullmatch(rf"{where}\({__file__}:\d+\); change images\.size .*", str(caught.value))
    assert not (tmp_path / "tiny").exists()
    monkeypatch.setenv("GANZOO_STRICT", "1")
    with pytest.raises(RuntimeError):
        Run.prepare(home / "tiny.yaml", root=tmp_path)


def test_a_failed_evaluation_at_the_start_binds_nothing(
    home: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(run: Run, step: int) -> None:
        raise GanzooError("a metric failed")

    with monkeypatch.context() as patch:
        patch.setattr("ganzoo.training.loop.evaluate_now", failing)
        with pytest.raises(GanzooError, match="a metric failed"):
            package.run(home / "tiny.yaml", "train.lr=0.5", "networks.G.width=3", root=tmp_path)
    folder = tmp_path / "tiny/default"
    assert folder.is_dir()
    package.run(home / "tiny.yaml", root=tmp_path)
    assert_same(whole, folder)
    assert [one.name for one in folder.parent.iterdir()] == ["default"]


def test_without_checkpoints_a_run_begins_again_says_so_and_keeps_the_old_log(
    home: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, old = tmp_path / "tiny/default", tmp_path / "tiny/default.before-1"
    package.run(home / "tiny.yaml", root=tmp_path)
    logs = {name: (folder / name).read_bytes() for name in ("metrics.jsonl", "results.jsonl", "events.jsonl")}
    shutil.rmtree(folder / "checkpoints")
    capsys.readouterr()
    package.run(home / "tiny.yaml", root=tmp_path)
    assert (
        f"{folder}: there is no checkpoint last to resume from, so training begins at step 0; the earlier log and "
        f"samples are in {old}\n" in capsys.readouterr().out
    )
    assert {name: (old / name).read_bytes() for name in logs} == logs
    assert_same(whole, folder)
    assert [one["event"] for one in lines(folder / "events.jsonl")] == ["started", "finished"]


def test_a_run_that_lost_only_last_keeps_its_other_checkpoints_aside(home: Path, tmp_path: Path) -> None:
    package.run(home / "tiny.yaml", root=tmp_path)
    shutil.rmtree(tmp_path / "tiny/default/checkpoints/last")
    package.run(home / "tiny.yaml", "train.steps=1", *SHORT, root=tmp_path)
    assert (tmp_path / "tiny/default.before-1/checkpoints/best").is_dir()
    assert [one.name for one in (tmp_path / "tiny/default/checkpoints").iterdir()] == ["last"]


def test_moved_data_are_the_same_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path)
    package.run(recipe, root=tmp_path / "whole")
    run = Run.prepare(recipe, root=tmp_path / "moved")
    train_until(run, 5)
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    with pytest.raises(MissingResourceError, match=r"add data\.root=PATH to the command"):
        package.run(recipe, root=tmp_path / "moved")
    capsys.readouterr()
    package.run(recipe, f"data.root={tmp_path / 'elsewhere'}", root=tmp_path / "moved")
    output = capsys.readouterr().out
    assert f"changed since the last session: data.root: {tmp_path}/images → {tmp_path}/elsewhere\n" in output
    assert "changed since the last session: the images are the same\n" in output
    before, after = (everything(tmp_path / root / "tiny/default/checkpoints/last") for root in ("whole", "moved"))
    assert before == after


def test_data_under_another_path_may_have_lost_images_but_not_gained_or_changed_any(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, **PLAIN)
    package.run(recipe, root=tmp_path)
    other = shutil.copytree(tmp_path / "images", tmp_path / "other")
    moved = f"data.root={other}"
    (other / "trainA/03.png").unlink()
    package.run(recipe, "train.steps=5", moved, root=tmp_path)
    shutil.copy(other / "trainA/04.png", other / "trainA/99.png")
    shutil.copy(other / "trainA/04.png", other / "trainB/05.png")
    with pytest.raises(SettingsChangedError) as caught:
        package.run(recipe, "train.steps=6", f"data.root={shutil.move(other, tmp_path / 'third')}", root=tmp_path)
    text = str(caught.value)
    assert "data.root: " in text and "\n" not in text
    assert "the images there are not those of the run: " in text
    assert "train images of A: 1 added (99.png)" in text
    assert "train images of B: 1 with other contents (05.png)" in text


def test_an_image_that_was_edited_in_place_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, **PLAIN)
    package.run(recipe, root=tmp_path)
    shutil.copy(tmp_path / "images/trainA/04.png", tmp_path / "images/trainA/05.png")
    package.run(recipe, "train.steps=5", root=tmp_path)
    assert (
        "changed since the last session: train images of A: 1 with other contents (05.png)" in capsys.readouterr().out
    )


def test_other_options_of_the_data_are_refused_as_before(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, **PLAIN)
    package.run(recipe, root=tmp_path)
    with pytest.raises(SettingsChangedError, match=r"data\.validation: 0\.1 → 0\.5"):
        package.run(recipe, "data.validation=0.5", "train.steps=5", root=tmp_path)


def test_a_step_may_be_divided_otherwise_when_it_has_as_many_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, **PLAIN)
    package.run(recipe, "train.batch=4", root=tmp_path)
    package.run(recipe, "train.batch=2", "train.accumulate=2", "train.steps=6", root=tmp_path)
    output = capsys.readouterr().out
    assert "changed since the last session: train.batch: 4 → 2" in output
    assert "the images of a step are divided otherwise; there are 4 of each domain, as before" in output
    assert read_progress(tmp_path / "tiny/default/checkpoints/last")["step"] == 6
    with pytest.raises(SettingsChangedError, match=r"train\.accumulate: 2 → 3"):
        package.run(recipe, "train.batch=2", "train.accumulate=3", "train.steps=8", root=tmp_path)


def test_a_run_taken_back_to_an_earlier_step_loses_its_later_sample_grids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, train={"sample": 2, "keep": 4}, evaluate={"metrics": [], "every": 0, "best": None})
    package.run(recipe, root=tmp_path)
    folder = tmp_path / "tiny/default"
    shutil.rmtree(folder / "checkpoints/last")
    shutil.copytree(folder / "checkpoints/step-4", folder / "checkpoints/last")
    capsys.readouterr()
    package.run(recipe, "train.steps=6", root=tmp_path)
    assert [step for step, _ in RunLog(folder).samples] == [2, 4, 6]
    assert f"{folder}/samples/step-0000006.png\n" in capsys.readouterr().out
