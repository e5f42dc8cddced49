"""The images that a data check reads: groups of images, one for each split and domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo.check.data.facts import Reading
from ganzoo.check.data.findings import Finding
from ganzoo.data.label_maps import palette_image
from ganzoo.data.types import ImageFile, Split


@dataclass(frozen=True)
class Item:
    """One image of a group.

    Args:
        name: its name in messages: the path of its file, or its number in the data set until ``read`` finds its name.
        read: reads what the check needs, errors included; called in any thread.
        show: given a side in pixels, returns the image, its mask and its label map to look at, not much larger than
            that; raises GanzooError if they cannot be read.
        files: its files, if it has any: that of the image first, then those of its mask, label map and partner.
    """

    name: str
    read: Callable[[], Reading]
    show: Callable[[int], list[Image.Image]]
    files: Sequence[ImageFile] = ()

    @property
    def file(self) -> ImageFile | None:
        """The file of the image, if it has one."""
        return self.files[0] if self.files else None


@dataclass(frozen=True)
class Group:
    """The images of one split and domain.

    Args:
        title: its name in the report: ``trainA``.
        split: its split.
        domain: its domain.
        items: its images.
        folder: the folder of its images, if there is one.
        planes: the folders of masks and label maps, for the report.
        classes: the number of classes in its label maps; 0: unknown.
    """

    title: str
    split: Split
    domain: str
    items: Sequence[Item]
    folder: Path | None = None
    planes: Sequence[Path] = ()
    classes: int = 0


@dataclass(frozen=True)
class Source:
    """All that is checked.

    Args:
        name: what was given: a folder, two folders, or a recipe.
        groups: its groups, training first.
        findings: what was found without reading an image, such as missing masks.
        pairs: pairs of images, each as (group, image), both indices. Partners must have the same size, and may look
            alike.
        side_by_side: whether each image shows both domains, in two halves.
        side: images with a shorter side are enlarged in training; 0: unknown.
        crop: height and width that are cropped from images without scaling them, if they are.
        folders: folders from which a run may read, besides those of the groups.
    """

    name: str
    groups: Sequence[Group]
    findings: Sequence[Finding] = ()
    pairs: Sequence[tuple[tuple[int, int], tuple[int, int]]] = ()
    side_by_side: bool = False
    side: int = 0
    crop: tuple[int, int] | None = None
    folders: Sequence[Path] = ()


def to_look_at(image: np.ndarray, mask: np.ndarray | None, labels: np.ndarray | None) -> list[Image.Image]:
    """Return pixels (H, W, C) of 8 bits, and the mask and label map (H, W) if there are any, as RGB images."""
    shown = image[:, :, :3] if image.shape[2] >= 3 else image[:, :, [0, 0, 0]]
    images = [Image.fromarray(np.ascontiguousarray(shown.astype(np.uint8)))]
    if mask is not None:
        images.append(Image.fromarray(mask).convert("RGB"))
    if labels is not None:
        images.append(palette_image(labels).convert("RGB"))
    return images
