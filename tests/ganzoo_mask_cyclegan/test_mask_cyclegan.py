"""Mask CycleGAN against the formulas, and its exact reductions to CycleGAN."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ganzoo.engine.engine import Engine
from ganzoo.interfaces import Masker, Method
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.resnet import ResNet
from ganzoo_mask_cyclegan.encoder import MaskEncoder
from ganzoo_mask_cyclegan.method import MaskCycleGAN
from ganzoo_maskers.fixed import Full
from ganzoo_maskers.rectangles import MultiRectangle
from ganzoo_maskers.square import CenteredSquare
from tests.support.plain_steps import PlainPool
from tests.support.stand_in_methods import batch_step, gradients


class Bright(Masker):
    """Looks at the image, so that A and B have masks of their own."""

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return (image.mean(1, keepdim=True) > 0).to(image.dtype)


def bound(method: Method, masker: Masker | None = None) -> Any:
    """Bind seeded networks, the same for every method where they share a slot."""
    networks: dict[str, nn.Module] = {}
    for number, name in enumerate(["G_AB", "G_BA", "D_A", "D_B", "D_masked_A", "D_masked_B"]):
        torch.manual_seed(number)
        made = ResNet(3, 3, width=2, blocks=1) if name[0] == "G" else Patch(3, width=2, layers=1)
        if name in method.slots:
            networks[name] = made
    method.bind(networks, Roles({"input": masker} if masker else {}))
    networks |= method.setup(batch_step(size=16))
    method.networks = networks
    return method


def let_through(method: Method) -> None:
    """Set E_m = [I, 0] and E_c = 0, for good: with a full mask the generator sees the image and nothing is added."""
    for name in ("E_AB", "E_BA"):
        encoder = method.networks[name].requires_grad_(False)
        assert isinstance(encoder, MaskEncoder)
        for parameter in encoder.parameters():
            nn.init.zeros_(parameter)
        nn.init.dirac_(encoder.masked.weight)


def three_steps(method: Method) -> tuple[list[dict[str, Tensor]], list[dict[str, Tensor]], dict[str, nn.Module]]:
    """Return the losses and the gradients of three steps, and the networks."""
    engine = Engine(method, Accelerator(cpu=True), lr=1e-3)
    taken = gradients(engine)
    return [engine.step([batch_step(size=16, seed=i, index=i)])[0] for i in range(3)], taken, engine.networks


@pytest.mark.parametrize(
    ("inside", "cycle", "identity"), [(1, 10, 0.5), (0.5, 20, 0.25)], ids=["all inside", "half inside, doubled"]
)
def test_with_a_full_mask_and_nothing_around_it_is_cyclegan_exactly(
    inside: float, cycle: float, identity: float
) -> None:
    method = MaskCycleGAN(masked_share=0, inside=inside, cycle=cycle, identity=identity, pool=1)
    masked = bound(method, Full())
    let_through(masked)
    *mine, ours = three_steps(masked)
    *theirs, plain = three_steps(bound(CycleGAN(cycle=10, identity=0.5, pool=1)))
    for what, count, found, expected in zip(("losses", "gradients"), (3, 6), mine, theirs, strict=True):
        assert len(expected) == count, what
        for one, other in zip(found, expected, strict=True):
            assert set(other) <= set(one), what
            assert all(torch.equal(one[name], other[name]) for name in other), what
    for name, network in plain.items():
        for a, b in zip(ours[name].parameters(), network.parameters(), strict=True):
            assert torch.equal(a, b)


def test_half_inside_doubled_is_cyclegans_cycle_term_at_any_mask() -> None:
    method = bound(MaskCycleGAN(inside=0.5), MultiRectangle())
    step = doubled(batch_step(size=16))
    step["rec_A"] = step["real_A"].flip(0).clone().requires_grad_()
    plain = (step["rec_A"] - step["real_A"]).abs().mean()
    twice = 2 * method.cycle_error(step, "A")
    torch.testing.assert_close(twice, plain, rtol=1e-6, atol=0)  # the method computes in float32
    (mine,), (theirs,) = (torch.autograd.grad(loss, step["rec_A"]) for loss in (twice, plain))
    torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=0)
    assert 0 < float(step["input_mask_real_A"].mean()) < 1


def doubled(step: Step) -> Step:
    for name in step.batch:
        step[name] = step[name].double()
    return step


def conv1x1(layer: nn.Module, planes: Tensor) -> Tensor:
    assert isinstance(layer, nn.Conv2d) and layer.bias is not None
    return torch.einsum("oi,bihw->bohw", layer.weight[:, :, 0, 0], planes) + layer.bias[:, None, None]


@pytest.mark.parametrize("masker", [MultiRectangle(), Bright()], ids=["drawn", "of the image"])
def test_every_term_and_gradient_by_the_formulas(masker: Masker) -> None:
    share, mu = 0.7, 0.3
    method = bound(MaskCycleGAN(pool=0), masker)
    nets = method.networks
    torch.manual_seed(5)
    for name, network in nets.items():
        network.double()
        if name[0] == "E":  # larger than they begin, so that the context counts
            for parameter in network.parameters():
                nn.init.normal_(parameter, 0.0, 0.5)
    step = doubled(batch_step(size=16))
    method.forward(step)
    losses = {**method.generator_losses(step)}
    a, b = step["real_A"], step["real_B"]
    m_a, m_b = step["input_mask_real_A"], step["input_mask_real_B"]
    assert torch.equal(m_a, m_b) == isinstance(masker, MultiRectangle)

    def translated(direction: str, x: Tensor, m: Tensor) -> Tensor:
        repeated = m.repeat(1, 3, 1, 1)
        encoder: Any = nets[f"E_{direction}"]
        inside = conv1x1(encoder.masked, torch.cat([x * m, repeated], 1))
        around = conv1x1(encoder.context, torch.cat([x * (1 - m), 1 - repeated], 1))
        return nets[f"G_{direction}"](inside) + around

    fake_b, fake_a = translated("AB", a, m_a), translated("BA", b, m_b)
    expected: dict[str, Tensor] = {}
    for direction, fake, m in (("AB", fake_b, m_a), ("BA", fake_a, m_b)):
        domain = direction[1]
        expected[f"gan_{direction}"] = (1 - share) * ((nets[f"D_{domain}"](fake) - 1) ** 2).mean()
        expected[f"gan_masked_{direction}"] = share * ((nets[f"D_masked_{domain}"](fake * m) - 1) ** 2).mean()
    for domain, x, m, back in (
        ("A", a, m_a, translated("BA", fake_b, m_a)),
        ("B", b, m_b, translated("AB", fake_a, m_b)),
    ):
        count = x.numel()  # means over all pixels, not over the region's
        inside, around = ((x - back) * m).abs().sum() / count, ((x - back) * (1 - m)).abs().sum() / count
        expected[f"cycle_{domain}"] = 10 * (mu * inside + (1 - mu) * around)
    expected["identity_A"] = 5 * (translated("BA", a, m_a) - a).abs().mean()
    expected["identity_B"] = 5 * (translated("AB", b, m_b) - b).abs().mean()
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name].double(), value, rtol=2e-6, atol=0, msg=name)
    weights = [p for name, net in nets.items() if name[0] in "GE" for p in net.parameters()]
    pairs = [torch.autograd.grad(sum(one.values()), weights, retain_graph=True) for one in (losses, expected)]  # type: ignore[arg-type]
    for mine, theirs in zip(*pairs, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-7)

    terms = method.discriminator_losses(step.detached())
    for domain, real, m_real, fake, m_fake in (("A", a, m_a, fake_a, m_b), ("B", b, m_b, fake_b, m_a)):
        full, partial = nets[f"D_{domain}"], nets[f"D_masked_{domain}"]
        whole = ((full(real) - 1) ** 2).mean() + (full(fake) ** 2).mean()
        region = ((partial(real * m_real) - 1) ** 2).mean() + (partial(fake * m_fake) ** 2).mean()
        torch.testing.assert_close(terms[f"D_{domain}"].double(), (1 - share) * whole / 2, rtol=2e-6, atol=0)
        torch.testing.assert_close(terms[f"D_masked_{domain}"].double(), share * region / 2, rtol=2e-6, atol=0)
    assert len(terms) == 4


def test_parameters_of_the_published_size() -> None:
    encoder = sum(p.numel() for p in MaskEncoder(3, 3).parameters())
    for blocks, count in ((9, 11_378_221), (3, 4_297_261)):
        assert sum(p.numel() for p in ResNet(3, 3, width=64, blocks=blocks).parameters()) + encoder == count
    small = Patch(3, width=64, layers=2, extra_layer=False, average_logits=True)  # the released code's
    assert sum(p.numel() for p in small.parameters()) == 136_385


def test_domains_may_differ_in_channels() -> None:
    method = MaskCycleGAN(identity=0)
    networks: dict[str, nn.Module] = {"G_AB": ResNet(1, 3, width=2, blocks=0), "G_BA": ResNet(3, 1, width=2, blocks=0)}
    method.bind(networks, Roles({"input": CenteredSquare()}))
    step = Step({"real_A": torch.zeros(1, 1, 8, 8), "real_B": torch.zeros(1, 3, 8, 8)})
    networks |= method.setup(step)
    method.forward(step)
    assert (step["fake_B"].shape[1], step["fake_A"].shape[1]) == (3, 1)


def test_several_masks_give_several_outputs_of_one_image() -> None:
    method = bound(MaskCycleGAN(), CenteredSquare())
    nn.init.normal_(method.networks["E_AB"].masked.weight)
    image, outputs = batch_step(size=16)["real_A"], []
    for columns in (4, 12):
        mask = torch.zeros(2, 1, 16, 16)
        mask[..., :columns] = 1
        outputs.append(method.translate(image, "AB", Step({"input_mask_real_A": mask}, samples=(0, 1))))
    assert outputs[0].shape == image.shape
    assert not torch.allclose(*outputs)


def test_a_masked_pool_stores_masked_images_and_is_restored() -> None:
    method = bound(MaskCycleGAN(pool=1), CenteredSquare(scales=(0.5,)))
    engine = Engine(method, Accelerator(cpu=True))
    engine.step([batch_step(size=16)])
    state = {name: image.clone() for name, image in method.state_dict().items()}
    assert sorted(state) == sorted(
        f"{kind}{domain}.{i}.0" for kind in ("", "masked_") for domain in "AB" for i in (0, 1)
    )
    outside = torch.ones(16, 16)
    outside[4:12, 4:12] = 0
    for name, image in state.items():
        assert bool((image * outside).any()) != name.startswith("masked")
    other = bound(MaskCycleGAN(pool=1), CenteredSquare())
    other.load_state_dict(state)
    assert all(torch.equal(other.state_dict()[name], image) for name, image in state.items())
    engine.step([batch_step(size=16, seed=1, index=1)])
    method.undo()
    assert all(torch.equal(method.state_dict()[name], image) for name, image in state.items())


def test_masked_discriminators_see_earlier_images_in_the_masks_that_these_had() -> None:
    """Real images, and masked translations or earlier ones of the masked pools, which have draws of their own."""
    method = bound(MaskCycleGAN(pool=1), Bright())
    engine = Engine(method, Accelerator(cpu=True), lr=1e-3)
    seen: list[Tensor] = []
    for domain in "AB":
        engine.networks[f"D_masked_{domain}"].register_forward_pre_hook(
            lambda _, inputs: seen.append(inputs[0].detach())
        )
    pools = {domain: PlainPool(1) for domain in "AB"}
    exchanged = set()
    for index in range(4):
        step = batch_step(size=16, seed=index, index=index)
        engine.step([step])
        news = {"B": seen[0], "A": seen[1]}  # in the generators' phase
        for domain, shown in zip("AB", seen[2:], strict=True):
            real, new = step[f"real_{domain}"], news[domain]
            pooled = pools[domain].query(new, step.rng(f"pool_masked_{domain}").uniform(2))
            mask = (real.mean(1, keepdim=True) > 0).float()
            torch.testing.assert_close(shown, torch.cat([real * mask, pooled]), rtol=0, atol=0)
            if not torch.equal(pooled, new):
                exchanged.add(domain)
        seen.clear()
    assert exchanged == {"A", "B"}


def test_the_learning_rate_falls_as_released() -> None:
    method = MaskCycleGAN()
    factors = [method.lr_factor(epoch, 200, 0.5, 0) for epoch in range(200)]
    assert factors == [1 - max(0, e - 100) / 100 for e in range(200)]
    assert method.lr_factor(3, 4, 0, 0) == 1
