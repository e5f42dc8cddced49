"""ganzoo evaluate: runs, checkpoints and folders of images; the values equal those measured during training."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganzoo as package
from ganzoo.errors import GanzooError
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.provenance.record import read_records
from tests.support.command_line import Command, refusal
from tests.support.feature_networks import CLASSIFIER, save_model
from tests.support.planted_plugins import planted_site
from tests.support.random_images import save
from tests.support.tiny_run import lines, write_recipe


@pytest.fixture
def run(kept_copy: Path) -> Path:
    return kept_copy


def test_a_run_has_the_values_measured_at_the_end_of_training(run: Path) -> None:
    before = read_records(run / "results.jsonl")
    evaluate_targets([run])
    last, best = read_records(run / "results.jsonl")[len(before) :]
    for evaluated, trained in zip((last, best), before, strict=True):
        same = ("checkpoint", "trained", "values", "recipe_key", "weights", "data", "recipe", "name", "rule")
        assert [getattr(evaluated, name) for name in same] == [getattr(trained, name) for name in same]


@pytest.mark.parametrize("runs", ["v1.5", "plain"])
def test_the_recipe_of_a_run_is_named_as_the_folder_of_its_runs(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: str
) -> None:
    shutil.copytree(kept, tmp_path / runs / "seed-0")
    monkeypatch.chdir(tmp_path / runs)
    evaluate_targets([Path("seed-0")], checkpoint="last")
    assert read_records(tmp_path / runs / "seed-0/results.jsonl")[-1].recipe == runs


def test_checkpoint_metrics_and_split_can_be_chosen(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "records.jsonl"
    evaluate_targets([run / "checkpoints/step-2"], metrics=["cycle_l1"], split="validation", out=out)
    (record,) = read_records(out)
    assert (record.checkpoint, record.trained, record.step, record.split) == ("step-2", 2, 4, "validation")
    assert set(record.values) == {"cycle_l1_AB", "cycle_l1_BA"}
    assert record.fields() == read_records(run / "results.jsonl")[-1].fields() | {"time": record.time}
    logged = next(one for one in lines(run / "metrics.jsonl") if one["step"] == 4 and "values" in one)
    evaluate_targets([run], checkpoint="last", split="validation")
    again = read_records(run / "results.jsonl")[-1]
    assert again.values == pytest.approx(logged["values"])


def test_a_device_can_be_chosen(run: Path) -> None:
    evaluate_targets([run], device="cpu", checkpoint="last", split="test")
    with pytest.raises(GanzooError, match="--device is 'nonsense'"):
        evaluate_targets([run], device="nonsense")
    with pytest.raises(GanzooError, match="--device is 'nonsense'"):
        evaluate_targets([run / "samples"], against=run / "samples", metrics=["swd"], device="nonsense")


def test_an_evaluation_on_another_split_does_not_replace_the_final_one(run: Path, kept: Path) -> None:
    (run / "results.jsonl").unlink()
    evaluate_targets([run], split="train")
    package.run(kept.parents[1] / "tiny.yaml", root=run.parents[1])
    assert [one.split for one in read_records(run / "results.jsonl")] == ["train", "train", "test", "test"]


def random_images(folder: Path, count: int, level: int) -> Path:
    rng = np.random.default_rng(level)
    for i in range(count):
        height, width = 6 + i, 9
        save(folder / f"{i}.png", rng.integers(0, level, (height, width, 3), dtype=np.uint8))
    return folder


METRIC = """
from torch import Tensor
from ganzoo import hookimpl
from ganzoo.interfaces import Metric
GANZOO_INTERFACE = 1
class Lightness(Metric):
    reference = "measured"
    def __init__(self, *, breaks_at: int = 0, label: str = "gap"):
        self.breaks_at, self.label = breaks_at, label
    def rows(self, step, direction):
        return {"mean": step[f"fake_{direction[1]}"].mean(dim=(1, 2, 3))}
    def reference_rows(self, step, domain):
        return {"mean": step[f"real_{domain}"].mean(dim=(1, 2, 3))}
    def compute(self, rows, real):
        if len(rows["mean"]) == self.breaks_at:
            raise ZeroDivisionError("planted")
        return {self.label: float(rows["mean"].double().mean() - real["mean"].double().mean())}
