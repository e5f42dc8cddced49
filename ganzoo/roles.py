"""What a mask is used for.

input      the generator sees it beside the picture (Mask CycleGAN)
judge      what the discriminators see of a picture, real or fake (SMCycleGAN)
composite  translated = m·G(x) + (1 − m)·x
labels     which class a place belongs to (Art2Real)

A method calls these at the places where a mask can matter. Without a masker in the role each call gives back what it
was given, so a method is written once, with or without masks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo.errors import GanzooError

if TYPE_CHECKING:
    from ganzoo.interfaces import Masker
    from ganzoo.step import Step

ROLES = ("input", "judge", "composite", "labels")
ONE_PLANE = ("input", "judge", "composite")


class Roles:
    """A recipe's maskers by role.

    Args:
        maskers: role → masker.
        foreground: role → the classes whose union is the one plane of a masker that makes several.
    """

    def __init__(
        self,
        maskers: Mapping[str, Masker] | None = None,
        foreground: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.maskers = dict(maskers or {})
        self.foreground = {role: list(classes) for role, classes in (foreground or {}).items()}

    def __contains__(self, role: str) -> bool:
        return role in self.maskers

    def mask(self, role: str, step: Step, name: str, *, gradient: bool = False) -> Tensor:
        """Return a role's mask (B, K, H, W) of the picture ``name`` of the step; with ``gradient`` traceable.

        It is kept in the step as ``{role}_mask_{name}``; made again from a copy of the step it is the same, its draws
        being keyed: two phases must not see two random masks.
        A generated picture is served the given mask of the picture that it was made from.
        """
        key = f"{role}_mask_{name}"
        if key not in step:
            masker = self.maskers[role]
            kind = f"given_{'labels' if role == 'labels' else 'mask'}_{source_of(name)}"
            given = step.get(kind)
            if given is None and "given" in masker.needs:
                raise GanzooError(
                    f"maskers.{role}: it reads what the data set gives, and this one gives no {kind!r}; the data set "
                    "folders takes masks from trainA_masks, trainB_masks and so on"
                )
            with torch.set_grad_enabled(gradient and torch.is_grad_enabled()):
                mask = masker(
                    step[name] if gradient else step[name].detach(),
                    rng=step.rng(f"mask/{role}/{source_of(name)}"),
                    given=given,
                )
                if role in self.foreground:
                    mask = mask[:, self.foreground[role]].sum(1, keepdim=True).clamp(max=1)
            step[key] = mask
        return step[key]

    def input(self, step: Step, name: str) -> Tensor | None:
        """Return the mask that the generator sees with the picture ``name``, or None."""
        return self.mask("input", step, name) if "input" in self else None

    def judge(self, step: Step, name: str, *, gradient: bool = False) -> Tensor:
        """Return what a discriminator sees of the picture ``name``: M ⊙ x (the rest is 0, mid-grey)."""
        return step[name] * self.mask("judge", step, name, gradient=gradient) if "judge" in self else step[name]

    def composite(self, step: Step, name: str, translated: Tensor) -> Tensor:
        """Return m·translated + (1 − m)·x, m and x those of the source picture ``name``."""
        if "composite" not in self:
            return translated
        mask = self.mask("composite", step, name)
        return mask * translated + (1 - mask) * step[name]

    def labels(self, step: Step, name: str) -> Tensor | None:
        """Return the classes (B, K, H, W) of the picture ``name``, or None."""
        return self.mask("labels", step, name) if "labels" in self else None


def source_of(name: str) -> str:
    """Return the domain of the real picture behind a tensor: A for ``real_A``, ``rec_A``, ``idt_A`` and ``fake_B``.

    >>> [source_of(name) for name in ("real_A", "fake_B", "rec_A")]
    ['A', 'A', 'A']
    """
    prefix, domain = name.rsplit("_", 1)
    return {"A": "B", "B": "A"}[domain] if prefix in ("fake", "pooled") else domain
