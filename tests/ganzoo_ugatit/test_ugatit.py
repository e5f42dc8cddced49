"""U-GAT-IT: networks, norms, class activation maps and steps, against plain code in float64."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.step import Step
from ganzoo_cyclegan.layers import InstanceNorm
from ganzoo_ugatit.discriminator import UGATITDiscriminator
from ganzoo_ugatit.generator import UGATITGenerator
from ganzoo_ugatit.layers import LIN, AdaLIN
from ganzoo_ugatit.method import UGATIT
from tests.support.command_line import refusal
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of, l1
from tests.support.stand_in_methods import changed, weights


def count(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def of_conv(before: int, after: int, kernel: int, *, bias: bool = False) -> int:
    return before * after * kernel**2 + bias * after


def test_a_generator_is_as_large_as_the_released_one() -> None:
    """The layers of the released networks, with their sizes, in order."""
    encoder = of_conv(3, 64, 7) + of_conv(64, 128, 3) + of_conv(128, 256, 3) + 4 * 2 * of_conv(256, 256, 3)
    activation = 2 * 256 + of_conv(512, 256, 1, bias=True)
    blocks = 4 * 2 * (of_conv(256, 256, 3) + 256)
    decoder = of_conv(256, 128, 3) + 3 * 128 + of_conv(128, 64, 3) + 3 * 64 + of_conv(64, 3, 7)
    for grid in (1, 64):
        perceptron = grid**2 * 256 * 256 + 3 * 256 * 256
        with torch.device("meta"):
            assert count(UGATITGenerator(3, 3, grid=grid)) == encoder + activation + perceptron + blocks + decoder


def test_a_discriminator_is_as_large_as_the_released_ones() -> None:
    """At an eighth of the width: the released layers but for their number of channels."""
    expected = 0
    for widths in ((3, 8, 16, 32, 64, 128, 256), (3, 8, 16, 32, 64)):
        last = widths[-1]
        expected += sum(of_conv(a, b, 4, bias=True) for a, b in pairwise(widths))
        expected += 2 * last + of_conv(2 * last, last, 1, bias=True) + of_conv(last, 1, 4)
    assert count(UGATITDiscriminator(3, width=8)) == expected


def plain_norm(maps: Tensor, dims: tuple[int, ...]) -> Tensor:
    return (maps - maps.mean(dims, keepdim=True)) / (maps.var(dims, keepdim=True) + 1e-5).sqrt()


def plain_mix(maps: Tensor, rho: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return (rho * plain_norm(maps, (2, 3)) + (1 - rho) * plain_norm(maps, (1, 2, 3))) * scale + shift


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_the_norms_are_the_formulas() -> None:
    maps, scale, shift = noise(2, 3, 4, 5) * 3 + 1, noise(2, 3), noise(2, 3) - 1
    assert torch.equal(AdaLIN(3).rho, torch.full((1, 3, 1, 1), 0.9)) and not LIN(3).rho.any()
    ada, plain = AdaLIN(3).double(), LIN(3).double()
    for norm in (ada, plain):
        nn.init.uniform_(norm.rho)
    expected = plain_mix(maps, ada.rho, scale[:, :, None, None], shift[:, :, None, None])
    torch.testing.assert_close(ada(maps, scale, shift), expected)
    nn.init.normal_(plain.scale), nn.init.normal_(plain.shift)
    torch.testing.assert_close(plain(maps), plain_mix(maps, plain.rho, plain.scale, plain.shift))


def test_adalin_with_a_share_of_1_is_instance_norm() -> None:
    maps, norm = noise(2, 3, 32, 32) + 5, AdaLIN(3).double()
    nn.init.ones_(norm.rho)
    unbiased = (1024 / 1023) ** 0.5
    ours = norm(maps, torch.ones(2, 3).double(), torch.zeros(2, 3).double())
    torch.testing.assert_close(ours * unbiased, InstanceNorm()(maps), rtol=1e-6, atol=1e-6)
    nn.init.zeros_(norm.rho)
    assert not torch.allclose(norm(maps, torch.ones(2, 3).double(), torch.zeros(2, 3).double()), ours, atol=0.01)


def reflect(maps: Tensor, size: int) -> Tensor:
    return F.pad(maps, (size,) * 4, "reflect")


def plain_generator(w: Mapping[str, Tensor], images: Tensor, grid: int) -> tuple[Tensor, Tensor]:
    """The released generator with one block in each half, layer by layer; w is our network's state."""

    def normed(maps: Tensor) -> Tensor:
        return F.instance_norm(maps)

    x = images
    for number, (pad, stride) in {1: (3, 1), 5: (1, 2), 9: (1, 2)}.items():
        x = normed(F.conv2d(reflect(x, pad), w[f"encoder.{number}.weight"], stride=stride)).relu()
    inner = normed(F.conv2d(reflect(x, 1), w["encoder.12.layers.1.weight"])).relu()
    x = x + normed(F.conv2d(reflect(inner, 1), w["encoder.12.layers.5.weight"]))
    of_mean, of_maximum = w["activation.of_mean.weight"], w["activation.of_maximum.weight"]
    logits = torch.cat([x.mean((2, 3)) @ of_mean.T, x.flatten(2).max(2).values @ of_maximum.T], 1)
    x = torch.cat([x * of_mean[:, :, None, None], x * of_maximum[:, :, None, None]], 1)
    x = F.conv2d(x, w["activation.join.weight"], w["activation.join.bias"]).relu()
    code = F.adaptive_avg_pool2d(x, grid).flatten(1)
    for number in (0, 2):
        code = (code @ w[f"perceptron.{number}.weight"].T).relu()
    scale, shift = ((code @ w[f"{name}.weight"].T)[:, :, None, None] for name in ("scale", "shift"))
    inner = F.conv2d(reflect(x, 1), w["blocks.0.first.weight"])
    inner = plain_mix(inner, w["blocks.0.first_norm.rho"], scale, shift).relu()
    inner = F.conv2d(reflect(inner, 1), w["blocks.0.second.weight"])
    x = x + plain_mix(inner, w["blocks.0.second_norm.rho"], scale, shift)
    for at in (0, 5):
        x = F.conv2d(reflect(F.interpolate(x, scale_factor=2), 1), w[f"decoder.{at + 2}.weight"])
        norm = (w[f"decoder.{at + 3}.{name}"] for name in ("rho", "scale", "shift"))
        x = plain_mix(x, *norm).relu()
    return F.conv2d(reflect(x, 3), w["decoder.11.weight"]).tanh(), logits


