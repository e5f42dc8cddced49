"""Images that become unreadable during training: replaced and counted; too many stop the run, which is saved first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ganzoo as package
from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.errors import GanzooError
from ganzoo.training.loop import train
from ganzoo.training.run import Run
from tests.support.tiny_run import assert_same, lines, write_recipe

CACHELESS = ("images.cache=0", "train.workers=1")


def damage_after_start(run: Run, at: int, *files: Path) -> None:
    """Damage files when the step of index ``at`` is computed."""
    inner = run.engine.step

    def step(micros: Any) -> Any:
        if micros[0].index == at:
            for file in files:
                file.write_bytes(b"no image")
        return inner(micros)

    run.engine.step = step  # type: ignore[method-assign]


def events(folder: Path, name: str) -> list[dict[str, Any]]:
    return [one for one in lines(folder / "events.jsonl") if one["event"] == name]


def test_an_image_that_goes_bad_is_replaced_reported_and_counted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 30}, evaluate={"every": 0, "best": None, "metrics": []})
    run = Run.prepare(recipe, CACHELESS, root=tmp_path)
    file = tmp_path / "images/trainA/03.png"
    damage_after_start(run, 2, file)
    train(run)
    (event,) = events(run.folder, "image-replaced")
    assert (event["domain"], event["damaged"]) == ("A", 1) and event["why"].startswith(f"{file}: ")
    output = capsys.readouterr().out
    assert output.count("another image took its place (1 so far, train.max_damaged is 10)") == 1
    assert read_progress(run.folder / "checkpoints/last")["step"] == 30
    with pytest.raises(GanzooError, match=r"trainA/03\.png"):  # the next start asks for its repair
        package.run(recipe, "train.steps=31", *CACHELESS, root=tmp_path)
    file.unlink()
    package.run(recipe, "train.steps=31", *CACHELESS, root=tmp_path)
    assert "changed since the last session: train images of A: 1 removed (03.png)" in capsys.readouterr().out


def test_more_bad_images_than_the_limit_stop_the_run_which_is_saved(tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path, train={"steps": 60, "save": 1000}, evaluate={"every": 0, "best": None, "metrics": []}
    )
    run = Run.prepare(recipe, [*CACHELESS, "train.max_damaged=2"], root=tmp_path)
    files = sorted((tmp_path / "images/trainA").iterdir())[:4]
    before = [file.read_bytes() for file in files]
    damage_after_start(run, 5, *files)
    with pytest.raises(
        GanzooError, match=r"stopped at step \d+ and saved: [34] training images cannot be read any more"
    ):
        train(run)
    step = read_progress(run.folder / "checkpoints/last")["step"]
    assert 5 < step < 60
    assert events(run.folder, "stopped")[0]["step"] == step
    for file, content in zip(files, before, strict=True):
        file.write_bytes(content)
    package.run(recipe, *CACHELESS, root=tmp_path)
    assert read_progress(run.folder / "checkpoints/last")["step"] == 60


def test_an_error_between_steps_saves_first_and_the_resumed_run_is_the_same(
    whole: Path, home: Path, tmp_path: Path
) -> None:
    run = Run.prepare(home / "tiny.yaml", ["train.save=1000"], root=tmp_path)
    inner = run.reader.training_batch

    def gone(rows: Any, step: int, seed: int, progress: float = 0.0) -> Any:
        if step == 5:
            raise GanzooError("images: the disk is gone")
        return inner(rows, step, seed, progress)

    run.reader.training_batch = gone  # type: ignore[method-assign]
    with pytest.raises(GanzooError, match="images: the disk is gone"):
        train(run)
    assert read_progress(run.folder / "checkpoints/last")["step"] == 5
    (stopped,) = events(run.folder, "stopped")
    assert stopped["step"] == 5 and "the disk is gone" in stopped["error"]
    package.run(home / "tiny.yaml", root=tmp_path)
    assert_same(whole, run.folder)


def test_an_error_before_any_update_of_a_step_saves_first_and_the_resumed_run_is_the_same(
    home: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ganzoo_cyclegan.method import CycleGAN

    inner = CycleGAN.generator_losses

    def failing(self: CycleGAN, step: Any) -> Any:
        if step.index == 3:
            raise RuntimeError("CUDA out of memory")
        return inner(self, step)

    monkeypatch.setattr(CycleGAN, "generator_losses", failing)
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    with pytest.raises(GanzooError, match="out of memory at step 4"):
        train(run)
    assert read_progress(run.folder / "checkpoints/last")["step"] == 3
    assert f"{run.folder}: saved at step 3, as an error ends the training" in capsys.readouterr().out
    monkeypatch.setattr(CycleGAN, "generator_losses", inner)
    package.run(home / "tiny.yaml", root=tmp_path)
    assert_same(whole, run.folder)


def test_an_error_after_an_update_of_a_step_leaves_the_last_checkpoint_and_says_where_the_run_resumes(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    inner = run.engine.step

    def failing(micros: Any) -> Any:
        result = inner(micros)
        if micros[0].index == 3:
            raise RuntimeError("half a step")
        return result

    run.engine.step = failing  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="half a step"):
        train(run)
    assert read_progress(run.folder / "checkpoints/last")["step"] == 2
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"{run.folder}: not saved by this stop; the same command resumes it from step 2"


def test_a_bad_held_out_image_costs_the_evaluation_and_not_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path)
    run = Run.prepare(recipe, CACHELESS, root=tmp_path)
    held_out = [entry.path for domain in "AB" for entry in run.dataset.entries["validation", domain]]  # type: ignore[attr-defined]
    before = [file.read_bytes() for file in held_out]
    damage_after_start(run, 1, *held_out, tmp_path / "images/testA/00.png")
    with pytest.raises(GanzooError, match="the training is complete, but some metrics failed") as caught:
        train(run)
    assert str(caught.value).count("testA/00.png") == 1
    output = capsys.readouterr().out
    assert "step 4: not measured: cycle_l1, identity_l1: " in output and "step 4: no samples: " in output
    assert read_progress(run.folder / "checkpoints/last")["step"] == 8
    assert [one["step"] for one in events(run.folder, "samples-failed")] == [4, 8]
    for file, content in zip(held_out, before, strict=True):
        file.write_bytes(content)
