"""Out of memory: the error names three overrides with which a step fits, each tried and measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

import ganzoo
from ganzoo.engine.engine import Engine
from ganzoo.engine.fitting import _attempts
from ganzoo.errors import OutOfMemoryError
from ganzoo.settings import ImageSettings, TrainSettings
from ganzoo.step import Step
from tests.support.tiny_run import write_recipe


def test_three_overrides_that_fit_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only steps with fewer pixels than the recipe's, or in bf16, or with checkpointing fit on this stand-in device."""
    recipe = write_recipe(
        tmp_path, images={"size": 32, "load": 32}, train={"steps": 2, "batch": 4, "precision": "fp32"}
    )
    original, seen = Engine.step, []

    def limited(self: Engine, micros: Sequence[Step]) -> tuple[dict[str, Tensor], Tensor]:
        shape = micros[0]["real_A"].shape
        seen.append((shape, self.precision))
        if shape.numel() == 4 * 3 * 32 * 32:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, micros)

    monkeypatch.setattr(Engine, "step", limited)
    with pytest.raises(OutOfMemoryError) as caught:
        ganzoo.run(recipe, root=tmp_path / "runs")
    text = str(caught.value)
    assert text.startswith("a step does not fit into the memory: tried, and what each needed at its peak: ")
    named = re.findall(r"([\w. =]+?) \(([\d.]+ \w+)\)", text.partition("peak: ")[2])
    assert [one.strip("; ") for one, _ in named] == [
        "train.batch=2 train.accumulate=2",
        "images.size=24",
        "images.size=16",
    ]
    assert (torch.Size([4, 3, 32, 32]), "bf16") in seen  # tried, and it did not fit
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").rglob("checkpoints"))


@pytest.mark.parametrize(
    ("batch", "advice"), [(3, "train.batch=1 train.accumulate=6"), (9, "train.batch=3 train.accumulate=6")]
)
def test_the_advised_batch_keeps_the_images_of_a_step(batch: int, advice: str) -> None:
    engine: Any = SimpleNamespace(method=SimpleNamespace(group=1), precision="bf16")
    attempts = list(_attempts(engine, TrainSettings(batch=batch, accumulate=2), ImageSettings()))
    assert attempts[0].overrides == advice


def test_checkpointing_and_precision_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(
        tmp_path, images={"size": 32, "load": 32}, train={"steps": 2, "batch": 1, "precision": "fp32"}
    )
    original = Engine.step

    def limited(self: Engine, micros: Sequence[Step]) -> tuple[dict[str, Tensor], Tensor]:
        again = any("forward" in vars(part) for part in self.networks["G_AB"].modules())
        if self.precision == "fp32" and not again:
            raise MemoryError
        return original(self, micros)

    monkeypatch.setattr(Engine, "step", limited)
    with pytest.raises(OutOfMemoryError, match=r"peak: train.precision=bf16 \(.*\); train.checkpointing=true \(.*\); "):
        ganzoo.run(recipe, root=tmp_path / "runs")
