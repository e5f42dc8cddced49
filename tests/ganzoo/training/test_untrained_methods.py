"""Methods without phases: no length and no training, but metric values, samples and translation."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import ganzoo
from ganzoo.plugins import plugins
from ganzoo.recipe.reader import read_recipe
from tests.support.command_line import Run, refusal
from tests.support.tiny_run import lines, make_images

PLUGIN = '''
"""One method without phases."""
import ganzoo
from ganzoo.interfaces import Method, Output

GANZOO_INTERFACE = 1


class Negative(Method):
    """Turns dark to light."""

    def __init__(self):
        self.slots, self.optims, self.phases = {}, {}, []
        self.tensors = {"fake_B": Output("A", "B"), "fake_A": Output("B", "A")}

    def forward(self, step):
        for source, target in self.directions:
            step[f"fake_{target}"] = step[f"rec_{source}"] = -step[f"real_{source}"]

    def translate(self, images, direction, step):
        return -images


@ganzoo.hookimpl
def ganzoo_register(registry):
    registry.add("method", "negative", Negative)
'''


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the method; return a recipe that uses it."""
    (tmp_path / "negative_plugin.py").write_text(PLUGIN)
    info = tmp_path / "negative-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: negative\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganzoo]\nnegative = negative_plugin\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins.cache_clear()
    images = make_images(tmp_path / "images", train=2, test=3)
    parts = {
        "method": "negative",
        "data": {"dataset": "folders", "root": str(images)},
        "images": {"size": 16},
        "evaluate": {"metrics": ["cycle_l1"]},
    }
    (tmp_path / "still.yaml").write_text(yaml.safe_dump(parts))
    yield tmp_path / "still.yaml"
    plugins.cache_clear()
    sys.modules.pop("negative_plugin", None)


def test_a_method_without_phases_has_no_length(recipe: Path) -> None:
    assert read_recipe(recipe).resolved()["train"]["steps"] == 0
    assert read_recipe(recipe, ["train.epochs=0"]).train.epochs == 0
    for override in ("train.steps=5", "train.epochs=5"):
        message = refusal(read_recipe, recipe, [override])
        place = f"command line: {override}: train"
        assert message == f"{place}: the method has nothing to train: remove 'epochs' and 'steps', or set them to 0"


def test_its_run_measures_draws_samples_and_translates(recipe: Path, run: Run, tmp_path: Path) -> None:
    code, output, err = run("run", recipe, "train.precision=fp32", "--root", tmp_path / "runs")
    assert (code, err) == (0, "")
    assert "negative on cpu, fp32: nothing to train; 2 A, 2 B\n" in output
    assert "ganzoo translate" in output and "twice as long" not in output
    folder = tmp_path / "runs/still/default"
    (result,) = lines(folder / "results.jsonl")
    assert result["images"] == {"A": 3, "B": 3} and result["split"] == "test" and result["step"] == 0
    pixels = [np.asarray(Image.open(one).resize((16, 16), Image.Resampling.BICUBIC)) for one in (
        tmp_path / "images/testA").iterdir()]  # fmt: skip
    expected = float(np.mean([np.abs(2 * (one / 127.5 - 1)).mean() for one in pixels]))
    assert result["values"]["cycle_l1_AB"] == pytest.approx(expected, rel=0.02)
    assert [one.name for one in (folder / "samples").iterdir()] == ["step-0000000.png"]
    assert not (folder / "metrics.jsonl").read_text()  # without training it is evaluated once only, at the end
    assert json.loads((folder / "checkpoints/last/progress.json").read_text())["step"] == 0
    assert list((folder / "checkpoints/last/networks").iterdir()) == []

    source = next((tmp_path / "images/testA").iterdir())
    assert run("translate", folder, source, "-o", tmp_path / "out")[0] == 0
    translated = np.asarray(Image.open(tmp_path / "out" / source.name))
    assert np.abs(translated.astype(int) - (255 - np.asarray(Image.open(source)).astype(int))).max() <= 1
    batch = torch.rand(2, 3, 8, 8) * 2 - 1
    assert torch.equal(ganzoo.load(folder).translate(batch, "BA"), -batch)


def test_the_same_command_again_changes_nothing(recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs/still/default"
    values = ganzoo.run(recipe, root=tmp_path / "runs")
    files = [folder / "results.jsonl", *sorted((folder / "samples").iterdir())]
    files += [one for one in sorted((folder / "checkpoints").rglob("*")) if one.is_file()]
    before = [(one.read_bytes(), one.stat().st_mtime_ns if one.suffix != ".jsonl" else 0) for one in files]
    assert ganzoo.run(recipe, root=tmp_path / "runs") == values
    assert [(one.read_bytes(), one.stat().st_mtime_ns if one.suffix != ".jsonl" else 0) for one in files] == before


def test_check_reports_the_cost_of_an_image_unless_quick(
    recipe: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, output, err = run("check", recipe)
    assert (code, err) == (0, "")
    assert "\nnothing to train\nmeasured with one forward on cpu:\n  time     " in output
    monkeypatch.delattr(plugins().registry.get("method", "negative").load(), "forward")
    code, output, err = run("check", recipe, "--quick")
    assert (code, err) == (0, "")
    assert output.rstrip().endswith("nothing to train")
