"""The loss ``contextual``: compares generated patches with the nearest real patches of their class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Loss, MaskTransform, Method, Reader, Roles, Source, program_name
from ganzoo_art2real.bank import BACKGROUND, Bank, Scale, format_size
from ganzoo_art2real.contextual import contextual_loss
from ganzoo_art2real.exact_search import Searcher
from ganzoo_art2real.pixel_classes import NoClasses, class_names
from ganzoo_art2real.retrieval import SearchKind, create_searcher

Count = Annotated[int, Field(ge=1)]
Scales = Literal["first", "all"] | tuple[tuple[Count, Count], ...]


class Contextual(Loss):
    """Art2Real's L_CXMS (Tomei et al. 2019, eq. 4 to 7): the contextual loss over classes and scales.

    For each image, class and scale, the nearest bank patches of all windows of the class are retrieved, and each window
    is compared with all retrieved patches. A window belongs to each class that has at least ``share`` of its pixels,
    and to the background if pixels without a class have that share. A class without patches in the bank uses the
    background's; pixels of classes above the bank's largest number count as pixels without a class. The terms are
    summed and divided by the number of images.

    Args:
        bank: folder of the bank, from ``ganzoo bank build``.
        scales: the scales: ``first`` for the bank's first scale only, for a CPU; ``all``, as in the paper (three); or
            some of the bank's scales, [[patch, stride], …].
        neighbours: number of nearest patches that are retrieved for each window.
        share: the least share of a window's pixels that a class must have.
        bandwidth: h, the bandwidth of the affinity.
        search: kind of search: ``exact``, ``approximate``, or ``auto``: chosen by the bank's size and the device.
        rows: number of rows of an affinity in memory at a time.

    Raises GanzooError for a missing or damaged bank, and for a scale that it does not have.
    """

    def __init__(
        self,
        *,
        bank: Path,
        scales: Scales = "first",
        neighbours: Count = 5,
        share: Annotated[float, Field(gt=0, le=1)] = 0.5,
        bandwidth: Annotated[float, Field(gt=0)] = 1.0,
        search: SearchKind = "auto",
        rows: Count = 1024,
    ) -> None:
        super().__init__()
        self.bank = Bank.open(bank)
        self.sources = {"bank": Source(bank, self.bank.key)}
        named = {"first": self.bank.scales[:1], "all": self.bank.scales}
        selected = named[scales] if isinstance(scales, str) else scales
        self.scales = [self.bank.scale(scale) for scale in selected]
        self.neighbours = neighbours
        self.share = share
        self.bandwidth = bandwidth
        self.search: SearchKind = search
        self.rows = rows
        self.searchers: dict[tuple[int, Scale, torch.device], Searcher] = {}

    def bind(self, method: Method, reader: Reader) -> None:
        """Check that the bank fits the training images and the masker. Raises GanzooError as ``require_fit`` does."""
        self.require_fit(method.masks, reader.images.load_shape)

    def require_fit(self, masks: Roles, shape: tuple[int, int] | None) -> None:
        """Raise GanzooError if the bank's photographs have another size than the images, or if the classes differ.

        A bank without classes does not fit a recipe with a masker in the role ``labels``. Names of classes are compared
        only if that masker computes them from the image and the bank was built with a masker.

        Args:
            masks: the maskers of the recipe.
            shape: height and width to which the images are scaled before any crop; None: they keep their own, and are
                not compared.
        """
        classes = ""
        if "labels" in masks:
            from_data = "given" in masks.needs("labels")
            classes = " --labels LABEL_MAPS" if from_data else " --masker MASKER, the one of maskers.labels"
        size = format_size(shape or self.bank.shape)
        command = f"{program_name()} bank build PHOTOS -o {self.bank.folder} --fresh --size {size}{classes}"
        again = f"build it again: {command}"
        if shape is not None and self.bank.shape != shape:
            theirs, ours = (f"{width}×{height}" for height, width in (self.bank.shape, shape))
            raise GanzooError(
                f"{self.bank.folder}: the bank's photographs have {theirs} pixels, but the images have {ours}, so "
                f"their patches do not compare; {again}"
            )
        if classes and self.bank.settings["classes"] == NoClasses.description:
            raise GanzooError(
                f"{self.bank.folder}: the bank has no classes, but the recipe has some, by the masker in the role "
                f"'labels'; {again}"
            )
        if (
            "labels" in masks
            and "given" not in masks.needs("labels")
            and isinstance(self.bank.settings["classes"], dict)
        ):
            transform = masks.transforms.get("labels")
            if not isinstance(transform, MaskTransform):
                transform = MaskTransform()
            in_masker = {BACKGROUND: "background", **class_names(masks.maskers["labels"], transform)}
            if self.bank.names != in_masker:
                theirs, ours = (", ".join(list(names.values())[1:]) for names in (self.bank.names, in_masker))
                raise GanzooError(
                    f"{self.bank.folder}: the bank has the classes {theirs}, but maskers.labels has {ours}; {again}"
                )

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar in float32.

        Args:
            image: images (B, 3, H, W) in [−1, 1].
            labels: the class of each pixel: planes (B, K, H, W), plane c − 1 for class c, thresholded at ½; or a label
                map (B, 1, H, W) of integers, 0 for no class. None: every pixel is background.

        Raises GanzooError for images that do not have three channels or are smaller than a window; and without labels
        if the bank has no background patches at one of the scales.
        """
        planes = self._planes(image, labels)
        total = image.float().sum() * 0  # without any term the loss is 0, but depends on the image
        for scale in self.scales:
            if image.shape[1] != 3 or min(image.shape[-2:]) < scale.patch:
                raise GanzooError(
                    f"contextual: windows of {scale} with 3 channels do not fit images of "
                    f"{'×'.join(map(str, image.shape[1:]))}: use larger images, or other scales"
                )
            windows = F.unfold(image, scale.patch, stride=scale.stride).transpose(1, 2)
            shares = F.avg_pool2d(planes, scale.patch, scale.stride).flatten(2)
            for patches, belongs in zip(windows, (shares >= self.share - 1e-6).unbind(0), strict=True):
                for label, chosen in enumerate(belongs):
                    if chosen.any():
                        total = total + self._term(patches[chosen], label, scale)
        return total / len(image)

    def _planes(self, image: Tensor, labels: Tensor | None) -> Tensor:
        """Return one plane of 0 and 1 for each class, the background's first: (B, 1 + K, H, W)."""
        if labels is None:
            if not all(self.bank.count(BACKGROUND, scale) for scale in self.scales):
                raise GanzooError(
                    f"{self.bank.folder}: the bank has no background patches, but without labels all generated patches "
                    "are background: set maskers: {labels: …} to the masker that the bank was built with"
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
            self.searchers[key] = create_searcher(self.bank, label, scale, device=patches.device, kind=self.search)
        numbers = self.searchers[key].search(patches.detach(), self.neighbours).unique()
        real = self.bank.patches(scale, numbers)
        return contextual_loss(patches, real, self.bank.mean(label, scale), bandwidth=self.bandwidth, rows=self.rows)
