"""BicycleGAN: networks and steps, against plain code in float64; what trains the encoder, and styles."""

from __future__ import annotations

import itertools
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.masks.roles import Roles
from ganzoo.step import Step, zeros_step
from ganzoo_bicyclegan.encoder import StyleEncoder
from ganzoo_bicyclegan.method import BicycleGAN
from ganzoo_bicyclegan.patches import PatchPyramid
from ganzoo_bicyclegan.unet import StyleUNet
from tests.support.command_line import refusal
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of, l1
from tests.support.stand_in_methods import Constant

STYLE = 3


def count(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def test_sizes_are_those_of_the_released_networks() -> None:
    """Counted layer by layer: 4×4 convolutions with bias, and the style's maps before each downsampling."""
    widths, z = [64, 128, 256, 512, 512, 512, 512, 512], 8
    downs = [(3, 64), *itertools.pairwise(widths)]
    ups = [(2 * 64, 3), *((2 * inner, outer) for outer, inner in downs[1:-1]), (512, 512)]

    def convs(pairs: list[tuple[int, int]], extra: int = 0) -> int:
        return sum((a + extra) * b * 16 + b for a, b in pairs)

    assert count(StyleUNet(3, 3)) == convs(downs, z) + convs(ups)
    assert count(StyleUNet(3, 3, inject="input")) == convs(downs) + z * 64 * 16 + convs(ups)
    blocks = [(64, 128), (128, 192), (192, 256), (256, 256)]
    block = sum(9 * a * a + a + 9 * a * b + b + a * b + b for a, b in blocks)
    assert count(StyleEncoder(3, 64, 4, 8)) == 3 * 64 * 16 + 64 + block + 2 * (256 * 8 + 8)
    patches = [(3, 1), (1, 2), (2, 4), (4, 8)]
    for_width = [
        sum((a if a == 3 and i == 0 else a * w) * b * w * 16 + b * w for i, (a, b) in enumerate(patches))
        + 8 * w * 16
        + 1
        for w in (64, 32)
    ]
    assert count(PatchPyramid(3)) == sum(for_width)


def norm(maps: Tensor) -> Tensor:
    return (maps - maps.mean((2, 3), keepdim=True)) / (maps.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()


def with_z(maps: Tensor, z: Tensor) -> Tensor:
    return torch.cat([maps, z[:, :, None, None].expand(-1, -1, *maps.shape[2:])], 1)


@pytest.mark.parametrize("inject", ["all", "input"])
def test_the_generator_is_its_formula(inject: Any) -> None:
    network = StyleUNet(3, 2, levels=3, width=2, style=STYLE, inject=inject).double()
    for one in network.parameters():
        nn.init.normal_(one, 0, 0.3)
    image, z = double_step()["real_A"], torch.randn(2, STYLE, dtype=torch.float64)
    outer, inner = network.nested, network.nested.nested
    assert inner is not None and inner.nested is None
    add = with_z if inject == "all" else lambda maps, z: maps
    first = network.down(with_z(image, z))
    second = norm(outer.down[1](F.leaky_relu(add(first, z), 0.2)))
    deepest = inner.down[1](F.leaky_relu(add(second, z), 0.2))
    back = torch.cat([second, norm(inner.up[1](deepest.relu()))], 1)
    back = torch.cat([first, norm(outer.up[1](back.relu()))], 1)
    torch.testing.assert_close(network.translate(image, z), network.up[1](back.relu()).tanh())
    assert not torch.allclose(network.translate(image, z), network(image))
    odd = image[:1, :, :11, :7]
    assert network.translate(odd, z[:1]).shape == (1, 2, 11, 7)


def test_the_discriminator_sees_the_image_at_two_sizes() -> None:
    network = PatchPyramid(3, width=4, layers=1).double()
    image = double_step()["real_A"]
    large, small = network(image)
    torch.testing.assert_close(large, network.discriminators[0](image))
    half = F.avg_pool2d(image, 3, 2, 1, count_include_pad=False)
    torch.testing.assert_close(small, network.discriminators[1](half))
    assert count(network.discriminators[1]) < count(network.discriminators[0])
    assert "image size 2 of 2: patch with layers: 1 needs images of at least 6×6 pixels" in refusal(
        network, image[:, :, :8]
    )


def networks(*, conditional: bool = False) -> dict[str, nn.Module]:
    seen = 6 if conditional else 3
    made: dict[str, nn.Module] = {"G_AB": StyleUNet(3, 3, levels=2, width=2, style=STYLE)}
    made |= {name: PatchPyramid(seen, width=2, layers=1) for name in ("D_encoded", "D_random")}
    method = BicycleGAN(encoder_blocks=1)
    method.bind(made, Roles())
    made |= method.setup(zeros_step({"A": 3, "B": 3}, 16))
    for network in made.values():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, 0, 0.3)
    return made


def conditional_networks() -> dict[str, nn.Module]:
    return networks(conditional=True)


def lsgan(maps: list[Tensor], target: float) -> Tensor:
    return torch.stack([((one - target) ** 2).mean() for one in maps]).sum()


def plainly(
    method: Any, step: Step, phase: str, *, image: float = 10.0, kl: float = 0.01, latent: float = 0.5
) -> dict[str, Tensor]:
    """The released step, for the first image of each two; the second ones are D_random's real images.

    The discriminators come last, and see the translations from before the generator's update.
    """
    G, E, D, D2 = (method.networks[name] for name in ("G_AB", "E", "D_encoded", "D_random"))
    a, b, a2, b2 = (step[name][i::2] for i in (0, 1) for name in ("real_A", "real_B"))

    def normal(purpose: str) -> Tensor:
        return step.rng(purpose).normal(STYLE).double()[::2]

    mean, log_variance = E(b)
    z = normal("style_B")
    encoded = G.translate(a, mean + torch.exp(log_variance / 2) * normal("spread"))
    random = G.translate(a, z)

    def seen(x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([x, y], 1) if method.conditional else y

    if phase == "generator":
        method.before = encoded.detach(), random.detach()
    if phase == "discriminator":
        encoded, random = method.before
        return {
            "D_encoded": lsgan(D(seen(a, b)), 1) + lsgan(D(seen(a, encoded)), 0),
            "D_random": lsgan(D2(seen(a2, b2)), 1) + lsgan(D2(seen(a, random)), 0),
        }
    fixed = deepcopy(E).requires_grad_(False)
    divergence = -0.5 * (1 + log_variance - mean**2 - torch.exp(log_variance)).sum() / len(a)
    return {
        "gan": lsgan(D(seen(a, encoded)), 1),
        "gan_random": lsgan(D2(seen(a, random)), 1),
        "image": image * l1(encoded, b),
        "kl": kl * divergence,
        "latent": latent * l1(fixed(random)[0], z),
    }


@pytest.mark.parametrize(("conditional", "options"), [(False, {}), (True, {"image": 3.0, "kl": 0.2, "latent": 0.7})])
def test_two_steps_are_the_formulas(conditional: bool, options: dict[str, Any]) -> None:
    method, mirror = (BicycleGAN(encoder_blocks=1, conditional=conditional, **options) for _ in range(2))
    made = conditional_networks if conditional else networks
    assert_trains_plainly(method, mirror, made, partial(plainly, **options), batch=4, betas=(0.5, 0.999))


def test_the_recovery_of_styles_trains_the_generator_alone() -> None:
    """Without the term the generator's gradient changes, the encoder's does not."""
    gradients = []
    for latent in (0.5, 0.0):
        method = BicycleGAN(encoder_blocks=1, latent=latent)
        engine_of(method, networks)
        step = double_step(batch=4)
        method.forward(step)
        losses = method.generator_losses(step)
        assert ("latent" in losses) == (latent > 0)
        torch.stack(list(losses.values())).sum().backward()
        parts = {slot: method.networks[slot].named_parameters() for slot in ("G_AB", "E")}
        gradients.append(
            {f"{slot}.{name}": p.grad.clone() for slot, own in parts.items() for name, p in own if p.grad is not None}
        )
    with_term, without = gradients
    same = {name for name, one in with_term.items() if torch.equal(one, without[name])}
    assert "E.mean.weight" in same and {name for name in with_term if name.startswith("E.")} <= same
    assert "G_AB.down.weight" not in same


def test_styles_change_translations_and_are_read_from_images() -> None:
    method = BicycleGAN(encoder_blocks=1)
    engine_of(method, networks)
    step, image = double_step(training=False), double_step()["real_A"]
    method.forward(step)
    assert len(step["fake_B"]) == 2
    assert torch.equal(step["fake_B"], method.translate(image, "AB", double_step(training=False)))
    own = method.style_of(step["real_B"], "B")
    asked = double_step(training=False)
    asked["style"] = own
    torch.testing.assert_close(step["fake_encoded_B"], method.translate(image, "AB", asked))
    assert (method.style_size("A"), method.style_size("B")) == (0, STYLE)


def test_a_mask_composites() -> None:
    method = BicycleGAN(encoder_blocks=1)
    engine_of(method, networks, composite=Constant(0.0))
    step = double_step(batch=4)
    method.forward(step)
    assert torch.equal(step["fake_B"], step["real_A"]) and torch.equal(step["fake_encoded_B"], step["real_A"])
