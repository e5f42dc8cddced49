"""The roles of masks, and the maskers of a recipe by role; methods and losses get all masks from here.

input          an input of the generator besides the image (Mask CycleGAN)
discriminator  the part of an image, real or fake, that the discriminators see (SMCycleGAN)
composite      translated = m·G(x) + (1 − m)·x
labels         the class of each pixel (Art2Real)

A method calls ``Roles`` wherever a mask can be used. Without a masker in the role each call returns its input
unchanged, so the same code of a method works with and without masks.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError
from ganzoo.step import Step


@dataclass(frozen=True)
class Role:
    """Properties of the masks of a role.

    Args:
        one_plane: the mask has one plane; else it may have one plane per class.
        provided: plane of the data set that a masker can read: ``mask`` or ``labels``.
        changes_translation: the mask changes the translation, so ``ganzoo translate`` has the option ``--mask``.
        masks_generated: generated images are masked too.
        learnable: a masker in this role can be trained with the generators.
        for_losses: a recipe may have the masker for a loss alone, with any method.
    """

    one_plane: bool = True
    provided: Literal["mask", "labels"] = "mask"
    changes_translation: bool = False
    masks_generated: bool = False
    learnable: bool = False
    for_losses: bool = False


ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "input": Role(changes_translation=True),
        "discriminator": Role(masks_generated=True),
        "composite": Role(changes_translation=True, learnable=True),
        "labels": Role(one_plane=False, provided="labels", for_losses=True),
    }
)
TRANSLATION_ROLES = tuple(name for name, role in ROLES.items() if role.changes_translation)


class MaskerProtocol(Protocol):
    """The attributes of a masker that ``Roles`` uses; each ``ganzoo.interfaces.Masker`` has them."""

    @property
    def planes(self) -> int:
        """Number of planes of its masks."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the planes, if they have names."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Its inputs: ``image``, ``given``."""

    @property
    def trains(self) -> str:
        """How it is trained: ``separate``, ``joint``, or not (empty)."""

    @property
    def shared_role(self) -> str:
        """The role whose mask it reuses."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Return the mask (B, K, H, W) of images (B, C, H, W)."""

    def to(self, device: torch.device) -> object:
        """Move it to a device."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return the weights."""

    def terms(self, mask: Tensor) -> dict[str, Tensor]:
        """Return the loss terms of a masker that is trained with the generators."""


