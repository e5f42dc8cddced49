import math

import pytest
import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError
from ganzoo.interfaces.adversarial import (
    Adversarial,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    zero_penalty,
)
from ganzoo_cyclegan.patch import Patch

REAL, FAKE = [1.5, -0.5, 0.25, 3.0], [-2.0, 0.5, 1.0, -0.25]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def log_sigmoid(value: float) -> float:
    return math.log(1 / (1 + math.exp(-value)))


EXPECTED: dict[Adversarial, tuple[float, float, float]] = {
    "lsgan": (
        mean([(x - 1) ** 2 for x in REAL]),
        mean([x**2 for x in FAKE]),
        mean([(x - 1) ** 2 for x in FAKE]),
    ),
    "vanilla": (
        mean([-log_sigmoid(x) for x in REAL]),
        mean([-math.log(1 - 1 / (1 + math.exp(-x))) for x in FAKE]),
        mean([-log_sigmoid(x) for x in FAKE]),
    ),
    "hinge": (mean([max(0, 1 - x) for x in REAL]), mean([max(0, 1 + x) for x in FAKE]), -mean(FAKE)),
    "wgan-gp": (-mean(REAL), mean(FAKE), -mean(FAKE)),
}


@pytest.mark.parametrize("kind", ["lsgan", "vanilla", "hinge", "wgan-gp"])
def test_losses(kind: Adversarial) -> None:
    real, fake = (torch.tensor(x, dtype=torch.float64).view(2, 1, 1, 2) for x in (REAL, FAKE))
    terms = (*discriminator_loss(kind, real, fake), generator_loss(kind, fake))
    assert [term.item() for term in terms] == pytest.approx(EXPECTED[kind], rel=1e-12)


@pytest.mark.parametrize("kind", ["lsgan", "vanilla", "hinge", "wgan-gp"])
def test_losses_are_computed_in_float32(kind: Adversarial) -> None:
    real, fake = torch.tensor(REAL).bfloat16() * 1.37, torch.tensor(FAKE).bfloat16() * 1.37
    for term, exact in zip(
        (*discriminator_loss(kind, real, fake), generator_loss(kind, fake)),
        (*discriminator_loss(kind, real.float(), fake.float()), generator_loss(kind, fake.float())),
        strict=True,
    ):
        assert term.dtype == torch.float32
        assert term.equal(exact)


@pytest.mark.parametrize("kind", ["lsgan", "vanilla", "hinge", "wgan-gp"])
def test_large_logits_stay_finite(kind: Adversarial) -> None:
    logits = torch.tensor([1e4, -1e4])
    assert torch.stack([*discriminator_loss(kind, logits, logits), generator_loss(kind, logits)]).isfinite().all()


def test_penalty_of_a_linear_critic() -> None:
    """D(x) = ⟨a, x⟩ has the gradient a wherever it is taken."""
    slope = torch.tensor([3.0, 4.0], dtype=torch.float64).view(1, 2, 1, 1).requires_grad_()
    real, fake = torch.randn(2, 3, 2, 1, 1, dtype=torch.float64)
    penalty = gradient_penalty(lambda x: (x * slope).sum(1, keepdim=True), real, fake, torch.rand(3))
    assert penalty.item() == pytest.approx(10 * (5 - 1) ** 2)
    penalty.backward()
    assert slope.grad is not None
    # d/da 10 (|a| − 1)² = 20 (|a| − 1) a / |a|
    assert slope.grad.flatten().tolist() == pytest.approx([20 * 4 * 3 / 5, 20 * 4 * 4 / 5])


def test_penalty_is_taken_between_the_images() -> None:
    """D(x) = mean over the map of x²: the gradient at x̂ is 2 x̂ / pixels."""
    real, fake = torch.randn(2, 3, 1, 4, 4, dtype=torch.float64)
    mix = torch.tensor([0.0, 0.25, 1.0])
    penalty = gradient_penalty(lambda x: x.square(), real, fake, mix, weight=2.0)
    expected = []
    for share, x, y in zip(mix.tolist(), real, fake, strict=True):
        point = share * x + (1 - share) * y
        expected.append((math.sqrt(float((2 * point / 16).square().sum())) - 1) ** 2)
    assert penalty.item() == pytest.approx(2 * mean(expected), rel=1e-12)


def test_penalty_trains_a_patch_critic_and_not_the_images() -> None:
    """The second derivative passes through instance norm: compare it with finite differences."""
    torch.manual_seed(0)
    critic = Patch(2, width=2, layers=1).double()
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.normal_(0, 0.5)
    real, fake = torch.randn(2, 2, 2, 8, 8, dtype=torch.float64)
    fake.requires_grad_()
    mix = torch.rand(2)
    gradient_penalty(critic, real, fake, mix).backward()
    assert fake.grad is None
    weight = critic.get_parameter("model.2.weight")
    direction = torch.randn_like(weight)

    def moved(distance: float) -> float:
        with torch.no_grad():
            weight.add_(distance * direction)
        value = gradient_penalty(critic, real, fake, mix).item()
        with torch.no_grad():
            weight.sub_(distance * direction)
        return value

    slope = (moved(1e-5) - moved(-1e-5)) / 2e-5
    assert abs(slope) > 1e-3
    assert weight.grad is not None
    assert float((weight.grad * direction).sum()) == pytest.approx(slope, rel=1e-5)


def test_penalty_of_half_precision_images_is_float32() -> None:
    def critic(batch: Tensor) -> Tensor:
        assert batch.dtype == torch.float32
        return batch.bfloat16().square()

    images = torch.randn(2, 1, 4, 4).bfloat16()
    assert gradient_penalty(critic, images, -images, torch.rand(2)).dtype == torch.float32


def test_penalty_of_a_dead_critic_has_a_finite_gradient() -> None:
    slope = torch.zeros((), requires_grad=True)
    penalty = gradient_penalty(lambda x: slope * x, torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), torch.rand(1))
    penalty.backward()
    assert penalty.item() == 10
    assert slope.grad is not None
    assert slope.grad.isfinite()


def test_penalty_of_images_of_two_sizes_is_refused() -> None:
    with pytest.raises(GanzooError, match="penalty mixes real with generated images, so both need one size"):
        gradient_penalty(nn.Identity(), torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5), torch.rand(1))


@pytest.mark.parametrize("centre", [0.0, 0.5, 3.0])
def test_a_penalty_has_any_centre(centre: float) -> None:
    """The gradient of 2·mean(x) over 8 values has the norm 2/√8."""
    real, fake = torch.randn(2, 3, 2, 2, 2, dtype=torch.float64)
    penalty = gradient_penalty(lambda x: 2 * x, real, fake, torch.rand(3), weight=0.7, centre=centre)
    assert penalty.item() == pytest.approx(0.7 * (2 / 8**0.5 - centre) ** 2)


def test_penalties_of_latents_are_the_formulas() -> None:
    """A discriminator of latents has no images: D(z) = w·z², so its gradient is 2wz."""
    w = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    real, fake = (torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(i)) for i in (0, 1))
    mix = torch.tensor([0.25, 0.75], dtype=torch.float64)

    def critic(latents: Tensor) -> Tensor:
        return (w * latents.square()).sum(1, keepdim=True)

    between = mix[:, None] * real + (1 - mix[:, None]) * fake
    expected = 10 * ((2 * w * between).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(gradient_penalty(critic, real, fake, mix), expected)
    torch.testing.assert_close(zero_penalty(critic, real, weight=3.0), 1.5 * (2 * w * real).square().sum(1).mean())
