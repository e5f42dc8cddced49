"""The loss ``contextual``: generated patches against the nearest real ones of their class, at one scale or several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Loss, MaskTransform, Method, Reader, Roles, Source
from ganzoo_art2real.bank import BACKGROUND, Bank, Scale
from ganzoo_art2real.contextual import contextual_loss
from ganzoo_art2real.retrieval import Searcher, Way, searcher
from ganzoo_art2real.segmenting import names_of

Count = Annotated[int, Field(ge=1)]
Scales = Literal["first", "all"] | tuple[tuple[Count, Count], ...]


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
        scales: Scales = "first",
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

    def bind(self, method: Method, reader: Reader) -> None:
        """Refuse a bank of another scale than the training images', or of other classes than the masker's."""
        self.fit(method.masks, reader.images.scale_to)

    def fit(self, masks: Roles, size: int) -> None:
        """Raise GanzooError where the bank does not fit.

        Args:
            masks: whose masker in the role ``labels``, if there is one, has to tell the same classes apart.
            size: to which side the images are scaled before any crop, pixels.
        """
        anew = f"build it anew: ganzoo bank build PHOTOS -o {self.bank.folder} --fresh"
        if self.bank.size != size:
            raise GanzooError(
                f"{self.bank.folder}: photographs of {self.bank.size} pixels a side, and images of {size}, so that "
                f"their patches show other scales; {anew} --size {size}"
            )
        if (
            "labels" in masks
            and "given" not in masks.needs("labels")
            and isinstance(self.bank.settings["classes"], dict)
        ):
            use = masks.transforms.get("labels", MaskTransform())
            known, told = self.bank.names, {BACKGROUND: "background"}
            told |= names_of(masks.maskers["labels"], use if isinstance(use, MaskTransform) else MaskTransform())
            if known != told:
                theirs, ours = (", ".join(list(names.values())[1:]) for names in (known, told))
                raise GanzooError(
                    f"{self.bank.folder}: a bank of the classes {theirs}, and maskers.labels tells apart {ours}; "
                    f"{anew} --masker …"
                )

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar in float32.

        Args:
            image: (B, 3, H, W) in [−1, 1].
            labels: which class each pixel is of: planes (B, K, H, W), plane c − 1 for class c, cut at ½; or a label map
                (B, 1, H, W) of whole numbers, 0 for none. Without it everything is background.

        Raises GanzooError for images of other than three channels, or smaller than a window; and without labels, when
        the bank has nothing in its background.
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
            if not all(self.bank.count(BACKGROUND, scale) for scale in self.scales):
                raise GanzooError(
                    f"{self.bank.folder}: all its patches are of some class, and without labels everything generated "
                    "is background: give maskers: {labels: …}, the masker that the bank was built with"
                )
            return torch.ones_like(image[:, :1], dtype=torch.float32)
        if labels.is_floating_point():
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
