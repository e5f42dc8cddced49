"""What a discriminator must return."""

from __future__ import annotations

from torch import Tensor

from ganzoo.contracts.describe import describe
from ganzoo.contracts.origin import Origin
from ganzoo.contracts.values import check_finite, refuse_by

EXPECTED = "a map of logits, floats (B, …), or a list of them, one for each scale"


def check_logits(value: object, images: Tensor, origin: Origin) -> None:
    """Check what a discriminator's ``forward`` returned; nothing is read from the device.

    Args:
        value: what it returned.
        images: its input, (B, C, H, W).
        origin: the discriminator.

    Raises ComponentError for anything but a map of logits with a row for each image, or a list of such maps.
    """
    refuse, expected = refuse_by(origin, "forward"), f"{EXPECTED}, with B = {len(images)}"
    maps = list(value) if isinstance(value, list | tuple) else [value]
    if not maps:
        raise refuse("an empty list", expected)
    for one in maps:
        among = describe(one) if one is value else f"a list with {describe(one)}"
        if not isinstance(one, Tensor) or not one.is_floating_point() or not one.ndim or len(one) != len(images):
            raise refuse(among, expected)
        if one.device != images.device:
            raise refuse(f"logits on {one.device}", f"{expected}, on {images.device}")


def check_logit_values(value: object, images: Tensor, origin: Origin) -> None:
    """Raise ComponentError for logits of a wrong form, or with values that are not finite; waits for the device."""
    check_logits(value, images, origin)
    for one in [value] if isinstance(value, Tensor) else value:  # type: ignore[attr-defined]
        check_finite(one, refuse_by(origin, "forward"))
