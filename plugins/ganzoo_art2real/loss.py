"""The loss ``contextual``: generated patches against the nearest real ones of their class, at one scale or several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Loss, Source
from ganzoo_art2real.bank import Bank, Scale
from ganzoo_art2real.contextual import contextual_loss
from ganzoo_art2real.retrieval import Searcher, Way, searcher

Count = Annotated[int, Field(ge=1)]


class Contextual(Loss):
    """Art2Real's L_CXMS (Tomei et al. 2019, eq. 4 to 7): the contextual loss over classes and scales.

    Every window of an image that belongs to a class seeks its nearest real patches in that class's bank; all that were
    found for the class are what its windows are compared with. A window belongs to a class when at least ``share`` of
    its pixels do, so possibly to several, and to the background when as many belong to no class. A class without a bank
    takes the background's. Terms of classes and scales are summed, and divided by the number of images.

    Args:
        bank: the folder that ``ganzoo bank build`` made.
        scales: ``first``: the bank's first alone, for a CPU; ``all`` of the bank's, as the paper's three; or some of
            them, [[patch, stride], …].
        neighbours: of each window.
        share: of a window's pixels.
        bandwidth: of the affinity, h.
        search: ``exact``, ``approximate``, or ``auto`` by the bank's size and the device.
        rows: of an affinity that are in memory at a time.
    """

    def __init__(
        self,
        *,
        bank: Path,
        scales: Literal["first", "all"] | tuple[tuple[Count, Count], ...] = "first",
        neighbours: Count = 5,
        share: Annotated[float, Field(gt=0, le=1)] = 0.5,
        bandwidth: Annotated[float, Field(gt=0)] = 1.0,
        search: Way = "auto",
        rows: Count = 1024,
    ) -> None:
        super().__init__()
        self.bank = Bank.open(bank)
        self.sources = {"bank": Source(bank, self.bank.key)}
        named = {"first": self.bank.scales[:1], "all": self.bank.scales}
        wanted = named[scales] if isinstance(scales, str) else scales
        self.scales = [self.bank.scale(scale) for scale in wanted]
        self.neighbours = neighbours
        self.share = share
        self.bandwidth = bandwidth
        self.way: Way = search
        self.rows = rows
        self.searchers: dict[tuple[int, Scale, torch.device], Searcher] = {}

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar in float32.

        Args:
            image: (B, 3, H, W) in [−1, 1].
            labels: which class each pixel is of: planes (B, K, H, W), plane c − 1 for class c, cut at ½; or a label map
                (B, 1, H, W) of whole numbers, 0 for none. Without it everything is background.

        Raises GanzooError for images of other than three channels, or smaller than a window, and for planes of other
        classes than the bank's: it has to be built with the same masker.
        """
        planes = self._planes(image, labels)
        total = image.float().sum() * 0  # a loss that found nothing is 0, and still of the image
        for scale in self.scales:
            if image.shape[1] != 3 or min(image.shape[-2:]) < scale.patch:
                raise GanzooError(
                    f"contextual: windows of {scale} in three colours, and images of "
                    f"{'×'.join(map(str, image.shape[1:]))}: take larger images, or other scales"
                )
            windows = F.unfold(image, scale.patch, stride=scale.stride).transpose(1, 2)
            shares = F.avg_pool2d(planes, scale.patch, scale.stride).flatten(2)
            for patches, belongs in zip(windows, (shares >= self.share - 1e-6).unbind(0), strict=True):
                for label, chosen in enumerate(belongs):
                    if chosen.any():
                        total = total + self._term(patches[chosen], label, scale)
        return total / len(image)

    def _planes(self, image: Tensor, labels: Tensor | None) -> Tensor:
        """Return one plane a class, the background's first, (B, 1 + K, H, W) of 0 and 1."""
        if labels is None:
            return torch.ones_like(image[:, :1], dtype=torch.float32)
        if labels.is_floating_point():
            known = self.bank.classes[-1]
            by_masker = isinstance(self.bank.settings["classes"], dict)  # label maps may show some of the classes only
            if by_masker and labels.shape[1] != known:
                raise GanzooError(
                    f"{self.bank.folder}: a bank of {known} classes ({', '.join(self.bank.names.values())}), and the "
                    f"masker tells {labels.shape[1]} apart; build the bank with the same one: "
                    "ganzoo bank build … --masker"
                )
            classes = (labels.detach() >= 0.5).float()
        else:
            last = max(1, self.bank.classes[-1])
            classes = torch.cat([(labels == label).float() for label in range(1, last + 1)], dim=1)
        return torch.cat([1 - classes.amax(1, keepdim=True), classes], dim=1)

    def _term(self, patches: Tensor, label: int, scale: Scale) -> Tensor:
        label = self.bank.resolve(label, scale)
        if not self.bank.count(label, scale):
            return patches.sum() * 0
        key = (label, scale, patches.device)
        if key not in self.searchers:
            self.searchers[key] = searcher(self.bank, label, scale, device=patches.device, way=self.way)
        found = self.searchers[key].search(patches.detach(), self.neighbours).unique()
        real = self.bank.patches(scale, found)
        return contextual_loss(patches, real, self.bank.mean(label, scale), bandwidth=self.bandwidth, rows=self.rows)
