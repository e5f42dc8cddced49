"""Data sets, metrics and callbacks with a mistake: ``ganzoo run`` and ``check`` refuse them in one line.

The line names the component and a line of its author's file; the exit code is 2, and no run is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.command_line import Run
from tests.support.planted_plugins import Site, planted_site
from tests.support.tiny_run import write_recipe

DATASET = """\
import numpy as np
from PIL import Image
from ganzoo.interfaces import Dataset, Sample


class Planted(Dataset):
    \"\"\"Images of noise.\"\"\"

    channels = {"A": 3, "B": 3}

    def __init__(self):
        self.calls = 0

    def count(self, split, domain):
        return 4

    def sample(self, split, domain, index):
        self.calls += 1
        image = np.random.default_rng([len(split), ord(domain), index]).integers(0, 256, (20, 20, 3), np.uint8)
        name = f"{index}.png"
        return Sample(image, name)
"""
COUNT, SAMPLE, INIT = "return 4", "return Sample(image, name)", "self.calls = 0"
CHANNELS = 'channels = {"A": 3, "B": 3}'

DATASETS = [
    (COUNT, "return 4.0", "count returned the float 4.0 for train A; expected an int, 0 or more"),
    (COUNT, "return '4'", "count returned the text '4' for train A; expected an int, 0 or more"),
    (COUNT, "return None", "count returned None for train A; expected an int, 0 or more"),
    (COUNT, "return -1", "count returned the int -1 for train A; expected an int, 0 or more"),
    (COUNT, "return self.lengths[domain]", "count failed: AttributeError: 'Planted' object has no attribute 'lengths'"),
    (INIT, "1 / 0", "__init__ failed: ZeroDivisionError: division by zero"),
    (SAMPLE, "return None", "sample returned None"),
    (SAMPLE, "return image, name", "sample returned a tuple"),
    (SAMPLE, "return Image.fromarray(image)", "expected a Sample, made by Sample(image, name)"),
    (SAMPLE, "return Sample(Image.fromarray(image), name)", "expected a uint8 array (H, W, 3)"),
    (SAMPLE, "return Sample(image / 255, name)", "sample returned image: an array"),
    (SAMPLE, "return Sample(np.float32(image / 255), name)", "expected values 0 … 255: multiply them by 255"),
    (SAMPLE, "return Sample(np.float32(image) * 2, name)", "expected values 0 … 255, finite"),
    (SAMPLE, "return Sample(image[..., 0], name)", "expected a uint8 array (H, W, 3)"),
    (SAMPLE, "return Sample(image[..., :2], name)", "as channels says 3 for A"),
    (SAMPLE, "return Sample(image.transpose(2, 0, 1), name)", "as channels says 3 for A"),
    (SAMPLE, "return Sample(image, '')", "expected a text that no other image of the domain has"),
    (SAMPLE, "return Sample(image, index)", "expected a text that no other image of the domain has"),
    (SAMPLE, "return Sample(image, 'same.png')", "'same.png'"),
    (SAMPLE, "return Sample(image, name, mask=image[:9, :9, 0])", "mask"),
    (SAMPLE, "return Sample(image, name, mask=image)", "mask"),
    (SAMPLE, "return Sample(image, name, labels=image[..., 0] / 2)", "labels"),
    (SAMPLE, "return Sample(image, name, labels=image[:9, :9, 0])", "labels"),
    (SAMPLE, "return Sample(np.uint8(image + self.calls), name)", "train A 0"),
    (SAMPLE, "if index == 3: raise IndexError(index)\n        " + SAMPLE, "sample failed: IndexError: 3"),
    (SAMPLE, "return Sample(image, names[index])", "sample failed: NameError: name 'names' is not defined"),
    (CHANNELS, 'channels = {"A": 3, "C": 3}', "its channels has 'C' (there are: A, B)"),
    (
        CHANNELS,
        CHANNELS + '\n    classes = {"A": 5}',
        "classes is {'A': 5}; expected at least 2 for A, and as many as it has channels, 3",
    ),
    (CHANNELS, CHANNELS + "\n    version = 3", "its version is 3"),
    (CHANNELS, CHANNELS + '\n    alternatives = (("root",),)', "root"),
    (
        COUNT,
        "return 4 + (domain == 'B')\n\n    paired = True",
        "count returned 4 for train A, 5 for train B; expected equal numbers of images in both domains",
    ),
    (CHANNELS, CHANNELS + "\n    paired = 'yes'", "its paired is 'yes'"),
]

METRIC = """\
import torch
from ganzoo.interfaces import Metric


class Planted(Metric):
    \"\"\"The mean brightness.\"\"\"

    calls = 0

    def prepare(self, seed):
        self.seed = seed

    def rows(self, step, direction):
        self.calls += 1
        bright = step[f"fake_{direction[1]}"].mean(dim=(1, 2, 3))
        return {"bright": bright}

    def compute(self, rows, real):
        return {"bright": float(rows["bright"].mean())}
