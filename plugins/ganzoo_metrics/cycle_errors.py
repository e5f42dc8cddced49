"""``cycle_l1`` and ``identity_l1``: the error after there and back, and of the identity mapping."""

from __future__ import annotations

from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Metric, Step


class CycleL1(Metric):
    """Mean |rec_X − real_X| of an image, on the scale [−1, 1]; X is the direction's source."""

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return (B,) errors."""
        return {"cycle_l1": _error(step, f"rec_{direction[0]}", direction[0])}


class IdentityL1(Metric):
    """Mean |idt_X − real_X| of an image, on the scale [−1, 1]; X is the direction's source.

    ``idt_A`` is what the generator *into* A makes of an image that is of A already.
    """

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return (B,) errors."""
        return {"identity_l1": _error(step, f"idt_{direction[0]}", direction[0])}


def _error(step: Step, name: str, domain: str) -> Tensor:
    if name not in step:
        raise GanzooError(
            f"the metric reads {name!r}, and the method does not make it: take it out of evaluate.metrics"
        )
    return (step[name].float() - step[f"real_{domain}"]).abs().mean(dim=(1, 2, 3))
