"""``ganzoo evaluate --per-image``: a CSV file with the values of single images, of several metrics and checkpoints."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo as package
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import CollectedRows
from ganzoo.evaluation.per_image import PerImageFile
from ganzoo.evaluation.records import Measured
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.interfaces import Direction, Metric
from ganzoo.provenance.record import read_records
from ganzoo.step import Step
from ganzoo_metrics import cycle_errors
from tests.support.command_line import Command, refusal
from tests.support.tiny_run import write_recipe
from tests.support.torchrun import two_processes

SWD = "{metric: swd, patches: 8, projections: 8}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    package.run(write_recipe(folder, images={"size": 16}, train={"steps": 2}), root=folder)
    return folder / "tiny/default"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "tiny/default"))


def read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_a_row_for_each_image_and_direction_whose_mean_is_the_value(run: Path, tmp_path: Path) -> None:
    file, metrics = tmp_path / "images.csv", ["cycle_l1", SWD, "{metric: identity_l1}"]
    file.write_text("replaced")
    evaluate_targets([run], metrics=metrics, per_image=file)
    rows = read(file)
    assert list(rows[0]) == ["target", "checkpoint", "split", "direction", "image", "cycle_l1", "identity_l1"]
    records = {one.checkpoint: one for one in read_records(run / "results.jsonl")[-2:]}
    assert {one["checkpoint"] for one in rows} == set(records) == {"last", "best"}
    for checkpoint, record in records.items():
        for way in ("AB", "BA"):
            mine = [one for one in rows if (one["checkpoint"], one["direction"]) == (checkpoint, way)]
            assert [Path(one["image"]).name for one in mine] == ["00.png", "01.png", "02.png"]
            assert {(one["target"], one["split"]) for one in mine} == {(str(run), "test")}
            for metric in ("cycle_l1", "identity_l1"):
                mean = np.mean([float(one[metric]) for one in mine])
                assert mean == pytest.approx(record.values[f"{metric}_{way}"], rel=1e-6)
    assert [one.name for one in tmp_path.iterdir() if ".part" in one.name] == []


def test_several_runs_share_a_file_and_a_metric_that_does_not_fit_leaves_it_as_it_is(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "tiny/other"))
    file = tmp_path / "images.csv"
    evaluate_targets([run, other], metrics=["cycle_l1"], checkpoint="last", per_image=file)
    assert [one["target"] for one in read(file)] == [str(run)] * 6 + [str(other)] * 6
    with pytest.raises(GanzooError, match="pair_l1"):
        evaluate_targets([run], metrics=["cycle_l1", "pair_l1"], checkpoint="last", per_image=file)
    assert len(read(file)) == 12  # the metric does not fit, so nothing was measured and the file is as it was


def collected(names: list[str], **columns: torch.Tensor) -> CollectedRows:
    rows: Any = {("m", "AB"): columns}
    return CollectedRows(rows, {"A": len(names)}, {}, {"A": names})


def test_names_are_quoted_and_numbers_keep_all_digits(tmp_path: Path) -> None:
    names = ['a "b", c.png', "line\nbreak.png", "ö/umlaut.png", "bad\udcff.png"]
    values = torch.tensor([1 / 3, 1e-9, -2.0, 123456.789])
    table = PerImageFile(tmp_path / "out.csv")
    table.add(Measured(Path("first,run"), {}, collected(names, m=values, vectors=torch.ones(4, 2)), "last"))
    unrelated = {"real_B": torch.zeros(1), "fake_B": torch.ones(1)}  # this real image belongs to no source image
    table.add(Measured(Path("second"), {}, collected(["x"], area=torch.ones(1, 1, 1), **unrelated)))
    rows = read(tmp_path / "out.csv")
    assert [one["image"] for one in rows] == [*names[:3], "bad\\udcff.png", "x"]
    assert [np.float32(one["m"]) for one in rows[:4]] == values.tolist()
    assert (rows[0]["target"], rows[0]["m.area"], rows[4]["m"], rows[4]["m.area"]) == ("first,run", "", "", "1")
    assert not any("vectors" in one or "real_B" in one for one in rows[0]) and rows[4]["m.fake_B"] == "1"


def test_a_metric_of_sets_has_no_column(run: Path, tmp_path: Path) -> None:
    evaluate_targets([run], metrics=[SWD], checkpoint="last", per_image=tmp_path / "images.csv")
    assert read(tmp_path / "images.csv") == []


class Brightness(Metric):
    """The mean of a translation."""

    def rows(self, step: Step, direction: Direction) -> dict[str, torch.Tensor]:
        return {"brightness": step[f"fake_{direction[1]}"].mean((1, 2, 3))}


class Failing(Brightness):
    """A metric whose rows fail."""

    def rows(self, step: Step, direction: Direction) -> dict[str, torch.Tensor]:
        raise GanzooError("no rows today")


def test_a_folder_of_images_has_rows_without_a_checkpoint(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycle_errors, "CycleL1", Brightness)
    folder = tmp_path / "generated"
    folder.mkdir()
    for name, level in (("dark.png", 0), ("light.png", 255)):
        Image.new("RGB", (16, 16), (level,) * 3).save(folder / name)
    evaluate_targets([folder], against=folder, metrics=["cycle_l1"], per_image=tmp_path / "a.csv")
    rows = read(tmp_path / "a.csv")
    assert [(one["checkpoint"], Path(one["image"]).name) for one in rows] == [("", "dark.png"), ("", "light.png")]
    assert [float(next(reversed(one.values()))) for one in rows] == [-1, 1]


def test_a_metric_that_fails_loses_its_own_column(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_errors, "CycleL1", Failing)
    file = tmp_path / "images.csv"
    with pytest.raises(GanzooError, match="no rows today"):
        evaluate_targets([run], metrics=["cycle_l1", "identity_l1"], checkpoint="last", per_image=file)
    rows = read(file)
    assert len(rows) == 6 and all(float(one["identity_l1"]) > 0 for one in rows)
    assert not any("cycle" in name or "brightness" in name for name in rows[0])


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(run: Path, tmp_path: Path) -> None:
    before = (run / "results.jsonl").read_text()
    message = refusal(evaluate_targets, [run], per_image=tmp_path)
    assert message == f"--per-image {tmp_path}: a folder; name a file in an existing folder"
    assert "does not exist; name a file" in refusal(evaluate_targets, [run], per_image=tmp_path / "no/a.csv")
    assert (run / "results.jsonl").read_text() == before


def test_the_command_takes_both_options(command: Command, run: Path, tmp_path: Path) -> None:
    words = ("--checkpoint", "last", "--per-image", tmp_path / "a.csv", "--bootstrap", "9")
    done = command("evaluate", run, *words)
    assert done.returncode == 0, done.stderr
    assert "intervals of 9 draws" in done.stdout + done.stderr
    assert len(read(tmp_path / "a.csv")) == 6


@pytest.mark.slow
def test_two_processes_write_what_one_does(
    command: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "1.csv", tmp_path / "2.csv"]
    for count, file in enumerate(files, 1):
        monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / f"cache{count}"))
        words = ["evaluate", run, "--set", "evaluate.batch=1", "--per-image", file, "--bootstrap", "20"]
        done = command(*words) if count == 1 else two_processes("-m", "ganzoo", *words)
        assert done.returncode == 0, done.stderr
    assert files[0].read_text() == files[1].read_text()
    assert len(read(files[0])) == 12
    *_, one, _, two, _ = read_records(run / "results.jsonl")
    assert one.about == two.about
