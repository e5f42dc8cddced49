"""The stages of the translation of image files: read, translate, write, count; ``translate_files`` runs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor

from ganzoo.data.image_io import to_uint8, write_image
from ganzoo.errors import GanzooError, is_out_of_memory, one_line, prefix_errors
from ganzoo.inference.output import TRANSPARENT, Output
from ganzoo.inference.pages import Page, read_pages
from ganzoo.inference.pipeline import Item, Job, Translation
from ganzoo.inference.summary import Summary
from ganzoo.inference.tiles import Tile
from ganzoo.inference.translator import TRANSLATED, Prepare, Size, Translator, mask_tensor
from ganzoo.interfaces import Direction
from ganzoo.utils.atomic import clean_temporaries


@dataclass
class FileWork:
    """The stages of the translation of files; counts what was done, and keeps the failures.

    Args:
        translator: the translator.
        direction: the direction.
        output: where translations go, and in which form.
        size, scale_back, alpha, save_masks, seed, tile: see ``translate_files``.
    """

    translator: Translator
    direction: Direction
    output: Output
    size: Size
    scale_back: bool
    alpha: bool
    save_masks: Path | None
    seed: int
    tile: Tile = "auto"
    cleaned: set[Path] = field(default_factory=set)
    summary: Summary = field(default_factory=Summary)
    counting: Lock = field(default_factory=Lock)

    def read(self, job: Job) -> Iterator[Item]:
        """Yield the pages of a file, scaled, with their masks. Raises GanzooError if one of them cannot be read."""
        return self.items(job, read_pages(job.source, self.translator.domain_io[self.direction[0]]))

    def items(self, job: Job, pages: Iterable[Page]) -> Iterator[Item]:
        """Yield pages of a file, scaled, with the user's mask, which is the same for pages of the same size."""
        relative = self.output.mask_path(job.source, job.target)
        shape, plane = None, None
        for page in pages:
            if shape != page.pixels.shape:
                shape = page.pixels.shape
                plane = job.mask_option.load_mask(relative, shape)
            mask = None if plane is None else mask_tensor(plane)
            with prefix_errors(str(job.source)):  # the errors of reading and writing name their file themselves
                pixels, mask = self.translator.scaled_pixels(page.pixels, self.direction[0], mask, self.size)
            yield Item(job, replace(page, pixels=pixels), mask, page.pixels.shape[:2])

    def translate(
        self, items: Sequence[Item], style: Tensor | None = None, prepare: Prepare | None = None
    ) -> list[Translation]:
        """Translate pages of one mask and style option, all of equal size and with a mask each or none.

        Args:
            items: the pages.
            style: a style for each page, (B, size), in place of that of the style option.
            prepare: see ``Translator.translate_step``.
        """
        first, domain_io = items[0], self.translator.domain_io[self.direction[0]]
        images = torch.cat([domain_io.batch(item.page.pixels) for item in items])
        masks = [item.mask for item in items if item.mask is not None]
        with prefix_errors(str(first.job.source)):  # of a batch that fails, each image is translated again
            step = self.translator.translate_step(
                images,
                self.direction,
                torch.cat(masks) if masks else None,
                sample=[item.job.number for item in items],
                style=first.job.style.vector if style is None else style,
                seed=self.seed,
                draw=first.job.style.draw,
                prepare=prepare,
                tile=self.tile,
            )
            if side := self.translator.tiler.side:
                self.summary.sides.add(side)
                self.summary.tiled += len(items)
            role_masks = self.translator.compute_masks(step, self.direction) if self.save_masks else {}
        return [
            Translation(image, {role: planes[i] for role, planes in role_masks.items()})
            for i, image in enumerate(step[TRANSLATED])
        ]

    def place(self, item: Item) -> Path:
        """Return the path of a translation."""
        return self.path(item.job, item.page.label)

    def path(self, job: Job, page: str = "") -> Path:
        """Return the path of the translation of a file, or of a page of it; clean up in its folder."""
        path = self.output.out if self.output.is_file else self.output.out / self._named(job, page)
        if path.parent not in self.cleaned:
            self.cleaned.add(path.parent)
            clean_temporaries(path.parent, older_than=3600)  # another machine may write here as well
        return path

    def write(self, item: Item, translation: Translation, path: Path) -> None:
        """Write a translation and its masks; count the translation once it is written."""
        self._write_image(self.sized(item, translation), item, path)
        with self.counting:  # threads write several at once
            self.summary.paged += bool(item.page.label)
            self.summary.written += 1
            self.summary.begun.add(item.job.order)
        if item.scaled:
            self.summary.scaled.add(item.job.number)
        self.write_masks(item, translation)

    def sized(self, item: Item, translation: Translation) -> Tensor:
        """Return the translation of a page, (C, H, W), in the size in which it is written."""
        if not self.scale_back:
            return translation.image
        return self.translator.scaled_back(translation.image, self.direction[1], item.shape)

    def write_masks(self, item: Item, translation: Translation) -> None:
        """Write the masks used for a page, if the user wants them."""
        for role, planes in translation.masks.items():
            write_mask(planes, Path(self.save_masks or "", self._named(item.job, item.page.label, role)))

    def fail(self, job: Job, error: Exception) -> None:
        """Keep the reason of a failure, as one line."""
        by_tiles = "" if self.tile == "auto" else "use --tile auto, or "
        too_large = f"too large for the memory; {by_tiles}make it smaller with --size"
        problem = too_large if is_out_of_memory(error) else one_line(error)
        reason = str(error) if isinstance(error, GanzooError) else f"{job.source}: {problem}"
        self.summary.failed[job.order] = reason
        self.summary.files_failed.add(job.number)

    def _named(self, job: Job, page: str, role: str = "") -> Path:
        """Return the path of a page's translation, or of its mask in a role, below the folder for all of them."""
        variant = Path(job.mask_option.label, job.style.label, role)
        if role:  # masks have the names of their images, so that --mask finds them
            mask = self.output.mask_path(job.source, job.target)
            return variant / mask.with_name(f"{mask.name}{page}.png")
        return variant / self.output.named(job.target.relative_to(self.output.out), page)

    def _write_image(self, translation: Tensor, item: Item, path: Path) -> None:
        domain_io, page = self.translator.domain_io[self.direction[1]], item.page
        lacks_alpha = self.alpha and page.alpha is not None
        if self.output.suffix == ".npy":
            write_image(domain_io.array(translation), path)
        else:
            image = domain_io.image(translation)
            if lacks_alpha and self.output.suffix in TRANSPARENT:
                image = page.with_alpha(image)
                lacks_alpha = not image.has_transparency_data
            profile = page.profile_for(image, self.output.suffix)
            write_image(image, path, profile=profile, resolution=page.resolution, quality=self.output.quality)
        if lacks_alpha:
            self.summary.opaque.add(item.job.number)


def write_mask(planes: Tensor, target: Path) -> None:
    """Write a mask (K, H, W) in [0, 1] as a grey PNG image; with K > 1 one image per plane: ``STEM-0.png``, …"""
    for i, plane in enumerate(planes):
        path = target if len(planes) == 1 else target.with_name(f"{target.stem}-{i}.png")
        write_image(to_uint8(plane[None] * 2 - 1), path)
