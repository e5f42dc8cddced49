"""The directions in which translations change most."""

from __future__ import annotations

import numpy as np
import torch

from ganzoo.studio.styles import axes_of


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_directions_are_those_of_a_linear_method_by_strength() -> None:
    """Pixels are a linear map of the style with known singular directions, beside noise."""
    size, count, pixels = 6, 400, 50
    basis = torch.linalg.qr(drawn(size, size, seed=1))[0]
    images_of = torch.linalg.qr(drawn(pixels, size, seed=2))[0]
    strengths = torch.tensor([9.0, 5.0, 2.0, 0.3, 0.2, 0.1], dtype=torch.float64)
    styles = drawn(count, size, seed=3)
    images = styles @ (basis * strengths) @ images_of.T + 0.01 * drawn(count, pixels, seed=4)
    axes = axes_of(styles, images, 3)
    torch.testing.assert_close(axes.mean.double(), styles.mean(0), atol=1e-6, rtol=0)
    for k, axis in enumerate(axes.axes.double()):
        deviation = float(((styles - styles.mean(0)) @ (axis / axis.norm())).std())
        assert abs(float(axis.norm()) - deviation) < 1e-5
        assert abs(float((axis / axis.norm()) @ basis[:, k])) > 0.98
    products = axes.axes @ axes.axes.T
    assert (products - torch.diag(products.diag())).abs().max() < 1e-5


def test_it_has_at_most_as_many_directions_as_a_style_has_numbers() -> None:
    styles = drawn(20, 2)
    assert axes_of(styles, styles @ drawn(2, 9, seed=1), 4).axes.shape == (2, 2)
    assert axes_of(styles, torch.zeros(20, 9, dtype=torch.float64), 4).axes.shape[1] == 2


def test_the_text_of_a_style_is_exact() -> None:
    styles = drawn(30, 5)
    axes = axes_of(styles, styles @ drawn(5, 40, seed=1), 4)
    places = [0.5, -1.25, 3.0, 0.05]
    read = torch.tensor([float(number) for number in axes.text(places).split(",")])
    assert torch.equal(read, axes.style(places))
    expected = axes.mean.numpy() + np.array(places, np.float32) @ axes.axes.numpy()
    np.testing.assert_allclose(axes.style(places).numpy(), expected, rtol=1e-6)