@hookimpl
def ganzoo_register(registry):
    registry.add("metric", "lightness", Lightness)
"""


@pytest.fixture
def lightness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a plugin with a metric that compares two sets."""
    (tmp_path / "site").mkdir()
    with planted_site(tmp_path / "site", monkeypatch) as site:
        site.install("lightness", METRIC)
        yield


@pytest.mark.usefixtures("lightness")
def test_folders_are_measured_at_their_own_sizes(command: Command, tmp_path: Path) -> None:
    generated, real = random_images(tmp_path / "generated", 5, 100), random_images(tmp_path / "real", 3, 200)
    out = tmp_path / "records.jsonl"
    metrics = ("--metric", "lightness", "--metric", "{metric: lightness, label: again}")
    done = command("evaluate", generated, "--against", real, *metrics, "-o", out)
    assert done.returncode == 0, done.stderr
    (record,) = read_records(out)
    levels = []
    for folder, count, level in ((generated, 5, 100), (real, 3, 200)):
        rng = np.random.default_rng(level)
        levels.append([rng.integers(0, level, (6 + i, 9, 3), dtype=np.uint8).mean() / 127.5 for i in range(count)])
        assert folder.name in record.data.dataset
    assert record.values["gap"] == pytest.approx(np.mean(levels[0]) - np.mean(levels[1]), abs=1e-5)
    assert record.values["again"] == record.values["gap"]
    assert [record.about[name]["metric"] for name in ("gap", "again")] == ["lightness", "lightness (2)"]
    assert (record.about["gap"]["n_fake"], record.about["gap"]["n_real"]) == (5, 3)
    assert "5 translated, 3 real" in done.stdout


def test_the_source_images_of_images_in_folders_are_not_known(tmp_path: Path) -> None:
    generated, out = random_images(tmp_path / "generated", 2, 100), tmp_path / "records.jsonl"
    weights = save_model(tmp_path, CLASSIFIER, 5)
    entropy = f"{{metric: entropy_classification, model: {CLASSIFIER}, weights: {weights}, classes: 5}}"
    evaluate_targets([generated], against=generated, metrics=[entropy], out=out)
    (record,) = read_records(out)
    assert set(record.values) == {"entropy_classification_fake", "entropy_classification_real"}
    identity = f"{{metric: identity_distance, network: {CLASSIFIER}, weights: {weights}}}"
    message = refusal(evaluate_targets, [generated], against=generated, metrics=[identity])
    assert "compares translations with their sources, which are not known here" in message


