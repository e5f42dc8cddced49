"""AttentionGAN: its generator and its steps against plain code in float64, and its reduction to CycleGAN."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.step import Step
from ganzoo_attention_gan.generator import AttentionGenerator
from ganzoo_attention_gan.method import AttentionGAN
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.resnet import ResNet
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of, l1


def of_conv(before: int, after: int, kernel: int) -> int:
    return before * after * kernel**2 + after


def test_the_generator_is_as_large_as_the_released_one() -> None:
    """The layers of the released network, with their sizes, in order."""
    encoder = of_conv(3, 64, 7) + of_conv(64, 128, 3) + of_conv(128, 256, 3) + 9 * 2 * of_conv(256, 256, 3)
    up = of_conv(256, 128, 3) + of_conv(128, 64, 3)
    expected = encoder + up + of_conv(64, 27, 7) + up + of_conv(64, 10, 1)
    with torch.device("meta"):
        assert sum(one.numel() for one in AttentionGenerator(3, 3).parameters()) == expected


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).tanh()


def generator(masks: int = 3, *, channels: tuple[int, int] = (3, 3)) -> AttentionGenerator:
    network = AttentionGenerator(*channels, width=2, blocks=1, masks=masks)
    for one in network.parameters():
        nn.init.normal_(one, 0, 0.3)
    return network.double()


def plain_generator(w: Mapping[str, Tensor], images: Tensor, masks: int) -> tuple[Tensor, Tensor]:
    """The released generator with one block, mask by mask; w is our network's state. Returns the last mask, too."""

    def conv(x: Tensor, name: str, *, pad: int = 0, up: bool = False, **about: Any) -> Tensor:
        x = F.pad(x, (pad,) * 4, "reflect")
        weight, bias = w[f"{name}.weight"], w[f"{name}.bias"]
        return F.conv_transpose2d(x, weight, bias, 2, 1, 1) if up else F.conv2d(x, weight, bias, **about)

    def normed(x: Tensor) -> Tensor:
        return F.instance_norm(x)

    x = normed(conv(images, "encoder.1", pad=3)).relu()
    for number in (4, 7):
        x = normed(conv(x, f"encoder.{number}", stride=2, padding=1)).relu()
    inner = normed(conv(x, "encoder.10.conv_block.1", pad=1)).relu()
    x = x + normed(conv(inner, "encoder.10.conv_block.5", pad=1))
    content = attention = x
    for number in (0, 3):
        content = normed(conv(content, f"contents.{number}", up=True)).relu()
        attention = normed(conv(attention, f"masks.{number}", up=True)).relu()
    content = conv(content, "contents.7", pad=3).tanh()
    attention = conv(attention, "masks.6").exp()
    attention = attention / attention.sum(1, keepdim=True)
    output = images * attention[:, masks - 1 :]
    for mask in range(masks - 1):
        output = output + content[:, 3 * mask : 3 * mask + 3] * attention[:, mask : mask + 1]
    return output, attention[:, -1:]


@pytest.mark.parametrize("masks", [2, 4])
def test_the_generator_is_the_released_one(masks: int) -> None:
    torch.manual_seed(0)
    network, images = generator(masks), noise(2, 3, 16, 12)
    translated, foreground = network.attend(images)
    expected, copied = plain_generator(dict(network.named_parameters()), images, masks)
    torch.testing.assert_close(translated, expected)
    torch.testing.assert_close(foreground, 1 - copied)
    torch.testing.assert_close(network(images), translated)


def test_the_mask_of_the_input_copies_it() -> None:
    """A large logit of the last mask leaves the image as it is; without equal channels there is nothing to copy."""
    network, images = generator(), noise(1, 3, 9, 13)
    set_masks(network, [0.0, 0.0, 1000.0])
    translated, foreground = network.attend(images)
    assert torch.equal(translated, images) and not foreground.any()
    grey = generator(channels=(1, 3))
    set_masks(grey, [0.0, 0.0, 1000.0])
    translated, foreground = grey.attend(images[:, :1])
    assert translated.shape == (1, 3, 9, 13) and translated.any() and (foreground == 1).all()


def set_masks(network: AttentionGenerator, logits: list[float]) -> None:
    """Give all pixels the same masks."""
    last = network.masks[6]
    assert isinstance(last, nn.Conv2d) and last.bias is not None
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor(logits))


