"""Tests on a GPU (make test-gpu): each precision trains, resumes and translates; fp16 runs on no other device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo
from tests.support.tiny_run import everything, lines, write_recipe

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_run_trains_resumes_and_translates(tmp_path: Path, precision: Any) -> None:
    recipe = write_recipe(tmp_path)
    values = ganzoo.run(recipe, f"train.precision={precision}", "train.steps=30", root=tmp_path)
    assert all(np.isfinite(value) for value in values.values())
    ganzoo.run(recipe, f"train.precision={precision}", "train.steps=40", root=tmp_path)
    saved = everything(tmp_path / "tiny/default/checkpoints/last")
    weights = [np.frombuffer(saved[name], np.float32) for name in saved if name.startswith("networks")]
    assert all(np.isfinite(value).all() for value in weights)
    translator = ganzoo.load(tmp_path / "tiny/default")
    assert translator.device.type == "cuda"
    with Image.open(tmp_path / "images/testA/00.png") as image:
        assert translator.translate(image).size == image.size


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_few_images_train_with_everything_on(tmp_path: Path, precision: Any) -> None:
    gan = {"loss": "lsgan", "real_label": 0.9, "r1": 1.0, "r2": 1.0, "penalty_every": 2}
    options = {"augment": {"ada": {"images": 20, "target": -1.0}}, "noise": 0.1, "spectral_norm": True}
    recipe = write_recipe(tmp_path, method={"method": "cyclegan", "gan": gan})
    words = [f"networks.D.{name}={value}" for name, value in options.items()]
    ganzoo.run(recipe, *words, f"train.precision={precision}", "train.log=1", root=tmp_path)
    losses = [one["losses"] for one in lines(tmp_path / "tiny/default/metrics.jsonl") if "losses" in one]
    assert all(np.isfinite(value) for line in losses for value in line.values())
    assert losses[-1]["augment/p_D_A"] > 0


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("method", ["cyclegan", "pix2pix"])
def test_cuda_graphs_keep_what_a_step_still_needs(tmp_path: Path, method: str, accumulate: int) -> None:
    """Generators first, or discriminators with a shared forward pass; and gradients of several micro-batches."""
    recipe, losses = write_recipe(tmp_path), []
    words = [
        f"train.accumulate={accumulate}",
        "train.steps=6",
        "train.log=1",
        "evaluate={metrics: [], every: 0, best: null}",
    ]
    if method == "pix2pix":
        words += ["method=pix2pix", f"data={{dataset: paired, layout: folders, root: {tmp_path}/images}}"]
    for name in ("false", "reduce-overhead"):
        ganzoo.run(recipe, *words, f"train.compile={name}", root=tmp_path / name)
        logged = lines(tmp_path / name / "tiny/default/metrics.jsonl")
        losses.append([one["losses"] for one in logged if "losses" in one])
    assert len(losses[0]) == 6
    for plain, graphs in zip(*losses, strict=True):
        assert graphs == pytest.approx(plain, rel=1e-2)


def test_training_on_the_gpu_equals_training_on_the_cpu(tmp_path: Path) -> None:
    """Random draws are the same on both devices: after a few steps the weights differ by rounding alone."""
    from accelerate import Accelerator
    from torch import nn

    from ganzoo.engine.engine import Engine
    from ganzoo.masks.roles import Roles
    from tests.support.stand_in_methods import TwoPlayers, batch_step, engine_of, weights

    cpu = engine_of(TwoPlayers())
    torch.manual_seed(1)
    method = TwoPlayers()
    method.bind({name: nn.Conv2d(3, 3, 1) for name in method.slots}, Roles())
    gpu = Engine(method, Accelerator())
    for index in range(3):
        cpu.step([batch_step(index=index, seed=index)])
        step = batch_step(index=index, seed=index)
        step.update({name: tensor.to(gpu.device) for name, tensor in step.items()})
        gpu.step([step])
    for name, value in weights(cpu).items():
        torch.testing.assert_close(weights(gpu)[name].cpu(), value, rtol=1e-3, atol=1e-5)
