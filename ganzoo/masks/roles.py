"""The roles of masks, and the maskers of a recipe by role; methods and losses get all masks from here.

input          the mask is an input of the generator besides the image (Mask CycleGAN)
discriminator  the mask is the part of an image, real or fake, that the discriminators see (SMCycleGAN)
composite      the mask m selects the translated part: m·G(x) + (1 − m)·x
labels         the mask is the class of each pixel (Art2Real)

If the recipe has no masker in the role, ``Roles.for_discriminator`` and ``Roles.composite`` return their input
unchanged. So the same code of a method works with and without masks.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from ganzoo.contracts.masker import check_mask
from ganzoo.contracts.origin import Origin
from ganzoo.contracts.values import scalars
from ganzoo.errors import GanzooError
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.step import Step


@dataclass(frozen=True)
class Role:
    """The properties of a role of masks.

    Args:
        one_plane: whether a mask must have a single plane, (B, 1, H, W); else it may have one plane per class.
        provided: the data of a ``Sample`` that a masker in this role can read: its ``mask`` or its ``labels``.
        changes_translation: whether the mask changes the translation, so that ``ganzoo translate`` takes ``--mask``.
        masks_generated: whether masks of generated images are used too, not only masks of real images.
        learnable: whether a masker in this role can be trained with the generators.
        readable: whether a recipe may have the masker only because a loss or a metric reads its masks, even if the
            method takes no masks in this role.
    """

    one_plane: bool = True
    provided: Literal["mask", "labels"] = "mask"
    changes_translation: bool = False
    masks_generated: bool = False
    learnable: bool = False
    readable: bool = False


ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "input": Role(changes_translation=True),
        "discriminator": Role(masks_generated=True),
        "composite": Role(changes_translation=True, learnable=True),
        "labels": Role(one_plane=False, provided="labels", readable=True),
    }
)
TRANSLATION_ROLES = tuple(name for name, role in ROLES.items() if role.changes_translation)


class MaskerProtocol(Protocol):
    """The attributes of a masker that ``Roles`` uses; each ``ganzoo.interfaces.Masker`` has them."""

    @property
    def planes(self) -> int:
        """The number of planes of its masks."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the planes; empty if they have none."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the inputs that it needs: ``image``, ``given`` or both."""

    @property
    def trains(self) -> str:
        """How it is trained: ``separate`` (by a method for it), ``joint`` (with the generators), or not (empty)."""

    @property
    def shared_role(self) -> str:
        """The role whose mask it reuses; empty if there is none."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Return the masks (B, K, H, W) of images (B, C, H, W)."""

    def to(self, device: torch.device) -> object:
        """Move the masker to a device."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return the masker's weights by name."""

    def terms(self, mask: Tensor) -> dict[str, Tensor]:
        """Return name → loss term of a mask; a masker that is trained with the generators adds them to their loss."""