"""
ROWS, VALUES, CALLS = 'return {"bright": bright}', 'return {"bright": float(rows["bright"].mean())}', "calls = 0"
PREPARE = "self.seed = seed"
METRICS = [
    (ROWS, "return None", "rows returned None; expected a dict"),
    (ROWS, "return [bright]", "rows returned a list"),
    (ROWS, "return 0.5", "rows returned the float 0.5; expected a dict"),
    (ROWS, "return 'bright'", "rows returned the text 'bright'; expected a dict"),
    (ROWS, "return {}", "rows returned an empty dict"),
    (ROWS, "return {'bright': bright[:1]}", "expected name → tensor with 2 rows, one for each image of the batch"),
    (ROWS, "return {'bright': bright.repeat(2)}", "expected name → tensor with 2 rows, one for each image"),
    (ROWS, "return {'bright': bright.mean()}", "expected name → tensor with 2 rows, one for each image of the batch"),
    (ROWS, "return {'bright': bright.tolist()}", "rows returned bright: a list"),
    (ROWS, "return {f'bright{self.calls}': bright}", "expected the same names for each batch"),
    (ROWS, "return {'bright': bright / 0}", "rows returned bright: values that are not finite"),
    (ROWS, "return {'bright': step['fake_C']}", "rows failed: "),
    (VALUES, "return None", "compute returned None; expected a dict: name → float"),
    (VALUES, "return [0.5]", "compute returned a list"),
    (VALUES, "return 'good'", "compute returned the text 'good'; expected a dict: name → float"),
    (VALUES, "return {}", "compute returned an empty dict"),
    (VALUES, "return {'bright': rows['bright'].mean()}", "name → float, such as float(tensor)"),
    (VALUES, "return {'bright': 'good'}", "compute returned bright: the text 'good'"),
    (VALUES, "return {'bright': float('inf')}", "compute returned bright: inf; expected a finite number"),
    (VALUES, "return {'bright': rows['dark']}", "compute failed: KeyError: 'dark'"),
    (PREPARE, "1 / 0", "prepare failed: ZeroDivisionError: division by zero"),
    (PREPARE, PREPARE + "\n\n    def bind(self, method, reader):\n        1 / 0", "bind failed: ZeroDivisionError"),
    (CALLS, CALLS + "\n    directions = ('AC',)", "its directions is ('AC',)"),
    (CALLS, CALLS + "\n    reference = 'tests'", "its reference is 'tests'"),
    (CALLS, CALLS + "\n    reference = 'train'", "reference_rows"),
    (CALLS, CALLS + "\n    about = ['bright']", "its about is ['bright']"),
    (CALLS, CALLS + "\n    cache_key = 3", "its cache_key is 3"),
    (
        PREPARE,
        PREPARE + "\n\n    def caution(self, rows, real):\n        pass",
        "caution returned None; expected a text",
    ),
]

CALLBACK = """\
from ganzoo import hookimpl
from ganzoo.interfaces import Callback

GANZOO_INTERFACE = 1


class Watch(Callback):
    def on_step(self, run, step, losses):
        pass


@hookimpl
def ganzoo_callbacks(run):
    return Watch()
"""
CALLBACKS = [
    (
        "return Watch()",
        "return [Watch()]",
        "ganzoo_callbacks returned a list of 1 values; expected one Callback, or None",
    ),
    ("return Watch()", "return Watch", "ganzoo_callbacks returned the class Watch; expected an instance: Watch()"),
    ("return Watch()", "return 'watch'", "ganzoo_callbacks returned the text 'watch'; expected an instance of"),
    ("on_step(", "on_steps(", "function 'on_steps', which no event of a run calls (did you mean 'on_step'?)"),
    ("on_step(", "on_epoch(", "it has a function 'on_epoch', which no event of a run calls"),
    ("step, losses", "step, losses, rate", "on_step cannot be called with its 3 arguments"),
]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with planted_site(tmp_path, monkeypatch) as site:
        yield site


def planted(text: str, right: str, wrong: str) -> str:
    """Return the code with the mistake."""
    assert text.count(right) == 1
    return text.replace(right, wrong)


def refused(run: Run, recipe: Path, file: Path, *, check: bool) -> str:
    """Return the line that refuses the recipe, which is the same for ``run`` and, with ``check``, for ``check``."""
    lines = []
    for command in ["check", "run"] if check else ["run"]:
        words = ["--root", recipe.parent / "runs", "--device", "cpu"] if command == "run" else []
        code, _, err = run(command, recipe, *words)
        assert code == 2, (command, err)
        assert err.count("\n") == 1 and f"({file}:" in err, (command, err)
        lines.append(err)
    return lines[-1]


@pytest.mark.parametrize(("right", "wrong", "message"), DATASETS, ids=[f"{i}" for i in range(len(DATASETS))])
def test_data_sets(right: str, wrong: str, message: str, tmp_path: Path, site: Site, run: Run) -> None:
    file = site.plant("dataset", planted(DATASET, right, wrong))
    recipe = write_recipe(tmp_path)
    settings = yaml.safe_load(recipe.read_text())
    recipe.write_text(yaml.safe_dump(settings | {"data": {"dataset": "planted"}}))
    line = refused(run, recipe, file, check=True)
    assert "dataset 'planted' of plugin 'theirs': " in line and message in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("right", "wrong", "message"), METRICS, ids=[f"{i}" for i in range(len(METRICS))])
def test_metrics(right: str, wrong: str, message: str, tmp_path: Path, site: Site, run: Run) -> None:
    file = site.plant("metric", planted(METRIC, right, wrong))
    recipe = write_recipe(tmp_path, data={"validation": 0.34}, evaluate={"metrics": ["planted"], "best": None})
    line = refused(run, recipe, file, check=True)
    assert "metric 'planted' of plugin 'theirs': " in line and message in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("right", "wrong", "message"), CALLBACKS, ids=[f"{i}" for i in range(len(CALLBACKS))])
def test_callbacks(right: str, wrong: str, message: str, tmp_path: Path, site: Site, run: Run) -> None:
    site.install("theirs", planted(CALLBACK, right, wrong))
    recipe, file = write_recipe(tmp_path, evaluate={"metrics": [], "best": None}), tmp_path / "theirs/__init__.py"
    line = refused(run, recipe, file, check=False)
    assert "of plugin 'theirs': " in line and message in line
    folder = tmp_path / "runs/tiny/default"
    assert not (folder / "checkpoints/last").exists() and not (folder / "metrics.jsonl").read_text()
