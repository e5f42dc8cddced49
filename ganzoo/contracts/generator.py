"""What a generator must return."""

from __future__ import annotations

from torch import Tensor

from ganzoo.contracts.origin import Origin
from ganzoo.contracts.values import check_finite, check_tensor, refuse_by

LARGEST = 50.0
"""Largest absolute value of an image that a generator may make; images have [−1, 1], and it is not trained yet."""


def check_generated(value: object, images: Tensor, channels: int, origin: Origin) -> Tensor:
    """Return what a generator's ``forward`` returned if it has the form of images; nothing is read from the device.

    Args:
        value: what it returned.
        images: its input, (B, C, H, W).
        channels: the number of channels of the images that it makes.
        origin: the generator.

    Raises ComponentError for anything but floats (B, channels, H, W) on the images' device.
    """
    shape = (len(images), channels, *images.shape[2:])
    expected = f"images {shape} for an input of shape {tuple(images.shape)}"
    return check_tensor(value, shape, expected, refuse_by(origin, "forward"), device=images.device)


def check_generated_values(value: Tensor, origin: Origin, function: str = "forward") -> None:
    """Raise ComponentError for images with values that are not finite, or far outside of [−1, 1]; waits for the device.

    Args:
        value: the images.
        origin: the component that made them.
        function: the name of its function.
    """
    refuse = refuse_by(origin, function)
    check_finite(value, refuse)
    if (largest := float(value.detach().abs().max())) > LARGEST:
        raise refuse(f"images with values up to {largest:.3g}", "values in [-1, 1], as tanh makes them")
