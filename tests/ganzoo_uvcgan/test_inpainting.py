"""Pre-training by inpainting: its masks, its loss, its learning rate, and a run that begins with its generators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn

import ganzoo
from ganzoo.masks.roles import Roles
from ganzoo.step import Step
from ganzoo_uvcgan.generator import ViTUNet
from ganzoo_uvcgan.inpainting import Inpainting
from tests.ganzoo_uvcgan.test_contracts import NETWORKS
from tests.support.command_line import refusal
from tests.support.plain_steps import assert_trains_plainly, l1
from tests.support.tiny_run import RECIPE, make_images

TINY: dict[str, Any] = {"width": 2, "levels": 1, "size": 4, "heads": 2, "blocks": 1}


def networks() -> dict[str, nn.Module]:
    made: dict[str, nn.Module] = {name: ViTUNet(3, 3, **TINY) for name in ("G_AB", "G_BA")}
    for network in made.values():
        for one in network.parameters():
            nn.init.normal_(one, 0, 0.3)
    return made


def plainly(method: Any, step: Step, phase: str) -> dict[str, Tensor]:
    terms = {}
    for name in ("AB", "BA"):
        for domain in "AB":
            image = step[f"real_{domain}"]
            masked = image.clone()
            for i, draws in enumerate(step.rng(f"squares/{domain}").uniform(1, 3, 3)[:, 0]):
                for row in range(3):
                    for column in range(3):
                        if draws[row, column] <= 0.4:
                            masked[i, :, row * 6 : row * 6 + 6, column * 6 : column * 6 + 6] = -1
            terms[f"{domain}_{name}"] = l1(method.networks[f"G_{name}"](masked), image)
    return terms


def test_a_step_is_the_formula() -> None:
    """Squares of 6 pixels on images of 16. AdamW without weight decay is Adam, which the plain loop has."""
    method, mirror = Inpainting(square=6), Inpainting(square=6)
    assert method.optims["G"].options == {"betas": (0.9, 0.99), "weight_decay": 0.05}
    for one in (method, mirror):
        one.optims["G"].options["weight_decay"] = 0.0  # type: ignore[index]
    assert_trains_plainly(method, mirror, networks, plainly, betas=(0.9, 0.99))


def test_the_share_of_black_squares() -> None:
    method = Inpainting(square=1, share=0.3)
    step = Step({"real_A": torch.zeros(2, 3, 60, 50)}, samples=(0, 1))
    masked = method.mask(step, "A")
    assert set(masked.unique().tolist()) == {-1.0, 0.0}
    assert (masked == -1).float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert not torch.equal(masked[0], masked[1]) and torch.equal(masked[:, 0], masked[:, 2])


def test_the_learning_rate_falls_in_cycles() -> None:
    method = Inpainting(cycles=2)
    factors = [method.lr_factor(done, 8, 0.5, done) for done in range(8)]
    assert factors[:4] == factors[4:] == pytest.approx([1, 0.85356, 0.5, 0.14645], abs=1e-4)
    assert Inpainting(cycles=1).lr_factor(10**6 - 1, 10**6, 0, 0) == pytest.approx(1e-5, rel=1e-3)


def test_domains_with_other_channels_are_refused() -> None:
    method = Inpainting()
    method.bind(networks(), Roles())
    step = Step({"real_A": torch.zeros(1, 1, 8, 8), "real_B": torch.zeros(1, 3, 8, 8)})
    assert "inpainting: the domains differ in channels" in refusal(method.forward, step)


def test_a_run_of_uvcgan2_begins_with_its_generators(tmp_path: Path) -> None:
    off = {"metrics": [], "every": 0, "best": None}
    data = {"dataset": "folders", "root": str(make_images(tmp_path / "images"))}
    for name, method, networks in (("first", "inpainting", {"G": NETWORKS["G"]}), ("second", "uvcgan2", NETWORKS)):
        recipe = {**RECIPE, "method": method, "networks": networks, "data": data, "evaluate": off}
        recipe["train"] = {**RECIPE["train"], "ema": 0}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(recipe))
    runs = tmp_path / "runs"
    ganzoo.run(tmp_path / "first.yaml", "train.steps=2", root=runs)
    first, second = (runs / name / "default" for name in ("first", "second"))
    ganzoo.run(tmp_path / "second.yaml", "train.steps=1", "train.lr=1e-12", f"train.start={first}", root=runs)

    def weights(run: Path, name: str) -> dict[str, Tensor]:
        return load_file(run / "checkpoints/last/networks" / f"{name}.safetensors")

    for name in ("G_AB", "G_BA"):
        mine, theirs = weights(second, name), weights(first, name)
        assert mine.keys() == theirs.keys()
        for key, tensor in mine.items():
            torch.testing.assert_close(tensor, theirs[key], rtol=0, atol=1e-8)
