"""Adaptive augmentation: p follows r_t, stays in [0, 1], and is the share of transformed images."""

from __future__ import annotations

import pytest
import torch

from ganzoo.engine.discriminators.adaptive import AdaptiveAugmentation
from ganzoo.randomness import Draws, keyed


def draws(count: int) -> Draws:
    return Draws([keyed(5, sample) for sample in range(count)])


def adapted(ada: AdaptiveAugmentation, mean_sign: float, images: int) -> None:
    ada.adapt(torch.tensor(mean_sign * images), torch.tensor(float(images)))


def test_p_rises_while_the_discriminator_is_sure_and_falls_while_it_is_not() -> None:
    ada = AdaptiveAugmentation((3,), target=0.6, images=1000)
    course = []
    for mean_sign, steps in ((1.0, 300), (0.0, 300)):
        for _ in range(steps):
            adapted(ada, mean_sign, 10)
            course.append(float(ada.p))
    assert course[0] == 0 and max(course) == 1 and course[-1] == 0
    assert all(0 <= p <= 1 for p in course)
    # r_t reaches 0.6 after ln(1 − 0.6) / ln(1 − 10/256) = 23 steps; from there on p takes 1000 images to 1
    rising = next(i for i, p in enumerate(course) if p > 0)
    assert rising == 22
    assert course[rising + 50] == pytest.approx(0.51)
    full = next(i for i, p in enumerate(course) if p > 1 - 1e-5)
    assert (full - rising + 1) * 10 == 1000


def test_r_is_the_moving_average_of_the_signs() -> None:
    ada = AdaptiveAugmentation((3,))
    expected = 0.0
    for count, mean in ((4, 1.0), (8, -0.5), (0, 0.0), (300, 0.25)):
        adapted(ada, mean, count)
        expected += (mean - expected) * min(count / 256, 1)
        assert float(ada.r) == pytest.approx(expected)
    assert expected == 0.25


def test_without_images_nothing_changes() -> None:
    ada = AdaptiveAugmentation((3,))
    ada.restore({"p": 0.5, "r": 0.25})
    adapted(ada, 0.0, 0)
    assert ada.numbers() == {"p": 0.5, "r": 0.25}


def test_with_p_0_images_pass_bit_for_bit_and_with_p_1_none_does() -> None:
    ada = AdaptiveAugmentation((3,))
    images = torch.rand(64, 3, 12, 12) * 2 - 1
    assert torch.equal(ada(images, draws(64)), images)
    ada.p.fill_(1)
    changed = ada(images, draws(64))
    assert changed.isfinite().all()
    assert all(not torch.allclose(one, other, atol=1e-3) for one, other in zip(changed, images, strict=True))
    assert torch.equal(ada(images, draws(64)), changed)


def test_more_images_change_the_larger_p_is() -> None:
    ada = AdaptiveAugmentation((1,))
    images = torch.rand(200, 1, 8, 8)
    shares = []
    for p in (0.02, 0.1, 0.3):
        ada.p.fill_(p)
        shares.append(float((ada(images, draws(200)) != images).flatten(1).any(1).float().mean()))
    # eight gates of geometry (two of them with 1 − √(1 − p)) and three of grey images' colors, whose mirrors, quarter
    # turns and luma flips are often none
    for share, p in zip(shares, (0.02, 0.1, 0.3), strict=True):
        assert 1 - (1 - p) ** 6 < share < 1 - (1 - p) ** 11
    assert shares == sorted(shares)


def test_gradients_reach_the_images_twice() -> None:
    ada = AdaptiveAugmentation((1, 3))
    ada.p.fill_(0.8)
    images = (torch.rand(2, 4, 4, 4, dtype=torch.float64) * 2 - 1).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: ada(x, draws(2)) ** 3, images)
