"""The loss ``outlines``: compare where two images change, not their colours."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ganzoo.interfaces import Loss

SOBEL = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))


class Edges(Loss):
    """The mean absolute difference of two images' Sobel derivatives, of their brightness and at several scales.

    Args:
        scales: number of scales; each one is half as large as the one before.
    """

    kernels: Tensor

    def __init__(self, *, scales: Annotated[int, Field(ge=1)] = 2) -> None:
        super().__init__()
        self.scales = scales
        across = torch.tensor(SOBEL) / 8
        self.register_buffer("kernels", torch.stack([across, across.T])[:, None], persistent=False)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the difference of two images (B, C, H, W), a scalar; they may differ in their channels."""
        pair = [one.float().mean(1, keepdim=True) for one in (image, target)]
        terms = []
        for _ in range(self.scales):
            edges = [F.conv2d(F.pad(one, (1, 1, 1, 1), "replicate"), self.kernels) for one in pair]
            terms.append((edges[0] - edges[1]).abs().mean())
            if min(pair[0].shape[-2:]) < 2:
                break
            pair = [F.avg_pool2d(one, 2) for one in pair]
        return torch.stack(terms).mean()