@pytest.mark.parametrize("grid", [1, 4])
def test_the_generator_is_the_released_one(grid: int) -> None:
    """With ``grid: 4`` the perceptron sees all of a map of 4×4 pixels, as in the full version."""
    torch.manual_seed(0)
    network = UGATITGenerator(3, 3, width=2, blocks=1, grid=grid).double()
    images = noise(2, 3, 16, 16).tanh()
    translated, logits, attention = network.translate_and_classify(images)
    expected, expected_logits = plain_generator(dict(network.named_parameters()), images, grid)
    torch.testing.assert_close(translated, expected)
    torch.testing.assert_close(logits, expected_logits)
    torch.testing.assert_close(network(images), translated)
    assert attention.shape == (2, 1, 16, 16) and not attention.requires_grad
    assert 0 <= attention.min() < attention.max() <= 1


def test_the_discriminator_is_the_released_one() -> None:
    """In eval mode, where spectral norm takes no step: each weight is divided by uᵀ W v."""
    torch.manual_seed(0)
    network = UGATITDiscriminator(3, width=2, layers=(2, 1)).double().eval()
    images = noise(2, 3, 12, 16).tanh()
    outputs = network(images)
    state = network.state_dict()

    def divided(name: str) -> Tensor:
        weight, u, v = (state[f"{name}.parametrizations.weight.{key}"] for key in ("original", "0._u", "0._v"))
        return weight / (u @ weight.flatten(1) @ v) if len(weight) > 1 else weight / weight.norm()

    expected = []
    for part, layers in enumerate((2, 1)):
        x, at = images, f"parts.{part}"
        for layer in range(layers + 1):
            conv = f"{at}.model.{3 * layer + 1}"
            x = F.conv2d(reflect(x, 1), divided(conv), state[f"{conv}.bias"], stride=2 if layer < layers else 1)
            x = F.leaky_relu(x, 0.2)
        names = (f"{at}.activation.of_mean", f"{at}.activation.of_maximum")
        pooled = (x.mean((2, 3)), x.amax((2, 3)))
        logits = torch.cat([one @ divided(name).T for one, name in zip(pooled, names, strict=True)], 1)
        whole = [state[f"{name}.parametrizations.weight.original"][:, :, None, None] for name in names]
        joined = torch.cat([x * weight for weight in whole], 1)
        joined = F.conv2d(joined, state[f"{at}.activation.join.weight"], state[f"{at}.activation.join.bias"])
        expected += [F.conv2d(reflect(F.leaky_relu(joined, 0.2), 1), divided(f"{at}.head.2")), logits]
    assert [one.shape for one in outputs] == [(2, 1, 1, 2), (2, 2), (2, 1, 4, 6), (2, 2)]
    for ours, theirs in zip(outputs, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_small_images_are_refused() -> None:
    network = UGATITDiscriminator(3, width=2, layers=(2, 1))
    assert network(torch.zeros(1, 3, 12, 12))[0].shape == (1, 1, 1, 1)
    assert "needs images of at least 12×12 pixels, not 11×12" in refusal(network, torch.zeros(1, 3, 11, 12))


def networks() -> dict[str, nn.Module]:
    return {
        **{f"G_{direction}": UGATITGenerator(3, 3, width=2, blocks=1) for direction in ("AB", "BA")},
        **{f"D_{domain}": UGATITDiscriminator(3, width=2, layers=(2, 1)) for domain in "AB"},
    }


def plainly(
    method: Any, step: Step, phase: str, *, cycle: float = 10.0, identity: float = 1.0, cam: float = 1000.0
) -> dict[str, Tensor]:
    AB, BA, D_A, D_B = (method.networks[name] for name in ("G_AB", "G_BA", "D_A", "D_B"))
    x, y = step["real_A"], step["real_B"]
    fake_B, cam_AB, _ = AB.translate_and_classify(x)
    fake_A, cam_BA, _ = BA.translate_and_classify(y)

    def squares(outputs: list[Tensor], target: float) -> Tensor:
        return torch.stack([((one - target) ** 2).mean() for one in outputs]).sum()

    if phase == "discriminator":
        losses = {}
        for name, D, real, fake in (("D_A", D_A, x, fake_A), ("D_B", D_B, y, fake_B)):
            outputs = D(torch.cat([real, fake.detach()]))  # one call, one step of spectral norm
            losses[name] = squares([one[:2] for one in outputs], 1) + squares([one[2:] for one in outputs], 0)
        return losses
    idt_B, off_AB, _ = AB.translate_and_classify(y)
    idt_A, off_BA, _ = BA.translate_and_classify(x)

    def cross_entropy(logits: Tensor, target: float) -> Tensor:
        chance = logits.sigmoid()
        return -(target * chance.log() + (1 - target) * (1 - chance).log()).mean()

    return {
        "gan_AB": squares(D_B(fake_B), 1),
        "gan_BA": squares(D_A(fake_A), 1),
        "cycle_A": cycle * l1(BA(fake_B), x),
        "cycle_B": cycle * l1(AB(fake_A), y),
        "identity_A": cycle * identity * l1(idt_A, x),
        "identity_B": cycle * identity * l1(idt_B, y),
        "cam_AB": cam * (cross_entropy(cam_AB, 1) + cross_entropy(off_AB, 0)),
        "cam_BA": cam * (cross_entropy(cam_BA, 1) + cross_entropy(off_BA, 0)),
    }


def clip(weights: Mapping[str, Tensor]) -> None:
    for name, weight in weights.items():
        if name.endswith("rho"):
            weight.clamp_(0, 1)


@pytest.mark.parametrize("options", [{}, {"cycle": 7.0, "identity": 0.3, "cam": 30.0}])
def test_two_steps_are_the_formulas(options: dict[str, Any]) -> None:
    adam: dict[str, Any] = {"betas": (0.5, 0.999), "weight_decay": 1e-4}
    method, mirror = (UGATIT(**options) for _ in range(2))
    assert_trains_plainly(method, mirror, networks, partial(plainly, **options), after_step=clip, **adam)


def test_the_shares_are_clamped_after_each_step() -> None:
    method = UGATIT()
    engine = engine_of(method, networks)
    engine.set_lr(100)  # 0.1 a step
    for index in range(3):
        engine.step([double_step(index=index, seed=index)])
        shares = [p for name, p in engine.networks["G_AB"].named_parameters() if name.endswith("rho")]
        assert len(shares) == 4 and all(share.min() >= 0 and share.max() <= 1 for share in shares)
    assert any((share == 0).any() for share in shares)  # Adam would have gone on below 0


def test_without_its_term_nothing_trains_the_logits() -> None:
    """With ``cam: 0`` no loss reads the generators' logits: their gradient comes from the weighted channels alone."""
    for cam, reached in ((0.0, False), (1000.0, True)):
        method = UGATIT(cam=cam)
        engine_of(method, networks)
        step = double_step()
        method.forward(step)
        for direction in ("AB", "BA"):
            logits = [step[f"cam_{direction}_real_{domain}"] for domain in "AB"]
            total = torch.stack(list(method.generator_losses(step).values())).sum()
            found = torch.autograd.grad(total, logits, retain_graph=True, allow_unused=True)
            assert [one is not None for one in found] == [reached, reached]


def test_without_identity_its_images_still_train_the_logits() -> None:
    method = UGATIT(identity=0)
    engine = engine_of(method, networks)
    before = weights(engine)
    losses, _ = engine.step([double_step()])
    assert "generator/cam_AB" in losses and "generator/identity_A" not in losses
    assert changed(before, weights(engine)) == set(engine.networks)
    assert not UGATIT(identity=0, cam=0).tensors["idt_A"].for_losses


def test_the_attention_of_both_domains_is_in_the_step() -> None:
    method = UGATIT()
    engine_of(method, networks)
    step = double_step(training=False)
    method.forward(step)
    for domain, direction in (("A", "AB"), ("B", "BA")):
        expected = method.networks[f"G_{direction}"].translate_and_classify(step[f"real_{domain}"])[2]  # type: ignore[operator]
        assert torch.equal(step[f"attention_{domain}"], expected)
        assert method.tensors[f"attention_{domain}"].shows == ""


def test_domains_that_differ_in_channels_are_refused() -> None:
    method = UGATIT()
    step = Step({"real_A": torch.zeros(1, 1, 8, 8), "real_B": torch.zeros(1, 3, 8, 8)}, samples=[0])
    assert "need equal channels: set method.cam and method.identity to 0" in refusal(method.forward, step)
