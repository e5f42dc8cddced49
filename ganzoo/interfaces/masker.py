"""The interface of maskers: image to mask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn

from ganzoo.randomness import Draws

if TYPE_CHECKING:
    pass


class Masker(nn.Module, ABC):
    """Image (B, C, H, W) in [−1, 1] → mask (B, K, H, W), float in [0, 1]; K = 1 foreground, K > 1 classes.

    >>> import torch
    >>> class Left(Masker):
    ...     def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
    ...         mask = torch.zeros_like(image[:, :1])
    ...         mask[..., : image.shape[-1] // 2] = 1
    ...         return mask
    >>> Left()(torch.zeros(1, 3, 2, 4), Draws([]))[0, 0, 0].tolist()
    [1.0, 1.0, 0.0, 0.0]
    """

    planes: int = 1
    """K, the number of planes it makes."""
    classes: tuple[str, ...] = ()
    """What the planes are called, where they have names."""
    needs: ClassVar[tuple[str, ...]] = ("image",)
    """``image``: it looks at the image; ``given``: it reads the mask that the data set gives with the source."""
    trains: Literal["", "separate", "joint"] = ""
    """Whether it has yet to be trained: ``separate``, in the slot of a method that trains it; ``joint``, with the
    generators, in the role composite."""
    shared_role: str = ""
    """The role whose mask it is given, in place of the data set's."""

    @abstractmethod
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the mask of each image; ``rng`` is keyed by sample, ``given`` the data set's own mask."""

    def terms(self, mask: Tensor) -> dict[str, Tensor]:
        """Return what a masker that learns ``joint`` adds to the generators' loss for a mask, means over samples."""
        return {}
