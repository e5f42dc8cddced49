"""Features inside a discriminator agree between a generated and a real image (pix2pixHD; Salimans et al. 2016)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Loss, Method, Reader, suggest
from ganzoo_losses.comparison import in_float
from ganzoo_losses.convolutions import convolutions, entering_maps


class FeatureMatching(Loss):
    """The L1 difference of a discriminator's features of two images (Wang et al. 2018, pix2pixHD, eq. 4).

    ``losses: {match: {loss: feature_matching, of: {image: fake_B, target: real_B}, weight: 10}}``; with pairs,
    ``{loss: feature_matching, compare: positions, of: {image: fake_B, target: real_B, condition: real_A}}``.

    The features are the maps that enter each convolution except the first: all layers but the logits. The loss is a
    mean over them. The discriminator sees both images as they are, without ``augment`` and ``noise``, and is not
    trained by the loss.

    Args:
        discriminator: the slot of the discriminator; by default the first one that sees images of the domain of
            ``image``.
        compare: ``means``: the mean of each map over an image, for images of different scenes (after Salimans et al.
            2016, eq. 7, there over the batch); ``positions``: maps position by position, for true pairs, as pix2pixHD.
    """

    full_precision = False

    def __init__(self, *, discriminator: str = "", compare: Literal["means", "positions"] = "means") -> None:
        super().__init__()
        self.slot, self.compare = discriminator, compare

    def bind(self, method: Method, reader: Reader) -> None:
        """Find the discriminator. Raises GanzooError if there is none, or if it has no layers before its logits."""
        output = method.tensors.get(self.of["image"])
        shown = output.shows if output else self.of["image"][-1]
        known = {name: slot.reads for name, slot in method.slots.items() if slot.kind == "discriminator"}
        slot = self.slot or next((name for name, reads in known.items() if reads[-1:] == (shown,)), "")
        if slot not in known:
            named = f"{slot!r}{suggest(slot, known)}" if slot else f"of images of {shown}"
            raise GanzooError(f"the method has no discriminator {named}: set discriminator to one of {list(known)}")
        # As it is here, before the engine lets it see augmented images; a tuple, so that it is no part of the loss.
        self.networks = (method.networks[slot],)
        convs = convolutions(self.networks[0])
        self.channels = convs[0].in_channels if convs else 0
        self.layers = [i for i, conv in enumerate(convs) if conv.in_channels != self.channels]
        if not self.layers:
            raise GanzooError(f"{slot} has no convolution after its first one, whose input could be compared")

    def forward(self, image: Tensor, target: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the difference, a mean over layers, channels, positions and images (B, C, H, W): a scalar.

        Args:
            image: the generated images.
            target: the real images; with ``compare: positions`` of the same size.
            condition: images that the discriminator sees concatenated before these, such as pix2pix's ``real_A``.

        Raises GanzooError if the discriminator takes another number of channels.
        """
        seen = [one if condition is None else torch.cat([condition, one], 1) for one in (image, target)]
        if seen[0].shape[1] != self.channels:
            raise GanzooError(
                f"feature_matching: the discriminator takes {self.channels} channels, and these images have "
                f"{seen[0].shape[1]}: name the images that it also sees, of: {{condition: real_A, …}}"
            )
        ours = entering_maps(self.networks[0], seen[0], self.layers)
        with torch.no_grad():
            theirs = entering_maps(self.networks[0], seen[1], self.layers)
        terms = []
        for maps, others in zip(map(in_float, ours), map(in_float, theirs), strict=True):
            if self.compare == "means":
                terms.append((maps.mean((2, 3)) - others.mean((2, 3))).abs().mean())
            else:
                terms.append((maps - others).abs().mean())
        return torch.stack(terms).mean()
