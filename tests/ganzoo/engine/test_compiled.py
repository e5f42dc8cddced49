"""``train.compile``: same numbers to rounding, exact resuming, uncompiled evaluation, and a missing compiler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganzoo as package
from ganzoo.engine.compiled import compile_networks, uncompiled
from ganzoo.engine.discriminators.spectral_norm import add_spectral_norm
from ganzoo.engine.discriminators.view import View
from ganzoo.errors import MissingResourceError
from ganzoo.interfaces import Step, gradient_penalty, zero_penalty
from ganzoo.recipe.discriminator_options import DiscriminatorOptions
from ganzoo.training.run import Run
from tests.support.killed_runs import train_until
from tests.support.tiny_run import assert_same, lines, write_recipe
from tests.support.two_processes import assert_two_processes_train_as_one

SHORT: dict[str, Any] = {
    "train": {"steps": 4, "save": 2, "ema": 0.5},
    "evaluate": {"metrics": ["cycle_l1"], "every": 2, "best": None},
}


def test_without_a_compiler_one_line_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MissingResourceError, match=r"train\.compile needs a C\+\+ compiler, and no-such-compiler is"):
        package.run(write_recipe(tmp_path), "train.compile=true", root=tmp_path)
    assert not (tmp_path / "tiny").exists()


def test_networks_and_their_parts_are_compiled_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[tuple[nn.Module, str | None]] = []
    monkeypatch.setattr(nn.Module, "compile", lambda self, mode: compiled.append((self, mode)))
    layer, listed, named = nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1)
    network = nn.Module()
    network.layer, network.items, network.names = layer, nn.ModuleList([listed]), nn.ModuleDict({"A": named})
    compile_networks({"G": network}, False)
    assert compiled == []
    compile_networks({"G": network}, "reduce-overhead")
    assert compiled == [(one, "reduce-overhead") for one in (network, layer, listed, named)]
    compile_networks({"G": layer}, True)
    assert compiled[4:] == [(layer, None)]


@pytest.mark.slow
def test_gradients_are_those_of_the_network_itself() -> None:
    from ganzoo_cyclegan.resnet import ResNet

    torch.manual_seed(0)
    # Wide enough for vectors of all lengths: with AVX-512's, torch's gradients of this network are NaN in bf16.
    network, image = ResNet(3, 3, width=16, blocks=3), torch.rand(4, 3, 32, 32) * 2 - 1
    weights = torch.randn(4, 3, 32, 32)

    def gradient(*, bf16: bool) -> Tensor:
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            output = network(image)
        (output.float() * weights).sum().backward()
        return torch.cat([one.grad.reshape(-1) for one in network.parameters() if one.grad is not None])

    exact, autocast = gradient(bf16=False), gradient(bf16=True)
    compile_networks({"G": network}, True)
    fp32, bf16 = gradient(bf16=False), gradient(bf16=True)
    same, error, usual = (float((one - exact).norm() / exact.norm()) for one in (fp32, bf16, autocast))
    assert same < 1e-5
    assert 0 < error < 1.1 * usual < 0.3
    with uncompiled(True):
        assert torch.equal(gradient(bf16=True), autocast)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["true", "reduce-overhead"])
def test_a_compiled_run_resumes_exactly_and_is_near_the_usual_one(tmp_path: Path, setting: str) -> None:
    recipe, compile = write_recipe(tmp_path, **SHORT), f"train.compile={setting}"
    usual = package.run(recipe, root=tmp_path / "usual")
    whole = package.run(recipe, compile, root=tmp_path / "whole")
    run = Run.prepare(recipe, [compile], root=tmp_path / "halves")
    train_until(run, 2)
    package.run(recipe, compile, root=tmp_path / "halves")
    assert_same(tmp_path / "whole/tiny/default", tmp_path / "halves/tiny/default")
    assert whole == pytest.approx(usual, rel=1e-3)
    logs = [lines(tmp_path / one / "tiny/default/metrics.jsonl") for one in ("usual", "whole")]
    before, after = ([line["losses"] for line in log if "losses" in line] for log in logs)
    assert len(before) == 2
    for plain, compiled in zip(before, after, strict=True):
        assert compiled == pytest.approx(plain, rel=1e-3)


@pytest.mark.slow
def test_two_compiled_processes_train_as_one(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"metrics": [], "every": 0, "best": None}
    recipe = write_recipe(tmp_path, train={"steps": 4, "decay": 0.0}, evaluate=settings)
    assert_two_processes_train_as_one(recipe, tmp_path, "train.compile=true")


@pytest.mark.slow
def test_a_gradient_penalty_of_a_compiled_critic_is_that_of_the_critic() -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Conv2d(4, 1, 3))
    real, fake, mix = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), torch.rand(2)
    expected = gradient_penalty(critic, real, fake, mix)
    compile_networks({"D": critic}, True)
    critic(real).sum().backward()
    penalty = gradient_penalty(critic, real, fake, mix)
    assert torch.equal(penalty, expected)
    penalty.backward()


@pytest.mark.slow
def test_the_penalty_of_a_compiled_and_augmented_discriminator_is_that_of_the_discriminator() -> None:
    """R1 through DiffAugment and spectral norm, of a network that ``train.compile`` has compiled."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Conv2d(4, 1, 3))
    add_spectral_norm(critic)
    view = View(critic, "D", DiscriminatorOptions(augment="diffaugment", noise=0.1), (3,))
    images = torch.rand(2, 3, 8, 8)
    step, found = Step({"real_A": images}, samples=(0, 1)), []
    left = [buffer.clone() for buffer in critic.buffers()]
    for compiled in (False, True):
        for buffer, before in zip(critic.buffers(), left, strict=True):
            buffer.copy_(before)
        if compiled:
            compile_networks({"D": critic}, True)
        view.start(step, "discriminator")
        logits = view(images)
        penalty = zero_penalty(view, images)
        critic.zero_grad()
        (logits.square().mean() + penalty).backward()
        found.append([logits.detach(), penalty.detach(), *(p.grad for p in critic.parameters())])
    for plain, fast in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-6)
