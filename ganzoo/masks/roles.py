"""What a mask is used for.

input          the generator sees it beside the image (Mask CycleGAN)
discriminator  what the discriminators see of an image, real or fake (SMCycleGAN)
composite      translated = m·G(x) + (1 − m)·x
labels         which class a place belongs to (Art2Real)

A method calls these at the places where a mask can matter. Without a masker in the role each call gives back what it
was given, so a method is written once, with or without masks.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError

if TYPE_CHECKING:
    from ganzoo.interfaces import Masker
    from ganzoo.step import Step

ROLES = ("input", "discriminator", "composite", "labels")
ONE_PLANE = ("input", "discriminator", "composite")


class Roles:
    """A recipe's maskers by role.

    Args:
        maskers: role → masker.
        uses: role → what is done to the masker's mask before the role sees it.
    """

    def __init__(
        self,
        maskers: Mapping[str, Masker] | None = None,
        uses: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    ) -> None:
        self.maskers = dict(maskers or {})
        self.uses = dict(uses or {})

    def __contains__(self, role: object) -> bool:
        return role in self.maskers

    def mask(self, role: str, step: Step, name: str, *, gradient: bool = False) -> Tensor:
        """Return a role's mask (B, K, H, W) of the image ``name`` of the step; with ``gradient`` traceable.

        It is kept in the step as ``{role}_mask_{name}``; made again from a copy of the step it is the same, its draws
        being keyed: two phases must not see two random masks. A drawn mask serves both domains of a step.
        A generated image is served the given mask of the image that it was made from.
        """
        key = f"{role}_mask_{name}"
        if key not in step:
            masker = self.maskers[role]
            given = self._given(role, step, name, gradient)
            traced = gradient or masker.trains == "along"
            with torch.set_grad_enabled(traced and torch.is_grad_enabled()):
                image = step[name] if gradient else step[name].detach()
                mask = masker(image, rng=step.rng(f"mask/{role}"), given=given)
                step[key] = self.uses[role](mask) if role in self.uses else mask
        return step[key]

    def _given(self, role: str, step: Step, name: str, gradient: bool) -> Tensor | None:
        """Return what a role's masker is given: another role's mask, or what the data set has, which may be nothing."""
        masker = self.maskers[role]
        if masker.shared_role:
            return self.mask(masker.shared_role, step, name, gradient=gradient).detach()
        kind = f"given_{'labels' if role == 'labels' else 'mask'}_{source_of(name)}"
        given = step.get(kind)
        if given is None and "given" in masker.needs:
            raise GanzooError(
                f"maskers.{role}: it reads what the data set gives, and here is no {kind!r}; the data set folders "
                "takes masks from trainA_masks, trainB_masks and so on, and translate from --mask"
            )
        return given

    def needs(self, role: str) -> tuple[str, ...]:
        """Return what a role's masker looks at: ``image``, ``given``, both or nothing."""
        return self.maskers[self.maskers[role].shared_role or role].needs

    def for_discriminator(self, step: Step, name: str, *, gradient: bool = False) -> Tensor:
        """Return what a discriminator sees of the image ``name``: M ⊙ x (the rest is 0, mid-grey)."""
        return (
            step[name] * self.mask("discriminator", step, name, gradient=gradient)
            if "discriminator" in self
            else step[name]
        )

    def composite(self, step: Step, name: str, translated: Tensor) -> Tensor:
        """Return m·translated + (1 − m)·x, m and x those of the source image ``name``."""
        if "composite" not in self:
            return translated
        if translated.shape[1] != step[name].shape[1]:
            raise GanzooError(
                "maskers.composite: the domains differ in channels, so that nothing of an image can stay in its "
                "translation: take this masker out"
            )
        mask = self.mask("composite", step, name)
        return mask * translated + (1 - mask) * step[name]

    def read(self, step: Step, name: str) -> Tensor | None:
        """Return a tensor of the step, or None; a mask, ``{role}_mask_{image}``, is made when it is first read."""
        role, _, image = name.partition("_mask_")
        if name not in step and role in self and image in step:
            return self.mask(role, step, image)
        return step.get(name)

    def labels(self, step: Step, name: str) -> Tensor | None:
        """Return the classes (B, K, H, W) of the image ``name``, or None."""
        return self.mask("labels", step, name) if "labels" in self else None

    def learning(self) -> dict[str, Masker]:
        """Return the maskers that are trained with the generators, by the names of their slots."""
        return {f"masker_{role}": one for role, one in self.maskers.items() if one.trains == "along"}

    def fingerprints(self) -> dict[str, str]:
        """Return a checksum of the weights of each frozen masker that has some: they are no part of a checkpoint."""
        found = {}
        for role, masker in self.maskers.items():
            weights = masker.state_dict()
            if weights and masker.trains != "along":
                digest = sha256()
                for name, tensor in sorted(weights.items()):
                    digest.update(name.encode())
                    digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
                found[role] = digest.hexdigest()[:16]
        return found

    def use(self, networks: Mapping[str, nn.Module]) -> None:
        """Take the learning maskers, or their averages, from a method's networks."""
        for name in self.learning():
            self.maskers[name.removeprefix("masker_")] = cast("Masker", networks[name])

    def terms(self, step: Step) -> dict[str, Tensor]:
        """Return what the learning maskers add to the generators' loss, each for the masks of the real images."""
        found: dict[str, Tensor] = {}
        for name, masker in self.learning().items():
            masks = f"{name.removeprefix('masker_')}_mask_real_"
            for key in [key for key in step if key.startswith(masks)]:
                domain = key.removeprefix(masks)
                found |= {f"{name}_{term}_{domain}": value for term, value in masker.terms(step[key]).items()}
        return found


def source_of(name: str) -> str:
    """Return the domain of the real image behind a tensor: A for ``real_A``, ``rec_A``, ``idt_A`` and ``fake_B``.

    >>> [source_of(name) for name in ("real_A", "fake_B", "fake_guided_B", "rec_A")]
    ['A', 'A', 'A', 'A']
    """
    prefix, domain = name.rsplit("_", 1)
    return {"A": "B", "B": "A"}[domain] if prefix.split("_")[0] in ("fake", "pooled") else domain


def mask_role(masks: Container[str]) -> str:
    """Return the role in which a mask changes what a run translates. Raises GanzooError when there is none."""
    for role in ("input", "composite"):
        if role in masks:
            return role
    raise GanzooError("this run translates without a mask: it has no masker in the roles input and composite")
