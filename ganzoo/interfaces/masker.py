"""The interface of maskers, which compute a mask of an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from torch import Tensor, nn

from ganzoo.randomness import Draws


class Masker(nn.Module, ABC):
    """A network or rule: image (B, C, H, W) in [−1, 1] → mask (B, K, H, W), float in [0, 1].

    With K = 1 the plane is the foreground; with K > 1 there is one plane per class.

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
    """K, the number of planes of its masks."""
    classes: tuple[str, ...] = ()
    """Names of the planes; empty if they have none."""
    needs: tuple[str, ...] = ("image",)
    """Names of the inputs that it needs. ``image``: the image. ``given``: the data set's mask of the image."""
    trains: Literal["", "separate", "joint"] = ""
    """How it is trained. ``separate``: in the slot of a method that trains it. ``joint``: with the generators, in the
    role composite. Empty: it is not trained, or no more: a constructor that gets trained weights sets it so."""
    shared_role: str = ""
    """The role whose mask is its ``given`` mask, instead of the data set's; empty if there is none."""

    @abstractmethod
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks (B, K, H, W) of images.

        Args:
            image: the images (B, C, H, W) in [−1, 1].
            rng: the random draws of each sample.
            given: the data set's masks (B, 1, H, W) in [0, 1], or in the role ``labels`` its label maps (B, 1, H, W)
                int64; or the masks (B, K, H, W) of ``shared_role``. None if there are none.
        """

    def terms(self, mask: Tensor) -> dict[str, Tensor]:
        """Return name → loss term, a mean over samples; a ``joint`` masker adds the terms to the generators' loss."""
        return {}
