"""The step that a new run tries changes nothing: no weight, buffer, optimizer, average or state of any method."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from ganzoo.engine.distributed import start_accelerator
from ganzoo.recipe.reader import read_recipe
from ganzoo.training.run import Run
from tests.support.pages import ROOT
from tests.support.tiny_run import make_images
from tests.test_recipes import narrow

RECIPES = (
    *("quickstart", "mask_digits", "learned_digits", "munit_digits", "cut_small", "drit_small", "segmenter"),
    *("attention_gan_small", "ugatit_small", "dclgan_small", "negcut_small", "uvcgan2_small"),
    *("augmented_cyclegan_small", "bicyclegan_small", "cogan_small", "simgan_small"),
)


def everything(run: Run) -> dict[str, Any]:
    engine = run.engine
    averages = engine.average.networks if engine.average else {}
    state: dict[str, Any] = {f"network {name}": network.state_dict() for name, network in engine.networks.items()}
    state |= {f"average {name}": network.state_dict() for name, network in averages.items()}
    state |= {f"optimizer {name}": optimizer.state_dict() for name, optimizer in engine.optimizers.items()}
    state |= {"method": engine.method.state_dict(), "scale": engine.scale.state_dict()}
    state["trained"] = {name: [p.requires_grad for p in net.parameters()] for name, net in engine.networks.items()}
    state["random numbers"] = torch.random.get_rng_state()
    return deepcopy(state)


def assert_equal(one: Any, other: Any, where: str) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            assert_equal(one[name], other[name], f"{where}.{name}")
    else:
        assert one == other, where


@pytest.mark.parametrize("name", RECIPES)
def test_the_tried_step_is_undone(tmp_path: Path, name: str) -> None:
    file = ROOT / "recipes" / f"{name}.yaml"
    changes = [*narrow(file, make_images(tmp_path / "images", masks=True)), "evaluate.metrics=[]", "train.ema=0.5"]
    run = Run(read_recipe(file, changes), tmp_path / "run", start_accelerator())
    before = everything(run)
    run.try_step()
    assert_equal(before, everything(run), name)
    assert all(p.grad is None for network in run.engine.networks.values() for p in network.parameters())
    assert not (tmp_path / "run").exists()
