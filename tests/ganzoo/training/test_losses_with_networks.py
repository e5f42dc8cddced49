"""Losses with a network of their own: trained in their phase, saved, resumed, the same for several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import ganzoo
from ganzoo import GanzooError
from ganzoo.build import Experiment
from ganzoo.inference.publish_files import write_networks
from ganzoo.interfaces import Loss, Method, Reader
from ganzoo.recipe.reader import read_recipe
from ganzoo.training.run import Run
from ganzoo_losses import pixels
from tests.support.killed_runs import train_until
from tests.support.stand_in_methods import batch_step
from tests.support.tiny_run import assert_same, everything, float64_run, lines, write_recipe

CONTENT = {
    "content": {
        "loss": "patch_nce",
        "of": {"image": "fake_B", "target": "real_A"},
        "layers": [0, 1, 3],
        "size": 3,
        "patches": 6,
    }
}


def experiment(folder: Path, losses: Any = CONTENT) -> Experiment:
    return Experiment(read_recipe(write_recipe(folder, losses=losses)), training=True)


def test_it_is_trained_by_its_phase_alone(tmp_path: Path) -> None:
    engine = experiment(tmp_path).engine
    generator, discriminator = engine.method.phases
    assert "loss_content" in generator.steps and "loss_content" not in discriminator.steps
    assert engine.method.optims["loss_content"].slots == ("loss_content",)
    heads = engine.networks["loss_content"]
    before = [one.clone() for one in heads.parameters()]
    report, _ = engine.step([batch_step(size=12)])
    assert float(report["generator/content"]) > 0
    assert any(not torch.equal(old, new) for old, new in zip(before, heads.parameters(), strict=True))


def test_a_method_that_only_translates_has_no_such_network(tmp_path: Path) -> None:
    parts = Experiment(read_recipe(write_recipe(tmp_path, losses=CONTENT)))
    assert parts.losses == [] and "loss_content" not in parts.engine.networks


def test_a_run_that_died_halfway_resumes_to_the_same_result(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, losses=CONTENT)
    ganzoo.run(recipe, root=tmp_path / "whole")
    run = Run.prepare(recipe, root=tmp_path / "halves")
    train_until(run, 4)
    ganzoo.run(recipe, root=tmp_path / "halves")
    whole, halves = (tmp_path / which / "tiny/default" for which in ("whole", "halves"))
    assert_same(whole, halves)
    saved = everything(halves / "checkpoints/last")
    assert any(name.startswith("networks/loss_content") for name in saved)
    assert any(name.startswith("optimizers.safetensors:loss_content/") for name in saved)
    assert ganzoo.load(halves, checkpoint="last").translate(torch.zeros(3, 9, 10)).shape == (3, 9, 10)
    (tmp_path / "published").mkdir()
    write_networks(halves, "last", tmp_path / "published")
    published = {file.stem for file in (tmp_path / "published/checkpoints/last").rglob("*.safetensors")}
    assert published == {"G_AB", "G_BA"}


@pytest.mark.slow
def test_two_processes_train_it_as_one_with_twice_the_batch(tmp_path: Path) -> None:
    train = {"steps": 4, "log": 2, "sample": 0}
    recipe = write_recipe(tmp_path, losses=CONTENT, train=train, evaluate={"metrics": [], "every": 0, "best": None})
    two = float64_run(recipe, tmp_path / "two", processes=2)
    one = float64_run(recipe, tmp_path / "one", "train.batch=4")
    single, double = (load_file(run / "checkpoints/last/networks/loss_content.safetensors") for run in (one, two))
    assert single.keys() == double.keys()
    for name in single:
        torch.testing.assert_close(single[name], double[name], rtol=1e-6, atol=1e-8)
    for ours, theirs in zip(lines(one / "metrics.jsonl"), lines(two / "metrics.jsonl"), strict=True):
        assert ours.get("losses", {}) == pytest.approx(theirs.get("losses", {}), rel=1e-5)


def test_its_weights_depend_on_the_seed_and_its_name_alone(tmp_path: Path) -> None:
    other = {"smooth": {"loss": "total_variation", "of": "fake_B"}, **CONTENT}
    one, two = (experiment(tmp_path, losses).engine.networks["loss_content"] for losses in (CONTENT, other))
    for first, second in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(first, second)


class Wrong(Loss):
    """A loss whose network is none."""

    def trained(self) -> nn.Module | None:
        return "projections"  # type: ignore[return-value]

    def forward(self, image: Tensor) -> Tensor:
        return image.mean()


class Right(Wrong):
    """A loss that trains a layer."""

    def bind(self, method: Method, reader: Reader) -> None:
        self.layer = nn.Conv2d(3, 1, 1)

    def trained(self) -> nn.Module:
        return self.layer


class Empty(Right):
    """A loss whose network has nothing to train."""

    def bind(self, method: Method, reader: Reader) -> None:
        self.layer = nn.Conv2d(3, 1, 1).requires_grad_(False)


class Half(Right):
    """A loss that trains one of two layers, which it builds by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Sequential(nn.Conv2d(3, 3, 1).requires_grad_(False), nn.Conv2d(3, 1, 1))

    def trained(self) -> nn.Module:
        return self.both


def test_what_the_loss_has_frozen_stays_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "TotalVariation", Half)
    parts = experiment(tmp_path, {"x": {"loss": "total_variation", "of": "fake_B"}})
    assert parts.losses
    flags = [one.requires_grad for one in parts.method.networks["loss_x"].parameters()]
    assert flags == [False, False, True, True]


@pytest.mark.parametrize(
    ("name", "loss", "message"),
    [
        ("x", Wrong, "trained returned the text 'projections'; expected a torch.nn.Module, or None"),
        ("x", Empty, "trained returned a network without trained parameters; expected"),
        ("a/b", Right, "losses.a/b: its network is saved under this name: use only letters, digits, _, - and ."),
    ],
)
def test_networks_that_cannot_be_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, loss: type[Loss], message: str
) -> None:
    monkeypatch.setattr(pixels, "TotalVariation", loss)
    with pytest.raises(GanzooError) as caught:
        experiment(tmp_path, {name: {"loss": "total_variation", "of": "fake_B"}}).losses  # noqa: B018
    assert message in str(caught.value)
