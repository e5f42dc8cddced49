"""Augmented CycleGAN: networks and steps, against plain code in float64; domains with styles, and batches of one."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.masks.roles import Roles
from ganzoo.step import Step, zeros_step
from ganzoo_augmented_cyclegan.latent import StyleDiscriminator, StyleEncoder
from ganzoo_augmented_cyclegan.method import AugmentedCycleGAN
from ganzoo_augmented_cyclegan.patch import AffinePatch
from ganzoo_augmented_cyclegan.resnet import StyleResNet
from tests.support.command_line import refusal
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of, l1
from tests.support.stand_in_methods import Constant

STYLE = 3
SMALL: dict[str, Any] = {"encoder_width": 2, "encoder_downs": 1, "latent_width": 4}


def count(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def test_sizes_are_those_of_the_released_networks() -> None:
    """Counted layer by layer, each convolution with bias; a conditional norm has two 1×1 convolutions of the style."""

    def conv(before: int, after: int, size: int) -> int:
        return before * after * size**2 + after

    outside = conv(3, 32, 7) + conv(32, 64, 3) + conv(64, 128, 3) + conv(128, 64, 3) + conv(64, 32, 3) + conv(32, 3, 7)
    blocks, normed = 3 * 2 * conv(128, 128, 3), [32, 64, 128, 64, 32]
    affine = 3 * 2 * 128
    conditional = sum(2 * conv(16, channels, 1) for channels in [*normed, 128, 128, 128])
    assert count(StyleResNet(3, 3)) == outside + blocks + affine + conditional
    assert count(StyleResNet(3, 3, style=0)) == outside + blocks + affine + 2 * sum(normed)
    shoes = conv(3, 64, 4) + conv(64, 128, 4) + conv(128, 256, 4) + conv(256, 256, 4) + conv(256, 1, 4)
    assert count(AffinePatch(3)) == shoes + 2 * (128 + 256 + 256)
    edges = conv(3, 32, 3) + conv(32, 64, 3) + conv(64, 128, 3) + conv(128, 128, 3) + conv(128, 1, 4)
    assert count(AffinePatch(3, width=32, layers=4, whole=True)) == edges + 2 * (64 + 128 + 128)
    encoder = conv(6, 32, 3) + sum(9 * a * b + 2 * b for a, b in pairwise([32, 64, 128, 256])) + 16 * 256 * 256 + 512
    assert count(StyleEncoder(6, 32, 4, 16, "batch")) == encoder + conv(256, 16, 1)
    latent = conv(16, 64, 1) + 2 * conv(64, 64, 1) + 3 * 2 * 64 + conv(64, 1, 1)
    assert count(StyleDiscriminator(16, 64, "batch")) == latent


def norm(maps: Tensor) -> Tensor:
    return (maps - maps.mean((2, 3), keepdim=True)) / (maps.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()


def test_the_conditional_norms_are_the_formula() -> None:
    network = StyleResNet(3, 3, width=2, blocks=1, style=STYLE).double()
    for one in network.parameters():
        nn.init.normal_(one, 0, 0.5)
    block: Any = network.layers[10]
    x, z = torch.randn(2, 8, 6, 5, dtype=torch.float64), torch.randn(2, STYLE, dtype=torch.float64)
    inner = norm(block.first(x)) * block.norm.scale(z[:, :, None, None]).relu()
    inner = (inner + block.norm.shift(z[:, :, None, None]).relu()).relu()
    last = block.second[3]
    second = norm(block.second[2](block.second[1](inner))) * last.scale[:, None, None] + last.shift[:, None, None]
    torch.testing.assert_close(block(x, z), (x + second).relu())
    image = double_step()["real_A"][..., :13, :15]
    assert network.translate(image, z).shape == image.shape
    assert not torch.allclose(network.translate(image, z), network(image))


def networks_of(**options: Any) -> Any:
    styles = options.get("styles", ("B",))

    def networks() -> dict[str, nn.Module]:
        made: dict[str, nn.Module] = {
            f"G_{source}{target}": StyleResNet(3, 3, width=2, blocks=1, style=STYLE if target in styles else 0)
            for source, target in ("AB", "BA")
        }
        made |= {f"D_{one}": AffinePatch(3, width=2, layers=1) for one in "AB"}
        method = AugmentedCycleGAN(**SMALL, **options)
        method.bind(made, Roles())
        made |= method.setup(zeros_step({"A": 3, "B": 3}, 16))
        for network in made.values():
            for parameter in network.parameters():
                nn.init.normal_(parameter, 0.1 if parameter.ndim == 1 else 0.0, 0.3)
        return made

    return networks


def lsgan(logits: Tensor, target: float) -> Tensor:
    return ((logits - target) ** 2).mean()


def plainly(method: Any, step: Step, phase: str, *, cycle: float = 1.0, latent: float = 0.025) -> dict[str, Tensor]:
    """The released step; with styles of A as in the paper's figure of both cycles."""
    N, styled = method.networks, method.styled
    x = {one: step[f"real_{one}"] for one in "AB"}
    z = {one: step.rng(f"style_{one}").normal(STYLE).double() for one in styled}
    other = {"A": "B", "B": "A"}

    def make(image: Tensor, target: str, style: Any) -> Tensor:
        G = N[f"G_{other[target]}{target}"]
        return G.translate(image, style) if target in styled else G(image)

    fake = {one: make(x[other[one]], one, z.get(one)) for one in "AB"}
    pair = {"A": (x["A"], fake["B"]), "B": (fake["A"], x["B"])}
    encoded = {one: N[f"E_{one}"](*pair[one]) for one in styled}
    if phase == "discriminator":
        losses = {f"D_{one}": (lsgan(N[f"D_{one}"](x[one]), 1) + lsgan(N[f"D_{one}"](fake[one]), 0)) / 2
                  for one in "AB"}  # fmt: skip
        for one in styled:
            D = N[f"D_z_{one}"]
            losses[f"D_z_{one}"] = (lsgan(D(z[one]), 1) + lsgan(D(encoded[one].detach()), 0)) / 2
        return losses
    found = {one: N[f"E_{one}"](*pair[other[one]]) for one in styled}
    losses = {"gan_AB": lsgan(N["D_B"](fake["B"]), 1), "gan_BA": lsgan(N["D_A"](fake["A"]), 1)}
    for one in styled:
        losses[f"gan_z_{one}"] = lsgan(N[f"D_z_{one}"](encoded[one]), 1)
    for one in "AB":
        losses[f"cycle_{one}"] = cycle * l1(make(fake[other[one]], one, encoded.get(one)), x[one])
    for one in styled:
        losses[f"latent_{one}"] = latent * l1(found[one], z[one])
    return losses


