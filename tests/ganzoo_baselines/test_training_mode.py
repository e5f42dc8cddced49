"""pix2pix's translation with batch norm and dropout in training mode: numbers, draws, and what must not change."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor, nn

import ganzoo
from ganzoo.data.loader import Reader
from ganzoo.interfaces import Direction, Metric
from ganzoo.randomness import torch_seed
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_baselines.pix2pix import Pix2Pix
from ganzoo_baselines.training_mode import forward_in_training_mode
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.unet import UNet
from tests.support.command_line import Run
from tests.support.stand_in_methods import Noise, batch_step, engine_of, values_of
from tests.support.tiny_run import RECIPE


def generator() -> UNet:
    """A U-Net that has batch norm, and dropout at one level, after some steps' worth of statistics."""
    torch.manual_seed(0)
    network = UNet(3, 3, levels=6, width=2, norm="batch", dropout=True)
    for one in network.parameters():
        one.data.mul_(8)  # else images would hardly differ
    for seed in range(3):
        network(batch_step(4, size=64, seed=seed)["real_A"])
    return network.eval()


def plainly(network: nn.Module, image: Tensor, seed: int) -> Tensor:
    """Return what a copy in training mode makes of one image."""
    copy = deepcopy(network).train()
    torch.manual_seed(seed)
    return copy(image)


def test_it_is_training_mode_image_by_image() -> None:
    network, step = generator(), batch_step(3, size=64, seed=5, samples=[4, 7, 2], index=-1, training=False)
    made = forward_in_training_mode(network, step["real_A"], step)
    for image, sample, one in zip(step["real_A"], (4, 7, 2), made, strict=True):
        expected = plainly(network, image[None], torch_seed(0, -1, sample, "dropout"))
        torch.testing.assert_close(one[None], expected)
    assert not torch.allclose(made, network(step["real_A"]), atol=0.01)


def test_an_image_does_not_depend_on_its_batch_and_has_its_own_draws() -> None:
    network, image = generator(), batch_step(1, size=64)["real_A"]
    together = batch_step(2, size=64, samples=[3, 8], training=False)
    both = forward_in_training_mode(network, torch.cat([image, image]), together)
    alone = forward_in_training_mode(network, image, batch_step(1, size=64, samples=[8], training=False))
    assert torch.equal(both[1:], alone)
    assert not torch.allclose(both[0], both[1], atol=0.01)


def test_the_network_and_torchs_generator_are_left_as_they_were() -> None:
    network, step = generator(), batch_step(2, size=64, training=False)
    before, drawn = deepcopy(network.state_dict()), torch.get_rng_state()
    evaluated = network(step["real_A"])
    forward_in_training_mode(network, step["real_A"], step)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert not any(layer.training for layer in network.modules())
    assert all(torch.equal(one, before[name]) for name, one in network.state_dict().items())
    assert torch.equal(network(step["real_A"]), evaluated)
    with pytest.raises(RuntimeError):
        forward_in_training_mode(network, step["real_A"][:, :1], step)
    assert torch.equal(network(step["real_A"]), evaluated)


def test_a_synchronized_norm_uses_the_statistics_of_its_own_process() -> None:
    """In training mode it would wait for the others, who may have fewer images; on a CPU it would raise."""
    network = nn.SyncBatchNorm.convert_sync_batchnorm(generator())
    step = batch_step(1, size=64, training=False)
    ours, plain = (forward_in_training_mode(one, step["real_A"], step) for one in (network, generator()))
    torch.testing.assert_close(ours, plain)


@pytest.mark.parametrize("option", [False, True])
def test_the_method_uses_it_outside_training_alone(option: bool) -> None:
    method = Pix2Pix(as_trained=option)
    engine = engine_of(method, {"G_AB": generator(), "D_AB": Patch(6, width=2, layers=1)})
    step = batch_step(2, size=64, training=False)
    network = engine.networks["G_AB"]
    with engine.evaluating():
        method.forward(step)
        evaluated = network(step["real_A"])
        expected = forward_in_training_mode(network, step["real_A"], step) if option else evaluated
        assert torch.equal(step["fake_B"], expected)
        assert torch.equal(method.translate(step["real_A"], "AB", step), step["fake_B"])
    training = batch_step(2, size=64)
    copy = deepcopy(network)
    torch.manual_seed(3)
    method.forward(training)
    torch.manual_seed(3)
    assert torch.equal(training["fake_B"], copy(training["real_A"]))


class Mean(Metric):
    """The mean of a translation."""

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        return {"mean": step["fake_B"].mean(dim=(1, 2, 3))}


def test_metric_values_do_not_depend_on_the_batch_of_the_evaluation() -> None:
    engine = engine_of(Pix2Pix(as_trained=True), {"G_AB": generator(), "D_AB": Patch(6, width=2, layers=1)})
    reader = Reader(Noise(test=5, size=64), ImageSettings(size=64))
    before = deepcopy(engine.networks["G_AB"].state_dict())
    found = [values_of(engine, reader, Mean(), batch=batch) for batch in (1, 3)]
    assert found[0] == found[1]
    assert all(torch.equal(one, before[name]) for name, one in engine.networks["G_AB"].state_dict().items())
    plain = engine_of(Pix2Pix(), {"G_AB": generator(), "D_AB": Patch(6, width=2, layers=1)})
    assert abs(values_of(plain, reader, Mean())["mean"] - found[0]["mean"]) > 1e-3


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A run on pairs side by side, of a network that has dropout."""
    for split, count in (("train", 6), ("test", 3)):
        (tmp_path / split).mkdir()
        for i in range(count):
            pixels = np.random.default_rng([len(split), i]).integers(0, 256, (64, 128, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / split / f"{i}.png")
            Image.fromarray(pixels[:, :64]).save(tmp_path / f"{split}{i}.png")
    recipe = {
        **RECIPE,
        "method": {"method": "pix2pix", "as_trained": True},
        "networks": {
            "G": {"generator": "unet", "levels": 6, "width": 2},
            "D": {"discriminator": "patch", "width": 2, "layers": 1},
        },
        "data": {"dataset": "paired", "root": str(tmp_path), "validation": 0.3},
        "images": {"size": 64},
        "evaluate": {},
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    ganzoo.run(tmp_path / "tiny.yaml", "train.steps=2", root=tmp_path / "runs")
    return tmp_path


def test_the_command_line_draws_by_seed(run: Run, home: Path, tmp_path: Path) -> None:
    def translated(name: str, *words: object) -> np.ndarray:
        out = tmp_path / name
        images = sorted(home.glob("test*.png"))
        code, _, err = run("translate", home / "runs/tiny/default", *images, "-o", out, *words)
        assert (code, err) == (0, "")
        return np.stack([np.asarray(Image.open(file)) for file in sorted(out.iterdir())])

    first = translated("first")
    assert np.array_equal(first, translated("again"))
    assert not np.array_equal(first, translated("other", "--seed", 5))
