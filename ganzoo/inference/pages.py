"""Read the pages of an image file with what a translation takes over: transparency, colour profile, resolution."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ganzoo.data.domain_io import DomainIO
from ganzoo.data.image_io import open_image, page_numbers, seek_page
from ganzoo.errors import GanzooError

PROFILE_MODES = {b"RGB ": ("RGB", "RGBA"), b"GRAY": ("L", "LA", "I;16")}
"""The colour space that an ICC profile names in its header → the modes of images that it fits."""

_PROFILE, _X_RESOLUTION, _Y_RESOLUTION, _UNIT = 34675, 282, 283, 296  # TIFF tags
_UNITS_PER_INCH = {2: 1.0, 3: 2.54}  # the tag's value; without the tag it is 2, the inch


@dataclass(frozen=True)
class Page:
    """One page of an image file, or a Pillow image.

    Args:
        pixels: (H, W, C), as ``DomainIO.read`` returns them.
        label: the end of its translation's name, ``-000``; empty for the only page.
        alpha: (H, W) uint8, the opacity; None for an opaque image or a label map.
        profile: the ICC profile; empty without one.
        resolution: horizontal and vertical pixels per inch, if known.
    """

    pixels: np.ndarray
    label: str = ""
    alpha: np.ndarray | None = None
    profile: bytes = b""
    resolution: tuple[float, float] | None = None

    @classmethod
    def of(cls, image: Image.Image, domain_io: DomainIO, path: Path = Path("image"), label: str = "") -> Page:
        """Return the present page of an open image; ``path`` is its name in errors."""
        pixels = domain_io.read(image, path)
        alpha = None
        if image.has_transparency_data and not domain_io.classes:
            alpha = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))[:, :, 3]
        profile, resolution = _profile_and_resolution(image)
        numbers = [float(one) for one in resolution] if isinstance(resolution, tuple) else []
        if len(numbers) != 2 or not all(math.isfinite(one) and one > 0 for one in numbers):
            resolution = None
        return cls(
            pixels,
            label,
            alpha,
            profile if isinstance(profile, bytes) else b"",
            resolution and (float(resolution[0]), float(resolution[1])),
        )

    def with_alpha(self, image: Image.Image) -> Image.Image:
        """Return a translation with the transparency of this page, scaled to its size; as it is without one."""
        if self.alpha is None or image.mode not in ("L", "RGB"):
            return image
        alpha = Image.fromarray(self.alpha)
        image = image.copy()
        image.putalpha(alpha if alpha.size == image.size else alpha.resize(image.size, Image.Resampling.BILINEAR))
        return image

    def profile_for(self, image: Image.Image, suffix: str) -> bytes:
        """Return the ICC profile if it fits the colours of a translation in a file with this suffix, else an empty one.

        WebP files have no greys: Pillow writes them as colours.
        """
        mode = {"L": "RGB", "LA": "RGBA"}.get(image.mode, image.mode) if suffix == ".webp" else image.mode
        return self.profile if mode in PROFILE_MODES.get(self.profile[16:20], ()) else b""


def _profile_and_resolution(image: Image.Image) -> tuple[Any, Any]:
    """Return the ICC profile and the pixels per inch that the present page of an open image names, not verified.

    Those of a TIFF file are read from the page's tags: ``info`` keeps what another page has, and 1 where none has any.
    """
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return image.info.get("icc_profile"), image.info.get("dpi")
    scale = _UNITS_PER_INCH.get(tags.get(_UNIT, 2), 0)
    return tags.get(_PROFILE), (tags.get(_X_RESOLUTION, 0) * scale, tags.get(_Y_RESOLUTION, 0) * scale)


def read_pages(path: Path, domain_io: DomainIO) -> Iterator[Page]:
    """Yield the pages or frames of an image file; other files have one. Raises GanzooError for an unreadable file."""
    if path.suffix.lower() == ".npy":
        yield Page(domain_io.read(path))
        return
    with open_image(path) as image:
        numbers = page_numbers(image)
        for i, number in enumerate(numbers):
            seek_page(image, number)
            yield Page.of(image, domain_io, path, page_label(i) if len(numbers) > 1 else "")


def page_label(number: int) -> str:
    """Return the end of the name of a page's translation: ``-000`` for the first one."""
    return f"-{number:03}"


def read_page(path: Path, domain_io: DomainIO) -> Page:
    """Return the only page of an image file. Raises GanzooError for an unreadable file and for several pages."""
    pages = read_pages(path, domain_io)
    page = next(pages)
    pages.close()  # type: ignore[attr-defined]
    if page.label:
        raise GanzooError(
            f"{path}: it has several pages or frames; translate them with ganzoo translate, or open the file with "
            "Pillow and translate each"
        )
    return page
