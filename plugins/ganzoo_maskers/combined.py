"""Maskers made of other maskers: union, intersection and difference of their masks."""

from __future__ import annotations

from abc import abstractmethod
from functools import reduce
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Draws, InnerMasker, Masker, MaskTransform

Parts = Annotated[tuple[InnerMasker, ...], Field(min_length=2)]


class Combination(Masker):
    """What the combinations have in common: their parts, each with the options of every masker, and one operation.

    It reads what its parts read, and has their planes, and their classes if all agree. A trained part is trained as it
    is alone; its terms see the combined mask.

    Args:
        name: the masker's name, for errors.
        of: the parts.

    Raises GanzooError for parts that cannot be combined.
    """

    def __init__(self, name: str, of: Parts) -> None:
        super().__init__()
        self.name = name
        self.parts = nn.ModuleList(part.make() for part in of)
        self.transforms = [MaskTransform(**part.kind_options) for part in of]
        described = [
            _Described(part.name, masker, transform)
            for part, masker, transform in zip(of, self.maskers, self.transforms, strict=True)
        ]
        for one in described:
            one.check(name)
        self.planes = described[0].planes
        for one in described:
            if one.planes != self.planes:
                raise GanzooError(
                    f"{name}: {described[0].name!r} makes {self.planes} planes, {one.name!r} {one.planes}: choose "
                    "classes with foreground: [classes]"
                )
        same = len({one.classes for one in described}) == 1
        self.classes = described[0].classes if same else ()
        read = {word for masker in self.maskers for word in masker.needs}
        self.needs = tuple(word for word in ("image", "given") if word in read)
        trained = [one for one in described if one.masker.trains]
        frozen = [one for one in described if not one.masker.trains and any(True for _ in one.masker.parameters())]
        if trained and frozen:
            raise GanzooError(
                f"{name}: {trained[0].name!r} is trained, and would train the weights of {frozen[0].name!r}, too: "
                "combine it with maskers without weights"
            )
        self.trains = "joint" if trained else ""

    @property
    def maskers(self) -> list[Masker]:
        """The parts, built."""
        return list(self.parts)  # type: ignore[arg-type]

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the combined masks, (B, K, H, W) in [0, 1].

        A label map, which ``file`` returns in the role ``labels``, is 1 for all classes but 0.
        """
        masks = []
        for part, transform in zip(self.maskers, self.transforms, strict=True):
            mask = part(image, rng, given)
            masks.append(transform(mask if mask.is_floating_point() else (mask > 0).to(image.dtype)))
        return self.combine(masks)

    @abstractmethod
    def combine(self, masks: list[Tensor]) -> Tensor:
        """Return the combination of masks, each (B, K, H, W) in [0, 1], of the same shape."""

    def terms(self, mask: Tensor) -> dict[str, Tensor]:
        """Return the terms of the trained parts, for the combined mask: ``PART_TERM`` with the part's index from 0."""
        return {
            f"{number}_{term}": value
            for number, part in enumerate(self.maskers)
            for term, value in part.terms(mask).items()
        }


class _Described:
    """A part as it is after its post-processing."""

    def __init__(self, name: str, masker: Any, transform: MaskTransform) -> None:
        self.name = name
        self.masker = masker
        self.transform = transform
        self.planes: int = 1 if transform.foreground else masker.planes
        self.classes: tuple[str, ...] = () if transform.foreground else tuple(masker.classes)

    def check(self, outer: str) -> None:
        """Raise GanzooError if the part cannot be combined, or its post-processing does not fit it."""
        unknown = [number for number in self.transform.foreground if not 0 <= number < self.masker.planes]
        if unknown:
            raise GanzooError(f"{outer}: {self.name!r} has no class {unknown[0]}; it makes {self.masker.planes} planes")
        if self.masker.shared_role:
            raise GanzooError(f"{outer}: {self.name!r} takes another role's mask, which cannot be combined")
        if self.masker.trains == "separate":
            raise GanzooError(f"{outer}: {self.name!r} is untrained: give it weights")
        if self.masker.trains and self.transform.threshold is not None:
            raise GanzooError(f"{outer}: {self.name!r} is trained, and no gradient passes a threshold: remove it")


class Union(Combination):
    """What is in any of some masks: the maximum at each pixel.

    Maximum and minimum, unlike sums and products, leave a mask as it is when it is combined with itself; for masks of
    0 and 1 they are the same.

    Args:
        of: the maskers, two or more, each with the options of every masker, such as ``invert``. Those of several planes
            need ``foreground``, unless all have equally many, which are then combined plane by plane.
    """

    def __init__(self, *, of: Parts) -> None:
        super().__init__("union", of)

    def combine(self, masks: list[Tensor]) -> Tensor:
        """Return the maximum of the masks."""
        return reduce(torch.maximum, masks)


class Intersection(Combination):
    """What is in all of some masks: the minimum at each pixel.

    Args:
        of: the maskers, two or more, each with the options of every masker, such as ``invert``. Those of several planes
            need ``foreground``, unless all have equally many, which are then combined plane by plane.
    """

    def __init__(self, *, of: Parts) -> None:
        super().__init__("intersection", of)

    def combine(self, masks: list[Tensor]) -> Tensor:
        """Return the minimum of the masks."""
        return reduce(torch.minimum, masks)


class Difference(Combination):
    """What is in the first mask and in none of the others: the minimum of the first, a, and 1 − b of each other one, b.

    Args:
        of: the maskers, two or more, each with the options of every masker, such as ``grow``. Those of several planes
            need ``foreground``, unless all have equally many, which are then combined plane by plane.
    """

    def __init__(self, *, of: Parts) -> None:
        super().__init__("difference", of)

    def combine(self, masks: list[Tensor]) -> Tensor:
        """Return the minimum of the first mask and of 1 − each other one."""
        return reduce(torch.minimum, [1 - mask for mask in masks[1:]], masks[0])
