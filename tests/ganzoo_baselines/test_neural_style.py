"""Gatys' objective against a plain transcription, and its minimization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo_baselines.neural_style import Objective, gram, mean_activations
from ganzoo_losses.vgg import VGG
from tests.support.command_line import refusal
from tests.support.vgg_networks import WIDTHS, random_vgg, reference_vgg

CAFFE: dict[str, Any] = {"mean": (103.939, 116.779, 123.680), "scale": 1.0, "blue_first": True}
CONTENT = {"relu4_2": 1.0, "conv3_2": 0.5}
STYLE = {"relu1_1": 0.2, "relu2_1": 0.3, "relu3_1": 0.1, "relu5_1": 0.4}


def network(pool: Any = "avg") -> VGG:
    return VGG(19, random_vgg(19), input="caffe", pool=pool).double()


def random_image(seed: int, size: int = 32) -> Tensor:
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed)).double() * 2 - 1


def plainly(
    image: Tensor,
    shown: Tensor,
    painted: Tensor,
    alpha: float,
    beta: float,
    means: Mapping[str, Tensor] | None = None,
    average: bool = True,
) -> Tensor:
    """Eq. 1 to 7: sums over values and pairs of maps, unscaled Gram matrices, divided by 4N²M²."""
    found, content, style = (
        reference_vgg(random_vgg(19), one, average=average, **CAFFE) for one in (image, shown, painted)
    )

    def scaled(maps: Mapping[str, Tensor], layer: str) -> Tensor:
        divisor = torch.ones(maps[layer].shape[1]) if means is None else means[layer]
        return maps[layer][0] / divisor.double()[:, None, None]

    total = torch.zeros((), dtype=torch.float64)
    for layer, weight in CONTENT.items():
        total = total + alpha * weight * 0.5 * (scaled(found, layer) - scaled(content, layer)).pow(2).sum()
    for layer, weight in STYLE.items():
        grams, sizes = [], []
        for maps in (found, style):
            rows = [plane.flatten() for plane in scaled(maps, layer)]
            sizes.append(len(rows[0]))
            grams.append(torch.stack([torch.stack([(one * other).sum() for other in rows]) for one in rows]))
        assert sizes[0] == sizes[1]
        n, m = len(grams[0]), sizes[0]
        total = total + beta * weight * (grams[0] - grams[1]).pow(2).sum() / (4 * n**2 * m**2)
    return total


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 30.0), (0.5, 0.0), (0.0, 2.0)])
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("average", [True, False])
def test_objective_and_gradient_are_the_formula(alpha: float, beta: float, scaled: bool, average: bool) -> None:
    drawn = torch.Generator().manual_seed(1)
    layers = {*CONTENT, *STYLE}
    means = {layer: torch.rand(WIDTHS[layer[4]], generator=drawn) + 0.5 for layer in sorted(layers)} if scaled else None
    objective = Objective(network("avg" if average else "max"), alpha, beta, CONTENT, STYLE, means or {})
    mine, theirs = random_image(0).requires_grad_(), random_image(0).requires_grad_()
    found = objective(mine, objective.content_of(random_image(1)), objective.grams(objective.style_of(random_image(2))))
    expected = plainly(theirs, random_image(1), random_image(2), alpha, beta, means, average)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
    gradients = [torch.autograd.grad(one, at)[0] for one, at in ((found, mine), (expected, theirs))]
    largest = float(gradients[1].abs().max())
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-5 * largest)
    assert largest > 1e-6


def test_the_terms_of_the_released_code_are_available() -> None:
    """Means in place of sums, Gram matrices over M alone, 1000/N² a layer: the weights that docs/gatys.md tells."""
    found, content, style = (reference_vgg(random_vgg(19), random_image(i), average=True, **CAFFE) for i in range(3))
    released = (found["relu4_2"] - content["relu4_2"]).pow(2).mean()
    layers = {}
    for layer in STYLE:
        grams = [maps[layer][0].flatten(1) @ maps[layer][0].flatten(1).T / maps[layer][0, 0].numel()
                 for maps in (found, style)]  # fmt: skip
        n = len(grams[0])
        released = released + 1000 / n**2 * (grams[0] - grams[1]).pow(2).mean()
        layers[layer] = 1 / n**2
    values = content["relu4_2"].numel()
    objective = Objective(network(), 1.0, 2000.0 * values, {"relu4_2": 1.0}, layers)
    mine = objective(
        random_image(0), objective.content_of(random_image(1)), objective.grams(objective.style_of(random_image(2)))
    )
    torch.testing.assert_close(mine, released * values / 2, rtol=1e-6, atol=0)


def test_gram_matrices_of_images_of_any_size_compare() -> None:
    maps = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(gram(maps.repeat(1, 1, 3, 2)), gram(maps))
    torch.testing.assert_close(gram(maps)[1, 0, 2], (maps[1, 0] * maps[1, 2]).sum() / (3 * 20))


def test_the_mean_activations() -> None:
    images = torch.cat([random_image(i) for i in range(3)])
    maps = reference_vgg(random_vgg(19), images, average=True, **CAFFE)
    silent = random_vgg(19)
    silent["features.0.weight"][1], silent["features.0.bias"][1] = 0, -1  # a map that never fires
    found = mean_activations(network(), images, ["relu4_2", "conv3_2"])
    for layer, rectified in (("relu4_2", "relu4_2"), ("conv3_2", "relu3_2")):
        expected = maps[rectified].mean((0, 2, 3))
        torch.testing.assert_close(found[layer], expected.clamp(min=0.01 * float(expected.mean())), rtol=1e-6, atol=0)
    rare = mean_activations(VGG(19, silent, input="caffe", pool="avg").double(), images, ["relu1_1"])["relu1_1"]
    whole = reference_vgg(silent, images, average=True, **CAFFE)["relu1_1"].mean((0, 2, 3))
    assert whole[1] == 0 and rare[1] == pytest.approx(0.01 * float(whole.mean()))
    torch.testing.assert_close(rare[[0, 2, 3]], whole[[0, 2, 3]], rtol=1e-6, atol=0)


def minimized(objective: Objective, start: Tensor, steps: int) -> tuple[Tensor, float, float]:
    """Return what minimizing towards image 1 in the style of image 2 makes, its objective, and the start's."""
    style = objective.style_of(random_image(2))
    with torch.no_grad():  # as runs are measured
        made = objective.minimize(start, random_image(1), style, steps)
    content, grams = objective.content_of(random_image(1)), objective.grams(style)
    return made, float(objective(made, content, grams)), float(objective(start, content, grams))