@pytest.mark.parametrize(
    ("styles", "weights"), [(("B",), {}), (("A", "B"), {"cycle": 7.0, "latent": 0.3})], ids=["B", "both"]
)
def test_two_steps_are_the_formulas(styles: Any, weights: dict[str, Any]) -> None:
    options: dict[str, Any] = {"norm": "none", "styles": styles}
    method, mirror = (AugmentedCycleGAN(**SMALL, **options, **weights) for _ in range(2))
    terms = partial(plainly, **weights)
    assert_trains_plainly(method, mirror, networks_of(**options), terms, betas=(0.5, 0.999))
    assert {name: (one.lr, one.clip) for name, one in method.optims.items() if name in ("G_AB", "D_z_B")} == {
        "G_AB": (1.0, 500.0),
        "D_z_B": (0.2, 500.0),
    }


def test_the_style_terms_can_be_left_out() -> None:
    """Without them no term reaches the encoder but the cycle of B, and D_z_B is not built."""
    whole, reduced = AugmentedCycleGAN(**SMALL), AugmentedCycleGAN(**SMALL, latent=0, match_styles=False)
    found = {}
    for method, options in ((whole, {}), (reduced, {"latent": 0, "match_styles": False})):
        engine_of(method, networks_of(**options))
        step = double_step()
        method.forward(step)
        found[method] = set(method.generator_losses(step)) | set(method.discriminator_losses(step.detached()))
    assert found[whole] - found[reduced] == {"latent_B", "gan_z_B", "D_z_B"}
    assert "D_z_B" not in reduced.slots and "D_z_B" in whole.slots


def test_styles_belong_to_the_chosen_domains() -> None:
    method = AugmentedCycleGAN(**SMALL)
    engine_of(method, networks_of())
    for network in method.networks.values():
        network.eval()
    step, image = double_step(training=False), double_step()["real_A"]
    method.forward(step)
    assert torch.equal(step["fake_B"], method.translate(image, "AB", double_step(training=False)))
    assert (method.style_size("A"), method.style_size("B")) == (0, STYLE)
    own = method.style_of(step["real_B"], "B")
    torch.testing.assert_close(own, step["encoded_B"])
    asked = double_step(training=False)
    asked["style"] = own
    assert not torch.allclose(method.translate(image, "AB", asked), step["fake_B"])
    assert torch.equal(method.translate(step["real_B"], "BA", asked), step["fake_A"])
    assert method.style_of(image, "A").shape == (2, 0)


def test_a_batch_of_one_is_refused_with_batch_norm_alone() -> None:
    for norm, message in (("batch", "method.norm: batch needs at least 2 images"), ("none", "")):
        method = AugmentedCycleGAN(**SMALL, norm=norm)  # type: ignore[arg-type]
        engine_of(method, networks_of(norm=norm))
        step = double_step(batch=1)
        if message:
            assert message in refusal(method.forward, step)
        else:
            method.forward(step)


def test_small_images_are_refused_by_the_discriminator() -> None:
    assert "needs images of at least 16×16 pixels, not 8×16" in refusal(
        AffinePatch(3, width=2), torch.zeros(1, 3, 8, 16)
    )


def test_masks_reach_the_discriminators_and_composite() -> None:
    method = AugmentedCycleGAN(**SMALL)
    engine_of(method, networks_of(), composite=Constant(0.0))
    step = double_step()
    method.forward(step)
    assert torch.equal(step["fake_B"], step["real_A"]) and torch.equal(step["rec_A"], step["fake_B"])
    masked = AugmentedCycleGAN(**SMALL)
    engine_of(masked, networks_of(), discriminator=Constant(0.0))
    step = double_step()
    masked.forward(step)
    blank = masked.networks["D_B"](torch.zeros_like(step["real_B"]))
    expected = ((blank - 1) ** 2).mean() / 2 + (blank**2).mean() / 2
    torch.testing.assert_close(masked.discriminator_losses(step)["D_B"], expected)


def test_a_generator_into_a_domain_with_styles_needs_styles() -> None:
    method = AugmentedCycleGAN(**SMALL)
    method.networks = {**networks_of()(), "G_AB": StyleResNet(3, 3, width=2, blocks=1, style=0)}
    message = refusal(method.setup, double_step())
    assert message.startswith("networks.G_AB: B has styles (method.styles), but this generator has none")
