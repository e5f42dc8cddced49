"""``cycle_l1`` and ``identity_l1``: the error of the cycle and of the identity mapping."""

from __future__ import annotations

from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Metric, Step


class CycleL1(Metric):
    """Mean |rec_X − real_X| of an image, on the scale [−1, 1], then the mean over images; X is the direction's source.

    ``rec_A`` is the reconstruction of an image of A: its translation to B, translated back.
    """

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the error of each image, (B,). Raises GanzooError if the method makes no reconstructions."""
        return {"cycle_l1": _error(step, f"rec_{direction[0]}", direction[0])}


class IdentityL1(Metric):
    """Mean |idt_X − real_X| of an image, on the scale [−1, 1], then the mean over images; X is the direction's source.

    ``idt_A`` is the output of the generator *into* A for an image that is already of A.
    """

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the error of each image, (B,). Raises GanzooError if the method makes no identity images."""
        return {"identity_l1": _error(step, f"idt_{direction[0]}", direction[0])}


def _error(step: Step, name: str, domain: str) -> Tensor:
    if name not in step:
        raise GanzooError(
            f"the metric needs {name!r}, which the method does not produce: remove it from evaluate.metrics"
        )
    return (step[name].float() - step[f"real_{domain}"]).abs().mean(dim=(1, 2, 3))
