"""CycleGAN's losses and weights against a plain transcription of the formulas, in float64."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Masker
from ganzoo.interfaces.batching import forward_together
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step
from ganzoo_cyclegan.method import TERMS, CycleGAN
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.resnet import ResNet
from tests.support.plain_steps import PlainPool
from tests.support.stand_in_methods import batch_step


def networks(norm: Any = "instance") -> dict[str, nn.Module]:
    torch.manual_seed(3)
    made: dict[str, nn.Module] = {name: ResNet(3, 3, width=2, blocks=1, norm=norm) for name in ("G_AB", "G_BA")}
    made |= {name: Patch(3, width=2, layers=1, norm=norm) for name in ("D_A", "D_B")}
    for network in made.values():
        for parameter in network.parameters():
            parameter.data = parameter.data.double() * 5  # larger weights: larger, better-conditioned gradients
    return {name: network.double() for name, network in made.items()}


def double_step(index: int, batch: int = 2) -> Step:
    step = batch_step(batch=batch, size=16, seed=index, index=index)
    step.update({name: tensor.double() for name, tensor in step.items()})
    return step


class Plain:
    """Textbook CycleGAN: one call per use of a network."""

    def __init__(self, nets: dict[str, nn.Module], lr: float, pool: int, lam: float = 10.0, idt: float = 0.5) -> None:
        self.nets, self.lam, self.idt = nets, lam, idt
        generators = [*nets["G_AB"].parameters(), *nets["G_BA"].parameters()]
        discriminators = [*nets["D_A"].parameters(), *nets["D_B"].parameters()]
        self.g = torch.optim.Adam(generators, lr=lr, betas=(0.5, 0.999))
        self.d = torch.optim.Adam(discriminators, lr=lr, betas=(0.5, 0.999))
        self.pools = {domain: PlainPool(pool) for domain in "AB"}

    def step(self, step: Step) -> dict[str, float]:
        a, b = step["real_A"], step["real_B"]
        G, F, DA, DB = (self.nets[name] for name in ("G_AB", "G_BA", "D_A", "D_B"))
        fake_b, fake_a = G(a), F(b)
        terms = {
            "generator/gan_AB": ((DB(fake_b) - 1) ** 2).mean(),
            "generator/gan_BA": ((DA(fake_a) - 1) ** 2).mean(),
            "generator/cycle_A": self.lam * (F(fake_b) - a).abs().mean(),
            "generator/cycle_B": self.lam * (G(fake_a) - b).abs().mean(),
            "generator/identity_A": self.lam * self.idt * (F(a) - a).abs().mean(),
            "generator/identity_B": self.lam * self.idt * (G(b) - b).abs().mean(),
        }
        self.g.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        self.g.step()
        self.d.zero_grad()
        for domain, D, real, fake in (("A", DA, a, fake_a), ("B", DB, b, fake_b)):
            pooled = self.pools[domain].query(fake.detach(), step.rng(f"pool_{domain}").uniform(2))
            terms[f"discriminator/D_{domain}"] = 0.5 * (((D(real) - 1) ** 2).mean() + (D(pooled) ** 2).mean())
        (terms["discriminator/D_A"] + terms["discriminator/D_B"]).backward()
        self.d.step()
        return {name: float(value.detach()) for name, value in terms.items()}


def engine_for(method: CycleGAN, nets: dict[str, nn.Module] | None = None, **options: Any) -> Engine:
    method.bind({name: net for name, net in (nets or networks()).items() if name in method.slots}, Roles())
    return Engine(method, Accelerator(cpu=True), **options)


def test_six_steps_equal_the_textbook() -> None:
    """Losses in every step and all weights at the end; pools of 2, so that they fill up and exchange."""
    engine = engine_for(CycleGAN(pool=2), lr=1e-3)
    plain = Plain(networks(), lr=1e-3, pool=2)
    for index in range(6):
        ours, flags = engine.step([double_step(index)])
        theirs = plain.step(double_step(index))
        assert flags.tolist() == [0, 0]
        assert set(ours) == set(theirs)
        for name, value in theirs.items():
            # Engine and losses report in float32; the gradients behind them are of float64.
            assert float(ours[name]) == pytest.approx(value, rel=2e-6), (index, name)
    for name, network in engine.networks.items():
        for (key, mine), other in zip(network.named_parameters(), plain.nets[name].parameters(), strict=True):
            if _before_instance_norm(network, key):
                continue  # its true gradient is 0; Adam makes steps of the rounding noise
            torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-8, msg=f"{name}.{key}")


def _before_instance_norm(network: nn.Module, key: str) -> bool:
    """Return whether a parameter is the bias of a convolution right before an instance norm."""
    gradient_free = set()
    for name, module in network.named_modules():
        if isinstance(module, nn.Sequential):
            parts = list(module.named_children())
            for (first, conv), (_, norm) in pairwise(parts):
                if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and type(norm).__name__ == "InstanceNorm":
                    gradient_free.add(f"{name}.{first}.bias" if name else f"{first}.bias")
    return key in gradient_free


def losses_of(**options: Any) -> dict[str, Tensor]:
    losses, _ = engine_for(CycleGAN(**options)).step([double_step(0)])
    return losses


@pytest.mark.parametrize("term", TERMS)
def test_each_term_can_be_left_out_alone(term: Any) -> None:
    full, rest = losses_of(), losses_of(without=[term])
    gone = {f"generator/{term}"}
    if term.startswith("gan"):
        gone.add(f"discriminator/D_{term[-1]}")
    assert set(full) - set(rest) == gone
    for name in rest:
        torch.testing.assert_close(rest[name], full[name], rtol=1e-6, atol=0)


def test_without_a_gan_term_its_discriminator_is_not_built() -> None:
    assert set(CycleGAN(without=("gan_AB",)).slots) == {"G_AB", "G_BA", "D_A"}
    alone = CycleGAN(without=("gan_AB", "gan_BA"))
    assert set(alone.slots) == {"G_AB", "G_BA"}
    assert [phase.name for phase in alone.phases] == ["generator"]


def test_leaving_out_every_term_is_refused() -> None:
    with pytest.raises(GanzooError, match="every term is left out"):
        CycleGAN(without=TERMS)


def test_the_weights_are_lambda_and_lambda_times_identity() -> None:
    one, other = losses_of(), losses_of(cycle={"A": 20, "B": 5}, identity=0.25)
    for name, factor in (("cycle_A", 2), ("cycle_B", 0.5), ("identity_A", 1), ("identity_B", 0.25), ("gan_AB", 1)):
        torch.testing.assert_close(other[f"generator/{name}"], factor * one[f"generator/{name}"])


def test_identity_zero_skips_its_passes() -> None:
    method = CycleGAN(identity=0)
    engine = engine_for(method)
    calls = []
    engine.networks["G_AB"].register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    engine.step([double_step(0)])
    assert calls == [2, 2]  # the translation of real_A, the reconstruction from fake_A; no third batch
    assert not method.tensors["idt_A"].for_losses


@pytest.mark.parametrize("gan", ["vanilla", "hinge", "wgan-gp"])
def test_the_other_adversarial_losses_by_their_formulas(gan: Any) -> None:
    nets = networks()
    step = double_step(0)
    with torch.no_grad():
        fake = nets["G_AB"](step["real_A"])
        on_real, on_fake = nets["D_B"](step["real_B"]), nets["D_B"](fake)
    if gan == "vanilla":
        discriminator = 0.5 * (-torch.sigmoid(on_real).log().mean() - (1 - torch.sigmoid(on_fake)).log().mean())
        generator = -torch.sigmoid(on_fake).log().mean()
    elif gan == "hinge":
        discriminator = 0.5 * ((1 - on_real).clamp(min=0).mean() + (1 + on_fake).clamp(min=0).mean())
        generator = -on_fake.mean()
    else:
        mix = step.rng("mix_D_B").uniform().double().view(-1, 1, 1, 1)
        mixed = (mix * step["real_B"] + (1 - mix) * fake).requires_grad_()
        rows = nets["D_B"](mixed).flatten(1).mean(1)
        slope = torch.autograd.grad(rows.sum(), mixed)[0].flatten(1).norm(dim=1)
        discriminator = on_fake.mean() - on_real.mean() + 10 * ((slope - 1) ** 2).mean()
        generator = -on_fake.mean()
    # with a learning rate near 0 the generators do not change before the discriminators' phase
    losses, _ = engine_for(CycleGAN(gan=gan, pool=0), nets, lr=1e-30).step([step])
    assert float(losses["discriminator/D_B"]) == pytest.approx(float(discriminator), rel=1e-5)
    assert float(losses["generator/gan_AB"]) == pytest.approx(float(generator), rel=1e-5)


def test_shared_batches_are_split_where_batch_norm_would_mix_them() -> None:
    torch.manual_seed(0)
    mixing = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    first, second = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4) + 5
    apart = [mixing(first), mixing(second)]
    for mine, plain in zip(forward_together(mixing, [first, second]), apart, strict=True):
        torch.testing.assert_close(mine, plain)
    assert not torch.allclose(mixing(torch.cat([first, second]))[:2], apart[0], atol=0.1)


def test_the_pools_are_saved_restored_and_undone() -> None:
    method = CycleGAN(pool=2)
    engine = engine_for(method)
    engine.step([double_step(0)])
    one = method.state_dict()
    assert {name.split(".")[0] for name in one} == {"A", "B"}
    engine.step([double_step(1)])
    two = method.state_dict()
    assert len(two) == 2 * len(one)
    method.undo()
    assert method.state_dict().keys() == one.keys()
    other = CycleGAN(pool=2)
    other.load_state_dict(two)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in two.items())


def brightness(image: Tensor) -> Tensor:
    return (image.mean(1, keepdim=True) * 3).sigmoid()


class Bright(Masker):
    """Soft: the brightness of the very image that it is shown."""

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return brightness(image)


def test_each_translation_is_composited_with_its_own_source_and_that_sources_mask() -> None:
    """Fakes, reconstructions (whose source is the fake) and identities, both domains, and their gradients."""
    nets = networks()
    method = CycleGAN()
    method.bind(nets, Roles({"composite": Bright()}))
    step = double_step(0)
    method.forward(step)
    a, b, G, F = step["real_A"], step["real_B"], nets["G_AB"], nets["G_BA"]

    def composite(source: Tensor, made: Tensor) -> Tensor:
        mask = brightness(source.detach())
        return mask * made + (1 - mask) * source

    fake_b, fake_a = composite(a, G(a)), composite(b, F(b))
    expected = {
        "fake_A": fake_a,
        "fake_B": fake_b,
        "rec_A": composite(fake_b, F(fake_b)),
        "rec_B": composite(fake_a, G(fake_a)),
        "idt_A": composite(a, F(a)),
        "idt_B": composite(b, G(b)),
    }
    weights = [parameter for net in (G, F) for parameter in net.parameters()]
    for name, value in expected.items():
        torch.testing.assert_close(step[name], value, rtol=1e-9, atol=1e-12, msg=name)
        mine, theirs = (
            torch.autograd.grad(image.square().sum(), weights, retain_graph=True, materialize_grads=True)
            for image in (step[name], value)
        )
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6, msg=name)
    for direction, source, fake in (("AB", a, fake_b), ("BA", b, fake_a)):
        translated = method.translate(source, direction, Step({}, samples=range(2)))  # type: ignore[arg-type]
        torch.testing.assert_close(translated, fake, rtol=1e-9, atol=1e-12)


class LeftHalf(Masker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        mask = torch.zeros_like(image[:, :1])
        mask[..., : image.shape[-1] // 2] = 1
        return mask


def test_composite_leaves_the_outside_alone() -> None:
    method = CycleGAN()
    method.bind(networks(), Roles({"composite": LeftHalf()}))
    step = double_step(0)
    method.forward(step)
    half = step["real_A"].shape[-1] // 2
    assert torch.equal(step["fake_B"][..., half:], step["real_A"][..., half:])
    assert not torch.equal(step["fake_B"][..., :half], step["real_A"][..., :half])
    whole = method.translate(step["real_A"], "AB", Step({}, samples=range(2)))
    torch.testing.assert_close(whole, step["fake_B"])


def test_discriminators_do_not_see_outside_the_mask_in_real_and_fake_images() -> None:
    nets = networks()
    method = CycleGAN(pool=0)
    method.bind(nets, Roles({"discriminator": LeftHalf()}))
    engine = Engine(method, Accelerator(cpu=True))
    seen: list[Tensor] = []
    nets["D_B"].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach().clone()))
    engine.step([double_step(0)])
    assert len(seen) == 2
    for batch in seen:
        assert batch[..., 8:].abs().max() == 0
        assert batch[..., :8].abs().min() > 0


def test_a_mask_of_zeros_stops_the_adversarial_gradient() -> None:
    class Closed(Masker):
        def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
            return torch.zeros_like(image[:, :1])

    method = CycleGAN(without=("cycle_A", "cycle_B", "identity_A", "identity_B"))
    method.bind(networks(), Roles({"discriminator": Closed()}))
    step = double_step(0)
    method.forward(step)
    sum(method.generator_losses(step).values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is None or not p.grad.any() for p in method.networks["G_AB"].parameters())


def test_identity_between_different_channels_is_refused_plainly() -> None:
    method = CycleGAN()
    method.bind({"G_AB": ResNet(1, 3, width=2, blocks=0), "G_BA": ResNet(3, 1, width=2, blocks=0)}, Roles())
    step = Step({"real_A": torch.zeros(1, 1, 16, 16), "real_B": torch.zeros(1, 3, 16, 16)})
    with pytest.raises(GanzooError, match=r"method\.identity: the domains differ in channels"):
        method.forward(step)
