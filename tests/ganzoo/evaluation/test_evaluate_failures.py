"""What ganzoo evaluate keeps when something fails: values are printed, and every failure is reported."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ganzoo.provenance.record import read_records
from tests.support.command_line import Run
from tests.support.random_images import noise, save


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        save(tmp_path / f"images/{name}.png", noise(20, 18, 3))
    return tmp_path / "images"


def test_values_are_printed_and_recorded_elsewhere_if_the_records_of_the_run_cannot_be_written(
    run: Run, kept_copy: Path, tmp_path: Path
) -> None:
    (kept_copy / "results.jsonl").unlink()
    (kept_copy / "results.jsonl").mkdir()
    code, out, err = run("evaluate", kept_copy, "--metric", "cycle_l1", "-o", tmp_path / "out.jsonl")
    assert code == 2 and out.count("cycle_l1_AB") == 2
    assert err == f"ganzoo: {kept_copy}/results.jsonl: cannot be written: Is a directory\n" * 2
    assert [one.checkpoint for one in read_records(tmp_path / "out.jsonl")] == ["last", "best"]


def test_what_is_missing_is_said_before_the_first_target_is_measured(
    run: Run, kept_copy: Path, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert run("evaluate", kept_copy, tmp_path / "empty", "--metric", "cycle_l1")[1:] == (
        "",
        f"ganzoo: {tmp_path}/empty: a folder of images, not a run; add the real images: --against FOLDER\n",
    )
    words = ("evaluate", images, tmp_path / "empty", "--against", images, "--metric", "swd")
    out, err = run(*words)[1:]
    assert out == "" and err.startswith(f"ganzoo: {tmp_path}/empty: no images in it or in its subfolders")
    other = shutil.copytree(kept_copy, tmp_path / "other/default")
    shutil.rmtree(other / "checkpoints/step-2")
    assert run("evaluate", kept_copy, other, "--checkpoint", "step-2")[1:] == (
        "",
        f"ganzoo: {other}: the run has no checkpoint 'step-2'\n",
    )


def test_a_later_target_that_fails_does_not_hide_the_failures_of_an_earlier_one(
    run: Run, images: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "a.png").write_bytes(b"no image")
    metric = "{metric: swd, real: train}"
    code, _, err = run("evaluate", images, bad, "--against", images, "--metric", metric)
    assert code == 2 and err.splitlines()[0] == (
        f"ganzoo: {images}: swd: it compares with train images of B, and there are none"
    )
    assert f"{bad}/a.png" in err


def test_a_checkpoint_and_a_folder_are_named_from_within(
    run: Run, kept_copy: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kept_copy / "checkpoints")
    code, out, err = run("evaluate", "best", "--metric", "cycle_l1")
    assert (code, err) == (0, "") and ", best of step" in out
    monkeypatch.chdir(images)
    assert run("evaluate", ".", "--against", images, "--metric", "swd", "-o", tmp_path / "out.jsonl")[0] == 0
    (record,) = read_records(tmp_path / "out.jsonl")
    assert (record.name, record.data.dataset) == ("images", "images against images")