def test_each_mistake_is_reported_in_one_line(command: Command, run: Path, tmp_path: Path) -> None:
    generated = random_images(tmp_path / "generated", 2, 100)
    empty = tmp_path / "empty"
    empty.mkdir()
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (tmp_path / "nothing", {}, "not a run, a checkpoint or a folder of images"),
        (generated, {}, "a folder of images, not a run; add the real images: --against FOLDER"),
        (generated, {"against": generated}, "no metrics; add --metric NAME"),
        (empty, {"against": generated, "metrics": ["cycle_l1"]}, "no images in it or in its subfolders"),
        (generated, {"against": empty, "metrics": ["cycle_l1"]}, "no images in it or in its subfolders"),
        (
            generated,
            {"against": generated, "metrics": ["digits_distance"]},
            "digits_distance: its classifiers learn from training",
        ),
        (generated, {"against": generated, "metrics": ["cycle"]}, "--metric: metric: unknown metric 'cycle'"),
        (generated, {"against": generated, "metrics": ["cycle_l1"]}, "generated: cycle_l1: the metric needs 'rec_A'"),
        (run, {"checkpoint": "step-9"}, "the run has no checkpoint 'step-9'"),
        (run, {"against": generated}, "--against is for folders of images"),
        (run, {"metrics": ["no_such"]}, "unknown metric 'no_such'"),
        (
            generated,
            {"against": generated, "changes": ["images.size=64"], "split": "train", "checkpoint": "best"},
            "generated: a folder of images; --checkpoint, --split, --set can only be given for runs",
        ),
        (run / "checkpoints/last", {"checkpoint": "best"}, "this is a checkpoint; leave --checkpoint out, or name the"),
        (run, {"out": tmp_path}, f"-o {tmp_path}: a folder; name a file in an existing folder"),
        (run, {"out": tmp_path / "no/a.jsonl"}, "no does not exist; name a file in an existing folder"),
    ]
    for target, options, expected in cases:
        message = refusal(evaluate_targets, [target], **options)
        assert expected in message and "\n" not in message
    before = (run / "results.jsonl").read_bytes()
    assert "not a run" in refusal(evaluate_targets, [run, tmp_path / "nothing"])
    assert (run / "results.jsonl").read_bytes() == before  # mistakes are found before any target is evaluated
    done = command("evaluate", empty, "--against", generated, "--metric", "cycle_l1")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


FAILED = "metric 'lightness' of plugin 'lightness': compute failed: ZeroDivisionError: planted"


@pytest.mark.usefixtures("lightness")
def test_a_metric_that_fails_at_the_end_loses_only_its_own_values(command: Command, tmp_path: Path) -> None:
    """The run is complete, the record names the failed metric, and the same command evaluates again."""
    settings = {"every": 2, "best": None, "metrics": ["cycle_l1", {"metric": "lightness", "breaks_at": 3}]}
    folder, more = tmp_path / "tiny/default", {"validation": 0.34}
    recipe = write_recipe(tmp_path, train={"steps": 2}, data=more, evaluate=settings)  # tried on 4 images, fails on 3
    for records in (1, 2):
        done = command("run", recipe, "--root", tmp_path)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        assert "some metrics failed" in done.stderr and FAILED in done.stderr
        results = read_records(folder / "results.jsonl")
        assert len(results) == records
    assert results[-1].status == "failed" and results[-1].failed["lightness"].startswith(FAILED)
    assert set(results[-1].values) == {"cycle_l1_AB", "cycle_l1_BA"}
    repaired = ["evaluate.metrics=[cycle_l1, lightness]"]
    assert command("run", recipe, "--root", tmp_path, *repaired).returncode == 0
    assert read_records(folder / "results.jsonl")[-1].status == "ok"


@pytest.mark.usefixtures("lightness")
def test_a_metric_that_fails_before_training_ends_the_command(command: Command, tmp_path: Path) -> None:
    settings = {"every": 2, "best": None, "metrics": [{"metric": "lightness", "breaks_at": 3}]}
    done = command("run", write_recipe(tmp_path, evaluate=settings), "--root", tmp_path)
    assert (done.returncode, done.stderr.count("\n"), (tmp_path / "tiny").exists()) == (2, 1, False)
    assert done.stderr.startswith(f"ganzoo: {FAILED} (") and "lightness/__init__.py:" in done.stderr


@pytest.mark.parametrize("place", [".", "default"])
def test_a_run_is_named_by_a_relative_path(run: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Also in a folder with dots in its name, as of a recipe a.b.yaml."""
    folder = run.parent.rename(run.parents[1] / "a.b") / run.name
    monkeypatch.chdir(folder if place == "." else folder.parent)
    evaluate_targets([Path(place)], metrics=["cycle_l1"], checkpoint="last")
    record = read_records(folder / "results.jsonl")[-1]
    assert (record.recipe, record.name) == ("a.b", "default")