def networks() -> dict[str, nn.Module]:
    return {
        **{f"G_{direction}": generator() for direction in ("AB", "BA")},
        **{f"D_{domain}": Patch(3, width=2, layers=1) for domain in "AB"},
    }


@pytest.mark.parametrize(("cycle", "identity"), [(10.0, 0.5), (7.0, 0.3)])
def test_two_steps_are_the_formulas(cycle: float, identity: float) -> None:
    """Without a pool, which CycleGAN's own tests hold; the discriminators see the images of the generators' phase."""
    fakes: dict[str, Tensor] = {}

    def plainly(method: Any, step: Step, phase: str) -> dict[str, Tensor]:
        AB, BA, D_A, D_B = (method.networks[name] for name in ("G_AB", "G_BA", "D_A", "D_B"))

        def translate(network: nn.Module, images: Tensor) -> Tensor:
            return plain_generator(dict(network.named_parameters()), images, 3)[0]

        x, y = step["real_A"], step["real_B"]
        if phase == "discriminator":
            pairs = {"D_A": (D_A(x), D_A(fakes["A"])), "D_B": (D_B(y), D_B(fakes["B"]))}
            return {name: (((real - 1) ** 2).mean() + (fake**2).mean()) / 2 for name, (real, fake) in pairs.items()}
        fake_A, fake_B = translate(BA, y), translate(AB, x)
        fakes.update(A=fake_A.detach(), B=fake_B.detach())
        return {
            "gan_AB": ((D_B(fake_B) - 1) ** 2).mean(),
            "gan_BA": ((D_A(fake_A) - 1) ** 2).mean(),
            "cycle_A": cycle * l1(translate(BA, fake_B), x),
            "cycle_B": cycle * l1(translate(AB, fake_A), y),
            "identity_A": cycle * identity * l1(translate(BA, x), x),
            "identity_B": cycle * identity * l1(translate(AB, y), y),
        }

    method, mirror = (AttentionGAN(pool=0, cycle=cycle, identity=identity) for _ in range(2))
    assert_trains_plainly(method, mirror, networks, plainly, betas=(0.5, 0.999))


def plain_resnet(network: AttentionGenerator) -> ResNet:
    """Return CycleGAN's ResNet with the encoder and the first content of a generator."""
    resnet = ResNet(3, 3, width=2, blocks=1).double()
    layers = [*network.encoder, *network.contents]
    for ours, theirs in zip(resnet.model, layers, strict=True):
        ours.load_state_dict(theirs.state_dict())
    return resnet


def test_with_attention_everywhere_it_is_cyclegan() -> None:
    """Two masks, of which the input's is 0 at every pixel: the losses of three steps are CycleGAN's."""

    def attending() -> dict[str, nn.Module]:
        made = networks()
        for direction in ("AB", "BA"):
            made[f"G_{direction}"] = one = generator(2)
            set_masks(one, [1000.0, 0.0])
        return made

    def plain() -> dict[str, nn.Module]:
        made = attending()
        return {name: plain_resnet(one) if isinstance(one, AttentionGenerator) else one for name, one in made.items()}

    made: dict[type, Callable[[], dict[str, nn.Module]]] = {AttentionGAN: attending, CycleGAN: plain}
    engines = {kind: engine_of(kind(), networks) for kind, networks in made.items()}
    for _ in range(3):
        losses = {kind: engine.step([double_step()])[0] for kind, engine in engines.items()}
        assert losses[AttentionGAN].keys() == losses[CycleGAN].keys()
        for name, value in losses[CycleGAN].items():
            torch.testing.assert_close(losses[AttentionGAN][name], value, rtol=1e-6, atol=0)


def test_the_foreground_of_both_domains_is_in_the_step() -> None:
    method = AttentionGAN()
    engine_of(method, networks)
    step = double_step(training=False)
    method.forward(step)
    for domain, direction in (("A", "AB"), ("B", "BA")):
        network = method.networks[f"G_{direction}"]
        _, copied = plain_generator(dict(network.named_parameters()), step[f"real_{domain}"], 3)
        torch.testing.assert_close(step[f"attention_{domain}"], 1 - copied)
        assert method.tensors[f"attention_{domain}"].shows == ""
