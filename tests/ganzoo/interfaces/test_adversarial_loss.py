"""The option ``gan``: label smoothing, R1 and R2, and what ADA learns of the logits of real images."""

from __future__ import annotations

from math import log
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import AdversarialLoss, Step, zero_penalty
from ganzoo_cyclegan.patch import Patch

REAL, FAKE = torch.randn(2, 3, 2, 4, 4, dtype=torch.float64)


def step(turn: int = 0) -> Step:
    one = Step({"real_A": REAL}, samples=range(3))
    one.turn = turn
    return one


class Linear(nn.Module):
    """D(x) = ⟨a, x⟩: the gradient is a everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64).view(1, 2, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images * self.slope).sum((1, 2, 3))


def terms(option: Any, network: nn.Module | None = None, turn: int = 0, **about: Any) -> dict[str, Tensor]:
    loss = AdversarialLoss(option)
    return loss.discriminator(step(turn), "D_A", network or Linear(), REAL, about.pop("fakes", [FAKE]), **about)


def test_r1_and_r2_of_a_linear_discriminator() -> None:
    """‖∇D‖² is |a|² at each of the 16 pixels: 25 · 16; the derivative of γ/2 · 16 |a|² is 16 γ a."""
    network = Linear()
    found = terms({"loss": "vanilla", "r1": 2.0, "r2": 3.0, "penalty_every": 1}, network)
    assert set(found) == {"D_A", "D_A_r1", "D_A_r2"}
    assert found["D_A_r1"].item() == pytest.approx(2 / 2 * 25 * 16)
    assert found["D_A_r2"].item() == pytest.approx(3 / 2 * 25 * 16)
    found["D_A_r1"].backward()
    assert network.slope.grad is not None
    assert network.slope.grad.flatten().tolist() == pytest.approx([16 * 2 * 3, 16 * 2 * 4])


def test_r1_looks_at_real_images_and_r2_at_generated_ones() -> None:
    """D(x) = mean over the map of x²: ‖∇D‖² = Σ (2x / pixels)²."""

    class Square(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.square()

    found = terms({"loss": "lsgan", "r1": 10.0, "r2": 10.0, "penalty_every": 1}, Square())
    for name, images in (("r1", REAL), ("r2", FAKE)):
        expected = 10 / 2 * (2 * images / 32).square().sum((1, 2, 3)).mean()
        assert found[f"D_A_{name}"].item() == pytest.approx(float(expected), rel=1e-12)


def test_the_penalty_s_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    critic = Patch(2, width=2, layers=1).double()
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.normal_(0, 0.5)
    images = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    zero_penalty(critic, images).backward()
    weight = critic.get_parameter("model.2.weight")
    assert weight.grad is not None
    direction = torch.randn_like(weight)

    def moved(distance: float) -> float:
        with torch.no_grad():
            weight.add_(distance * direction)
        value = zero_penalty(critic, images).item()
        with torch.no_grad():
            weight.sub_(distance * direction)
        return value

    slope = (moved(1e-5) - moved(-1e-5)) / 2e-5
    assert abs(slope) > 1e-6
    assert float((weight.grad * direction).sum()) == pytest.approx(slope, rel=1e-6)


def test_lazy_penalties_weigh_as_much_in_all() -> None:
    option = {"loss": "lsgan", "r1": 1.0, "penalty_every": 4}
    found = [float(terms(option, turn=turn)["D_A_r1"]) for turn in range(8)]
    each = float(terms({**option, "penalty_every": 1})["D_A_r1"])
    assert found == [4 * each, 0, 0, 0, 4 * each, 0, 0, 0]
    assert AdversarialLoss({"loss": "lsgan", "r1": 1.0}).penalty_every == 16


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])
def test_penalties_are_computed_in_float32(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    network, images = Patch(2, width=2, layers=1), REAL.float().repeat(1, 1, 4, 4)
    loss = AdversarialLoss({"loss": "lsgan", "r1": 10.0})
    with torch.autocast("cpu", precision, enabled=precision == torch.bfloat16):
        found = loss.discriminator(step(), "D_A", network, images, [images])["D_A_r1"]
    assert torch.equal(found, 16 * zero_penalty(network, images))


def test_one_sided_label_smoothing() -> None:
    network = Linear()
    real, fake = network(REAL), network(FAKE)
    squares = terms({"loss": "lsgan", "real_label": 0.9}, network)["D_A"]
    torch.testing.assert_close(squares, (real - 0.9).square().mean() + fake.square().mean())
    entropy = terms({"loss": "vanilla", "real_label": 0.9}, network)["D_A"]
    labels = F.binary_cross_entropy_with_logits(real, torch.full_like(real, 0.9))
    zeros = F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    torch.testing.assert_close(entropy, labels + zeros)


def test_halved_and_several_fakes() -> None:
    network = Linear()
    whole = terms("lsgan", network)["D_A"]
    assert float(terms("lsgan", network, halved=True)["D_A"]) == pytest.approx(float(whole) / 2)
    twice = terms("lsgan", network, fakes=[FAKE, -FAKE], name="D")
    assert set(twice) == {"D"}
    other = terms("lsgan", network, fakes=[-FAKE])["D_A"]
    assert float(twice["D"]) == pytest.approx(float(whole + other))


def test_fakes_of_several_sizes() -> None:
    """With images of their own sizes; R2 is the mean over all generated images."""
    small = torch.randn(1, 2, 2, 2, dtype=torch.float64)
    found = terms({"loss": "lsgan", "r2": 2.0, "penalty_every": 1}, fakes=[FAKE, small])
    alone = [terms("lsgan", fakes=[fake])["D_A"].item() for fake in (FAKE, small)]
    assert found["D_A"].item() == pytest.approx(sum(alone))
    assert found["D_A_r2"].item() == pytest.approx(2 / 2 * 25 * (3 * 16 + 4) / 4)
    assert set(terms("lsgan", fakes=[FAKE, small])) == {"D_A"}


def test_the_boundary_is_where_real_and_generated_are_as_likely() -> None:
    """The best logit for densities p and q minimizes p · loss(real) + q · loss(fake); here p = q."""
    for kind, label in (("lsgan", 1.0), ("lsgan", 0.8), ("vanilla", 1.0), ("vanilla", 0.8), ("hinge", 1.0)):
        loss = AdversarialLoss({"loss": kind, "real_label": label})  # type: ignore[arg-type]
        around = torch.linspace(-2, 2, 4001, dtype=torch.float64)
        values = {
            "lsgan": (around - label) ** 2 + around**2,
            "vanilla": -label * F.logsigmoid(around) - (1 - label) * F.logsigmoid(-around) - F.logsigmoid(-around),
            "hinge": around**2,  # flat between −1 and 1; the middle
        }[kind]
        assert loss.boundary == pytest.approx(float(around[values.argmin()]), abs=2e-3), (kind, label)
    assert AdversarialLoss({"loss": "vanilla", "real_label": 0.8}).boundary == pytest.approx(log(0.4 / 0.6))


def test_the_signs_of_real_logits_are_means_over_each_image_s_maps() -> None:
    large, small = torch.tensor([[0.4, 0.6], [0.6, 0.7]]), torch.tensor([[0.1], [0.9]])
    assert AdversarialLoss("lsgan").signs([large, small]).tolist() == [-0.5, 1.0]
    one = step()
    AdversarialLoss("hinge").discriminator(one, "D_A", Linear(), REAL, [FAKE])
    assert one.real_signs["D_A"].tolist() == Linear()(REAL).sign().tolist()


def test_wgan_gp_has_no_boundary() -> None:
    one = step()
    AdversarialLoss("wgan-gp").discriminator(one, "D_A", Linear(), REAL, [FAKE])
    assert one.real_signs == {}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"loss": "hinge", "real_label": 0.9}, "hinge has no labels"),
        ({"loss": "wgan-gp", "real_label": 0.9}, "wgan-gp has no labels"),
        ({"loss": "lsgan", "penalty_every": 4}, "there is no penalty: set r1 or r2"),
    ],
)
def test_what_has_no_effect_is_refused(option: Any, message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        AdversarialLoss(option)
