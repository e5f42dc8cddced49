"""Masks of the object at a place of the image, by the Segment Anything Model (Kirillov et al. 2023)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Draws, Masker
from ganzoo_maskers.hub_networks import HubNetwork

Share = Annotated[float, Field(ge=0, le=1)]
CENTRE = ((0.5, 0.5),)


class Sam(Masker):
    """The probability that a pixel belongs to the object at a point or in a box, by Segment Anything.

    Each point or box gets three masks, of a part, a whole object and more (section 3); of all masks of all points, the
    mask of an image is the one whose quality the network rates highest. The option ``threshold: 0.5`` of every masker
    gives sharp masks as the authors use them. It needs ``pip install 'ganzoo-i2i[transformers]'``; the smallest network
    takes seconds for an image without a GPU.

    Args:
        model: the name of a network on the Hugging Face hub.
        weights: a folder with the network's ``config.json``, ``preprocessor_config.json`` and ``model.safetensors``; by
            default those of ``model`` are downloaded once.
        points: points of the image, each x and y as fractions of width and height; None: the centre.
        grid: n: n × n points spread evenly over the image, instead of ``points``.
        boxes: boxes around objects, instead of ``points``: left, top, right and bottom, as fractions.
    """

    def __init__(
        self,
        *,
        model: str = "facebook/sam-vit-base",
        weights: Path | None = None,
        points: Annotated[tuple[tuple[Share, Share], ...], Field(min_length=1)] | None = None,
        grid: Annotated[int, Field(ge=0)] = 0,
        boxes: tuple[tuple[Share, Share, Share, Share], ...] = (),
    ) -> None:
        super().__init__()
        given = {"points": points, "grid": grid, "boxes": boxes}
        if len(named := [name for name, value in given.items() if value]) > 1:
            raise GanzooError(f"sam: {' and '.join(named)} are set; keep one of them")
        for left, top, right, bottom in boxes:
            if left >= right or top >= bottom:
                raise GanzooError(
                    f"sam: the box {[left, top, right, bottom]} is empty; its numbers are left, top, right, bottom"
                )
        even = [(number + 0.5) / grid for number in range(grid)]
        chosen = [(x, y) for y in even for x in even] if grid else points or CENTRE
        self.boxed = bool(boxes)
        self.register_buffer("prompts", torch.tensor(boxes or chosen, dtype=torch.float32), persistent=False)
        loaded = HubNetwork("sam", model, weights, {"sam": "SamModel"})
        self.network, self.normalize = loaded.network, loaded.normalize
        self.side = int(self.network.config.vision_config.image_size)

    prompts: Tensor
    """The points (P, 2) or boxes (P, 4), as fractions."""

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode whatever ``mode`` is, because the network is frozen."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks, (B, 1, H, W) in [0, 1].

        Raises GanzooError if the images do not have 1 or 3 channels.
        """
        with torch.autocast(image.device.type, enabled=False):
            logits, ratings = self.candidates(image)
            best = ratings.argmax(1)
            chosen = logits[torch.arange(len(image), device=image.device), best]
            return chosen[:, None].sigmoid().to(image.dtype)

    def candidates(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of all masks (B, 3·P, H, W), and their rated qualities (B, 3·P), float32.

        Images are scaled by their longer side and padded with 0 at the right and the bottom, as the network was
        trained. Raises GanzooError if the images do not have 1 or 3 channels.
        """
        sides = image.shape[-2:]
        height, width = (max(1, round(length * self.side / max(sides))) for length in sides)
        inputs = F.interpolate(self.normalize(image), (height, width), mode="bilinear", antialias=True)
        inputs = F.pad(inputs, (0, self.side - width, 0, self.side - height))
        scales = self.prompts.new_tensor([width, height]).repeat(self.prompts.shape[1] // 2)
        places = (self.prompts * scales).expand(len(image), -1, -1)
        asked = {"input_boxes": places} if self.boxed else {"input_points": places[:, :, None]}
        found = self.network(pixel_values=inputs, **asked)
        masks = F.interpolate(found.pred_masks.flatten(1, 2), (self.side, self.side), mode="bilinear")
        masks = F.interpolate(masks[..., :height, :width], sides, mode="bilinear")
        return masks, found.iou_scores.flatten(1)