class Roles:
    """A recipe's maskers by role.

    Args:
        maskers: role → masker.
        transforms: role → post-processing of the masker's masks; without an entry they stay as they are.
        origins: role → where the masker comes from, for errors; without an entry its class is named.
    """

    def __init__(
        self,
        maskers: Mapping[str, MaskerProtocol] | None = None,
        transforms: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
        origins: Mapping[str, Origin] | None = None,
    ) -> None:
        self.maskers: dict[str, Any] = dict(maskers or {})
        """Role → masker, each a ``MaskerProtocol`` and an ``nn.Module``."""
        self.transforms = dict(transforms or {})
        self.origins = {role: Origin(type(masker)) for role, masker in self.maskers.items()} | dict(origins or {})
        self.sources: dict[str, str | None] = {f"real_{domain}": domain for domain in "AB"}
        """Name of a tensor → domain of the real image that it comes from; None if it comes from no such image."""

    def set_sources(self, sources: Mapping[str, str | None]) -> None:
        """Set the domain of the real image that a tensor comes from (None: no image of the step), by tensor name."""
        self.sources |= sources

    def replaced(self, role: str, masker: MaskerProtocol, transform: Callable[[Tensor], Tensor]) -> Roles:
        """Return a copy in which a role has another masker and post-processing; other roles keep the same maskers."""
        origins = {one: origin for one, origin in self.origins.items() if one != role}
        copy = Roles({**self.maskers, role: masker}, {**self.transforms, role: transform}, origins)
        copy.set_sources(self.sources)
        return copy

    def __contains__(self, role: object) -> bool:
        return role in self.maskers

    def mask(self, role: str, step: Step, name: str, *, gradient: bool = False) -> Tensor:
        """Return a role's mask (B, K, H, W) of an image; compute it if the step does not have it yet.

        The mask is stored in the step as ``{role}_mask_{name}``. Random masks depend only on the seed, the step, the
        sample and the role: they are the same in all phases and for both domains. For a generated image, a masker that
        reads the data set's masks reads the mask of the source image.

        Args:
            role: the role, which must have a masker.
            step: the step with the image.
            name: the name of the image's tensor.
            gradient: whether gradients flow from a newly computed mask to the image.

        Raises GanzooError if the masker needs the data set's mask and there is none, and ComponentError if it fails or
        returns anything but a mask.
        """
        key = mask_name(role, name)
        if key not in step:
            masker = self.maskers[role]
            given = self._given(role, step, name, gradient)
            traced = gradient or masker.trains == "joint"
            with torch.set_grad_enabled(traced and torch.is_grad_enabled()):
                image = step[name] if gradient else step[name].detach()
                with self.origins[role].catch("forward"):
                    mask = masker(image, rng=step.rng(f"mask/{role}"), given=given)
                labels = role == "labels" and isinstance(mask, Tensor) and is_label_map(mask)
                if not labels and not torch.compiler.is_compiling():  # it would fix an export's sizes
                    planes = masker.planes if given is None or not masker.shared_role else given.shape[1]
                    check_mask(mask, image, planes, self.origins[role])
                transform = self.transforms.get(role)
                if labels and transform not in (None, MaskTransform()):
                    raise GanzooError(
                        f"the role {role!r} got a label map, whose pixels are classes and no mask's values: remove the "
                        "masker's options foreground, threshold, invert, grow and soften"
                    )
                step[key] = transform(mask) if transform else mask
        return step[key]

    def transform_given(self, role: str, mask: Tensor) -> Tensor:
        """Return a user's mask (B, 1, H, W) after a role's post-processing, but ``foreground``: it has no classes."""
        transform = self.transforms.get(role)
        if isinstance(transform, MaskTransform):
            transform = replace(transform, foreground=())
        return transform(mask) if transform else mask

    def _given(self, role: str, step: Step, name: str, gradient: bool) -> Tensor | None:
        """Return what a role's masker reads besides the image: another role's mask, or the data set's, or None.

        Raises GanzooError if the masker needs the data set's mask and there is none.
        """
        masker = self.maskers[role]
        if masker.shared_role:
            return self.mask(masker.shared_role, step, name, gradient=gradient).detach()
        domain = self.source_of(name)
        kind = given_name(self, role, domain or "")
        given = step.get(kind) if domain else None
        if given is None and "given" in masker.needs:
            problem = f"the step has no {kind!r}" if domain else f"{name!r} comes from no image of this step"
            raise GanzooError(
                f"maskers.{role}: it reads the data set's masks, but {problem}; the data set folders "
                "reads masks from trainA_masks, trainB_masks and so on, and translate from --mask"
            )
        return given

    def source_of(self, name: str) -> str | None:
        """Return the domain of the real image that a tensor comes from: A for ``real_A``, and for ``fake_B``.

        Return None if it comes from no image of the step, but from an image pool, say. Raises GanzooError for an
        unknown tensor.
        """
        if name not in self.sources:
            raise GanzooError(f"the method does not say in `tensors` which image {name!r} comes from")
        return self.sources[name]

    def needs(self, role: str) -> tuple[str, ...]:
        """Return what a role's masks are computed from: ``image``, ``given`` (the data set's masks) or both."""
        return self.maskers[self.maskers[role].shared_role or role].needs

    def for_discriminator(self, step: Step, name: str, *, gradient: bool = False) -> Tensor:
        """Return the discriminators' input for the image x called ``name``: M ⊙ x, which is 0 (grey) outside the mask.

        Without a masker in the role ``discriminator`` it is x. ``mask`` explains ``gradient``.
        """
        if "discriminator" not in self:
            return step[name]
        return step[name] * self.mask("discriminator", step, name, gradient=gradient)

    def composite(self, step: Step, name: str, translated: Tensor) -> Tensor:
        """Return m·translated + (1 − m)·x, for the source image x called ``name`` and its mask m.

        Without a masker in the role ``composite`` return ``translated``. Raises GanzooError if the domains differ in
        their number of channels.
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
        """Return the masks (B, K, H, W) of the image ``name`` in the role ``labels``, or None without such a masker."""
        return self.mask("labels", step, name) if "labels" in self else None

    def read(self, step: Step, name: str) -> Tensor | None:
        """Return the tensor ``name`` of the step, or None; a mask that the step does not have yet is computed."""
        for role in self.maskers:
            for image in self.sources:
                if name == mask_name(role, image) and image in step:
                    return self.mask(role, step, image)
        return step.get(name)

    def mask_generated(self, step: Step, names: list[str]) -> None:
        """Add the masks of the named images to the step, in the roles whose masks of generated images are used.

        Sample grids use this, as no loss has computed these masks.
        """
        for role in [one for one in self.maskers if ROLES[one].masks_generated]:
            for name in names:
                self.mask(role, step, name)

    def joint_slots(self) -> dict[str, str]:
        """Return the slots of the maskers that are trained with the generators: slot → role."""
        return {f"masker_{role}": role for role in self.maskers if self.maskers[role].trains == "joint"}

    def set_networks(self, networks: Mapping[str, nn.Module]) -> None:
        """Take the jointly trained maskers, or their averages, from a method's networks (slot → network)."""
        for slot, role in self.joint_slots().items():
            self.maskers[role] = networks[slot]

    def joint_terms(self, step: Step) -> dict[str, Tensor]:
        """Return name → loss term of the jointly trained maskers, for those masks of real images that the step has."""
        losses: dict[str, Tensor] = {}
        for slot, role in self.joint_slots().items():
            for domain in "AB":
                key = mask_name(role, f"real_{domain}")
                if key in step:
                    with self.origins[role].catch("terms"):
                        terms = self.maskers[role].terms(step[key])
                    terms = scalars(terms, self.origins[role], "terms")
                    losses |= {f"{slot}_{term}_{domain}": value for term, value in terms.items()}
        return losses

    def checksums(self) -> dict[str, str]:
        """Return role → checksum of a frozen masker's weights, which checkpoints do not contain.

        It has 16 hex digits; maskers without weights are left out.
        """
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
    """Return the name that a role's mask of an image has in a step.

    >>> mask_name("discriminator", "fake_B")
    'discriminator_mask_fake_B'
    """
    return f"{role}_mask_{image}"


def is_label_map(mask: Tensor) -> bool:
    """Return whether a mask holds class numbers, as of the data set's label maps, and not values from 0 to 1."""
    return mask.dtype == torch.int64


def given_name(masks: Roles, role: str, domain: str) -> str:
    """Return the name in a step of what a role's masker reads of a domain's data: ``given_mask_A``."""
    return f"given_{ROLES[masks.maskers[role].shared_role or role].provided}_{domain}"


def mask_role(masks: Container[str]) -> str:
    """Return the first role with a masker whose masks change translations. Raises GanzooError if there is none.

    Args:
        masks: the maskers of a run, or their roles.
    """
    for role in TRANSLATION_ROLES:
        if role in masks:
            return role
    roles = " and ".join(TRANSLATION_ROLES)
    raise GanzooError(f"this run translates without a mask: it has no masker in the roles {roles}")


def provided_roles(masks: Roles) -> list[str]:
    """Return the roles that change translations and whose masks come from the data set, so a user must provide one."""
    return [role for role in TRANSLATION_ROLES if role in masks and "given" in masks.needs(role)]