class Roles:
    """A recipe's maskers by role.

    Args:
        maskers: role → masker.
        transforms: role → post-processing of the masker's mask.
    """

    def __init__(
        self,
        maskers: Mapping[str, MaskerProtocol] | None = None,
        transforms: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    ) -> None:
        self.maskers: dict[str, Any] = dict(maskers or {})
        """Role → masker, each a ``MaskerProtocol`` and an ``nn.Module``."""
        self.transforms = dict(transforms or {})
        self.sources: dict[str, str | None] = {f"real_{domain}": domain for domain in "AB"}
        """Tensor → domain of the real image that it comes from; None if from no image of the step."""

    def set_sources(self, sources: Mapping[str, str | None]) -> None:
        """Set the real image that each of a method's tensors comes from: tensor → domain, or None."""
        self.sources |= sources

    def replaced(self, role: str, masker: MaskerProtocol, transform: Callable[[Tensor], Tensor]) -> Roles:
        """Return a copy in which a role has another masker; the others are the same objects."""
        copy = Roles({**self.maskers, role: masker}, {**self.transforms, role: transform})
        copy.set_sources(self.sources)
        return copy

    def __contains__(self, role: object) -> bool:
        return role in self.maskers

    def mask(self, role: str, step: Step, name: str, *, gradient: bool = False) -> Tensor:
        """Return a role's mask (B, K, H, W) of the image ``name`` of the step; compute it if the step has none yet.

        The mask is stored in the step as ``{role}_mask_{name}``. A copy of the step gives the same mask, as its random
        draws are keyed, so all phases use the same random mask. Both domains of a step share the random draws.
        A generated image gets the data set's mask of its source image.

        Args:
            role: of the masker.
            step: has the image.
            name: of the image's tensor.
            gradient: let gradients flow from the mask to the image.
        """
        key = mask_name(role, name)
        if key not in step:
            masker = self.maskers[role]
            given = self._given(role, step, name, gradient)
            traced = gradient or masker.trains == "joint"
            with torch.set_grad_enabled(traced and torch.is_grad_enabled()):
                image = step[name] if gradient else step[name].detach()
                mask = masker(image, rng=step.rng(f"mask/{role}"), given=given)
                step[key] = self.transforms[role](mask) if role in self.transforms else mask
        return step[key]

    def _given(self, role: str, step: Step, name: str, gradient: bool) -> Tensor | None:
        """Return what a role's masker reads: another role's mask, or the data set's mask, if there is one."""
        masker = self.maskers[role]
        if masker.shared_role:
            return self.mask(masker.shared_role, step, name, gradient=gradient).detach()
        domain = self.source_of(name)
        kind = f"given_{ROLES[role].provided}_{domain}"
        given = step.get(kind) if domain else None
        if given is None and "given" in masker.needs:
            problem = f"the step has no {kind!r}" if domain else f"{name!r} comes from no image of this step"
            raise GanzooError(
                f"maskers.{role}: it reads the data set's masks, but {problem}; the data set folders "
                "reads masks from trainA_masks, trainB_masks and so on, and translate from --mask"
            )
        return given

    def source_of(self, name: str) -> str | None:
        """Return the domain of a tensor's source image: A for ``real_A``, and for ``fake_B`` generated from it.

        None if it comes from no image of the step, for example from an image pool. Raises GanzooError for an unknown
        tensor.
        """
        if name not in self.sources:
            raise GanzooError(f"the method does not say in `tensors` which image {name!r} comes from")
        return self.sources[name]

    def needs(self, role: str) -> tuple[str, ...]:
        """Return the inputs of a role's masker: ``image``, ``given``, both or none."""
        return self.maskers[self.maskers[role].shared_role or role].needs

    def for_discriminator(self, step: Step, name: str, *, gradient: bool = False) -> Tensor:
        """Return the discriminator's input for the image ``name``: M ⊙ x (0, mid-grey, outside the mask)."""
        if "discriminator" not in self:
            return step[name]
        return step[name] * self.mask("discriminator", step, name, gradient=gradient)

    def composite(self, step: Step, name: str, translated: Tensor) -> Tensor:
        """Return m·translated + (1 − m)·x, where x is the source image ``name`` and m its mask.

        Raises GanzooError if the domains differ in their number of channels.
        """
        if "composite" not in self:
            return translated
        if translated.shape[1] != step[name].shape[1]:
            raise GanzooError(
                "maskers.composite: the domains differ in channels, so a translation cannot contain a part of its "
                "source image: remove this masker"
            )
        mask = self.mask("composite", step, name)
        return mask * translated + (1 - mask) * step[name]

    def labels(self, step: Step, name: str) -> Tensor | None:
        """Return the classes (B, K, H, W) of the image ``name``, or None."""
        return self.mask("labels", step, name) if "labels" in self else None

    def read(self, step: Step, name: str) -> Tensor | None:
        """Return a tensor of the step, or None; a mask is computed when it is first read."""
        for role in self.maskers:
            for image in self.sources:
                if name == mask_name(role, image) and image in step:
                    return self.mask(role, step, image)
        return step.get(name)

    def mask_generated(self, step: Step, names: list[str]) -> None:
        """Compute the masks of the named images, in the roles that also mask generated images; for sample grids."""
        for role in [one for one in self.maskers if ROLES[one].masks_generated]:
            for name in names:
                self.mask(role, step, name)

    def joint_slots(self) -> dict[str, str]:
        """Return the slots of the maskers that are trained with the generators: slot → role."""
        return {f"masker_{role}": role for role in self.maskers if self.maskers[role].trains == "joint"}

    def set_networks(self, networks: Mapping[str, nn.Module]) -> None:
        """Set the jointly trained maskers, or their averages, from a method's networks."""
        for slot, role in self.joint_slots().items():
            self.maskers[role] = networks[slot]

    def joint_terms(self, step: Step) -> dict[str, Tensor]:
        """Return the terms that jointly trained maskers add to the generators' loss, for masks of real images."""
        losses: dict[str, Tensor] = {}
        for slot, role in self.joint_slots().items():
            for domain in "AB":
                key = mask_name(role, f"real_{domain}")
                if key in step:
                    terms = self.maskers[role].terms(step[key])
                    losses |= {f"{slot}_{term}_{domain}": value for term, value in terms.items()}
        return losses

    def checksums(self) -> dict[str, str]:
        """Return role → checksum of the weights of frozen maskers, which are not saved in checkpoints."""
        checksums = {}
        for role in self.maskers:
            weights = self.maskers[role].state_dict()
            if weights and self.maskers[role].trains != "joint":
                digest = sha256()
                for name, tensor in sorted(weights.items()):
                    digest.update(name.encode())
                    digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
                checksums[role] = digest.hexdigest()[:16]
        return checksums


def mask_name(role: str, image: str) -> str:
    """Return the name of a mask in a step.

    >>> mask_name("discriminator", "fake_B")
    'discriminator_mask_fake_B'
    """
    return f"{role}_mask_{image}"


def mask_role(masks: Container[str]) -> str:
    """Return the role in which a run's mask changes its translations. Raises GanzooError when there is none."""
    for role in TRANSLATION_ROLES:
        if role in masks:
            return role
    roles = " and ".join(TRANSLATION_ROLES)
    raise GanzooError(f"this run translates without a mask: it has no masker in the roles {roles}")
