"""What an auxiliary loss must return."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ganzoo.contracts.origin import Origin
from ganzoo.contracts.values import check_finite, check_scalar, refuse_by


def check_loss_form(value: object, origin: Origin, device: torch.device | None = None) -> Tensor:
    """Return a loss's value if it is a scalar of floats on the device; this costs nothing, so every call is checked.

    Raises ComponentError for anything else.
    """
    return check_scalar(value, refuse_by(origin, "forward"), device=device)


def check_loss_value(
    value: object, origin: Origin, inputs: Iterable[Tensor] = (), *, weight: float = 1.0, device: object = None
) -> None:
    """Check a loss's value on its first call: a finite scalar, with a gradient where one is wanted.

    A loss that has nothing to measure is 0, and then needs no gradient.

    Args:
        value: what ``forward`` returned.
        origin: the loss.
        inputs: its inputs.
        weight: its weight; with 0 it needs no gradient.
        device: the device that it must be on; None: any.

    Raises ComponentError for a mistake of the author.
    """
    refuse = refuse_by(origin, "forward")
    scalar = check_scalar(value, refuse, device=device)
    check_finite(scalar, refuse)
    wanted = bool(weight) and torch.is_grad_enabled() and any(one.requires_grad for one in inputs)
    if wanted and not scalar.requires_grad and float(scalar):
        raise refuse(
            "a scalar without gradient",
            "a scalar that gradients flow from to the inputs (no detach, item, numpy or torch.no_grad)",
        )
