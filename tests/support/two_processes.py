"""Train a recipe with one process and with two, in float64, and compare what they wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support.tiny_run import float64_run, lines


def assert_two_processes_train_as_one(recipe: Path, folder: Path, *words: str) -> None:
    """Assert that weights, averages, losses and metric values are the same; one process takes a batch of 4, two of 2.

    Biases are not compared: before a norm their gradient is zero but for rounding errors, which Adam scales up to the
    learning rate. They change no image.
    """
    one = float64_run(recipe, folder / "one", *words, "train.batch=4")
    two = float64_run(recipe, folder / "two", *words, "train.batch=2", processes=2)
    files = sorted((one / "checkpoints/last").glob("*/*.safetensors"))
    assert {file.parent.name for file in files} >= {"networks"}
    for file in files:
        single, double = load_file(file), load_file(two / file.relative_to(one))
        for key in (one for one in single if not one.endswith("bias")):
            name = f"{file.stem} {key}"
            torch.testing.assert_close(double[key], single[key], rtol=1e-5, atol=1e-7, msg=name)
    for name in ("metrics.jsonl", "results.jsonl"):
        for mine, theirs in zip(lines(one / name), lines(two / name), strict=True):
            for part in ("losses", "values"):
                assert theirs.get(part, {}) == pytest.approx(mine.get(part, {}), rel=1e-4)
