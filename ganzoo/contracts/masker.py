"""What a masker must declare and return."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from ganzoo.contracts.origin import Origin
from ganzoo.contracts.values import check_finite, check_module, check_tensor, refuse_by
from ganzoo.errors import ComponentError, suggest

NEEDS = ("image", "given")
TRAINS = ("", "separate", "joint")
BEYOND = 1e-3
"""How far rounding may take a value out of [0, 1]."""


def check_masker(masker: Any, origin: Origin, roles: Collection[str] = ()) -> None:
    """Check what a new masker says of itself: ``planes``, ``classes``, ``needs``, ``trains``, ``shared_role``.

    Args:
        masker: the masker.
        origin: where it comes from.
        roles: the known roles, for ``shared_role``.

    Raises ComponentError for a mistake of the author.
    """
    check_module(masker, origin)

    def refuse(name: str, expected: str) -> ComponentError:
        return ComponentError(f"{origin}: {name} is {getattr(masker, name)!r}; expected {expected} ({origin.line()})")

    planes, classes = masker.planes, masker.classes
    if type(planes) is not int or planes < 1:
        raise refuse("planes", "the number of its masks' planes, 1 or more")
    if not isinstance(classes, Sequence) or isinstance(classes, str) or (classes and len(classes) != planes):
        raise refuse("classes", f"a name for each of its {planes} planes, or ()")
    if isinstance(masker.needs, str) or not isinstance(masker.needs, Sequence):
        raise refuse("needs", 'a tuple, such as ("image",)')
    for word in masker.needs:
        if word not in NEEDS:
            raise refuse("needs", f"words of {NEEDS}{suggest(word, NEEDS)}")
    if masker.trains not in TRAINS:
        raise refuse("trains", f"one of {TRAINS}{suggest(masker.trains, TRAINS[1:])}")
    if masker.shared_role and roles and masker.shared_role not in roles:
        raise refuse("shared_role", f"a role{suggest(masker.shared_role, roles)}")


def check_mask(mask: object, image: Tensor, planes: int, origin: Origin) -> Tensor:
    """Return a mask if it has the form (B, K, H, W) of floats, on the image's device; nothing is read from the device.

    Args:
        mask: what ``forward`` returned.
        image: the images (B, C, H, W).
        planes: K, the masker's ``planes``.
        origin: the masker.

    Raises ComponentError for anything else.
    """
    batch, _, height, width = image.shape
    shape = (batch, planes, height, width)
    expected = f"a mask (B, K, H, W) = {shape} of floats in [0, 1]"
    return check_tensor(mask, shape, expected, refuse_by(origin, "forward"), device=image.device)


def check_mask_values(mask: Tensor, origin: Origin) -> None:
    """Raise ComponentError for masks with values that are not finite, or outside of [0, 1]; waits for the device."""
    refuse = refuse_by(origin, "forward")
    check_finite(mask, refuse)
    low, high = (float(one) for one in torch.aminmax(mask.detach().float()))
    if low < -BEYOND or high > 1 + BEYOND:
        raise refuse(f"a mask with values from {low:.3g} to {high:.3g}", "values in [0, 1]")