def test_minimizing_lowers_the_objective_step_by_step() -> None:
    objective = Objective(network(), 1.0, 1e3, CONTENT, STYLE)
    values = [minimized(objective, random_image(1), steps)[1] for steps in (1, 5, 20)]
    begun = minimized(objective, random_image(1), 1)[2]
    assert begun > values[0] > values[1] > values[2] and values[2] < 0.5 * begun
    start = random_image(1)
    made, *_ = minimized(objective, start, 5)
    assert torch.equal(start, random_image(1)) and made.abs().max() <= 1 and not made.requires_grad
    assert all(one.grad is None for one in objective.network.parameters())


def test_without_style_weight_noise_becomes_the_content() -> None:
    objective = Objective(network(), 1.0, 0.0, {"conv1_1": 1.0}, STYLE)
    made, found, begun = minimized(objective, random_image(0), 100)
    assert found < 1e-3 * begun
    assert (made - random_image(1)).abs().mean() < 0.05 * (random_image(0) - random_image(1)).abs().mean()
    deeper = Objective(network(), 1.0, 0.0, {"relu4_2": 1.0}, STYLE)
    _, found, begun = minimized(deeper, random_image(0), 100)
    assert found < 0.1 * begun
    stays, *_ = minimized(deeper, random_image(1), 100)
    assert torch.equal(stays, random_image(1))  # nothing is left to do where it starts from the image itself


def test_without_content_weight_only_the_style_counts() -> None:
    objective = Objective(network(), 0.0, 1.0, CONTENT, STYLE)
    made, found, begun = minimized(objective, random_image(1), 100)
    assert found < 0.1 * begun
    asked, there = objective.style_of(random_image(2)), objective.style_of(made)
    assert (there - asked).norm() < 0.5 * (objective.style_of(random_image(1)) - asked).norm()


def test_a_style_is_its_gram_matrices() -> None:
    objective = Objective(network(), 1.0, 1.0, CONTENT, STYLE)
    style = objective.style_of(random_image(2))
    assert style.shape == (1, objective.style_size) and objective.style_size == 4**2 + 5**2 + 6**2 + 8**2
    maps = objective.network(random_image(2), STYLE)
    for layer, one in objective.grams(style).items():
        torch.testing.assert_close(one, gram(maps[layer]))


def test_pixels_of_any_memory_format() -> None:
    objective = Objective(network(), 1.0, 1e3, CONTENT, STYLE)
    plain, *_ = minimized(objective, random_image(1), 3)
    turned, *_ = minimized(objective, random_image(1).contiguous(memory_format=torch.channels_last), 3)
    torch.testing.assert_close(turned, plain)


def test_a_result_that_is_not_finite_is_an_error() -> None:
    objective = Objective(network(), 1e308, 1e308, CONTENT, STYLE)
    style = objective.style_of(random_image(2))
    message = refusal(objective.minimize, random_image(0), random_image(1), style, 3)
    assert message == "gatys: the objective is not finite: lower the weights 'content' and 'style'"
