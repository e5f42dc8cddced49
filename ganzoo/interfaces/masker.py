"""The interface of maskers, which compute a mask of an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

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
    """Names of the planes, if they have names."""
    needs: ClassVar[tuple[str, ...]] = ("image",)
    """Its inputs. ``image``: the image. ``given``: the data set's mask of the image."""
    trains: Literal["", "separate", "joint"] = ""
    """How it is trained. ``separate``: in the slot of a method that trains it. ``joint``: with the generators, in the
    role composite. Empty: it is not trained."""
    shared_role: str = ""
    """The role whose mask is its ``given`` mask, instead of the data set's."""

    @abstractmethod
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks (B, K, H, W) of images.

        Args:
            image: (B, C, H, W) in [−1, 1].
            rng: random draws, keyed by sample.
            given: the data set's masks (B, K, H, W), or those of ``shared_role``.
        """

    def terms(self, mask: Tensor) -> dict[str, Tensor]:
        """Return the terms that a ``joint`` masker adds to the generators' loss for a mask, means over samples."""
        return {}
