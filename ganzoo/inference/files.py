"""Translate image files and folders of them, for ``ganzoo translate``; file names stay, all failures are reported."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.data.image_files import describe_skipped, find_images, is_image
from ganzoo.data.image_io import to_uint8, write_image
from ganzoo.errors import GanzooError, is_out_of_memory, one_line, prefix_errors
from ganzoo.inference.options import mask_options, style_options
from ganzoo.inference.pages import Page, read_pages
from ganzoo.inference.pipeline import Item, Job, Pipeline, Translation, batch_limit, worker_count
from ganzoo.inference.translator import TRANSLATED, Size, Translator, mask_tensor
from ganzoo.interfaces import Direction
from ganzoo.masks.roles import ROLES, TRANSLATION_ROLES
from ganzoo.utils.atomic import clean_temporaries
from ganzoo.utils.console import Console


def plan_outputs(inputs: Sequence[Path], out: Path, suffix: str = ".png") -> list[tuple[Path, Path]]:
    """Return pairs of (image, path of its translation).

    The images of a folder keep their relative paths below ``out``; a single file goes directly into ``out``. Two
    images that differ only in their file extension keep it in the name (``a.jpg.png``). If ``out`` has the suffix of
    the translations and is no folder, it is the translation of the only input.

    Args:
        inputs: images and folders of images.
        out: the folder for the translations, or the file.
        suffix: the suffix of the translations.

    Raises:
        GanzooError: two translations would have the same path, one would overwrite its source, ``out`` is within a
            folder of inputs, so that the next call would translate the translations, or it names a file for several
            images or of another type.
    """
    if names_file(out):
        if len(inputs) != 1 or inputs[0].is_dir() or out.suffix.lower() != suffix:
            wrong = f"a {out.suffix} file" if out.suffix.lower() != suffix else "one file for several images"
            raise GanzooError(f"-o: {out} is {wrong}; give a folder, or for one image a name that ends in {suffix}")
        if _same_file(out, inputs[0]):
            raise GanzooError(f"{out} would be overwritten by its translation: choose another name with -o")
        return [(inputs[0], out)]
    pairs: list[tuple[Path, Path]] = []
    for path in inputs:
        if path.is_dir():
            if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(path)):
                raise GanzooError(
                    f"-o: {out} is in the folder of the images, {path}, so the next call would translate the "
                    "translations: choose a folder outside"
                )
            pairs += [(file, file.relative_to(path)) for file in find_images(path)]
        else:
            pairs.append((path, Path(path.name)))
    stems = [relative.with_suffix("") for _, relative in pairs]
    uses = Counter(stems)
    planned: dict[Path, Path] = {}
    for (source, relative), stem in zip(pairs, stems, strict=True):
        target = out / (f"{relative}{suffix}" if uses[stem] > 1 else f"{stem}{suffix}")
        if target in planned:
            raise GanzooError(f"{source} and {planned[target]} would both become {target}: translate them separately")
        if _same_file(target, source):
            raise GanzooError(f"{source} would be overwritten by its translation: choose another folder with -o")
        planned[target] = source
    return [(source, target) for target, source in planned.items()]


def _same_file(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)  # Path.resolve fails for a loop of links


def names_file(out: Path) -> bool:
    """Return whether an output path names a file: it has the ending of an image, and is no folder."""
    return is_image(out.name) and not out.is_dir()


def translate_files(
    run: Path,
    inputs: Sequence[Path],
    out: Path,
    *,
    direction: str | None = None,
    checkpoint: str = "",
    size: Size = "trained",
    scale_back: bool = False,
    alpha: bool = True,
    device: str = "",
    precision: str = "fp32",
    masks: Sequence[Path] = (),
    maskers: Sequence[str] = (),
    save_masks: Path | None = None,
    style: Sequence[str] = (),
    samples: int = 1,
    interpolate: int = 0,
    seed: int | None = None,
    batch: int | None = None,
    workers: int | None = None,
) -> None:
    """Translate images and folders of images, write the translations as PNG files, and print their number.

    If an image cannot be translated, the next ones still are.

    Args:
        run: the run's folder.
        inputs: images and folders of them.
        out: the folder for the translations; with several masks or styles, it gets a subfolder for each. Or, for one
            image, the file.
        direction: ``AB`` or ``BA``; by default the method's first.
        checkpoint: see ``Translator``.
        size: the shorter side to which images and masks are scaled before the translation; see
            ``Translator.translate``.
        scale_back: scale the translations to the size of their sources.
        alpha: give translations the transparency of their sources.
        device, precision: see ``Translator``.
        masks: mask images, or folders of them; the inputs are translated once with each.
        maskers: maskers that replace the run's own, written as in a recipe; likewise.
        save_masks: a folder for the masks used, with a subfolder for each role.
        style: styles, as ``style_options`` reads them.
        samples: number of draws of each random style.
        interpolate: number of styles on the line between two styles; 0: none.
        seed: seed of the random draws; by default the run's.
        batch: the most images of equal size that are translated together; by default it depends on the device, see
            ``batch_limit``. Random draws and file names do not depend on it, pixels only by rounding.
        workers: the number of threads that read and write images; 0: everything runs in turn; by default it depends on
            the device, see ``worker_count``.

    Raises:
        GanzooError: there are no images, the run cannot be loaded, an option is wrong, the run needs masks that are
            missing; or, after all images were tried, some failed: the message has a line for each.
    """
    roles = tuple(ROLES) if save_masks else TRANSLATION_ROLES
    translator = Translator(run, checkpoint=checkpoint, device=device, precision=precision, roles=roles)
    resolved = translator.resolve_direction(direction)
    pairs = plan_outputs(inputs, out, translator.domain_io[resolved[1]].suffix)
    if not pairs:
        skipped = "".join(f"; {line}" for path in inputs if path.is_dir() and (line := describe_skipped(path)))
        raise GanzooError(f"no images found in {', '.join(map(str, inputs))}{skipped}")
    own = translator.method.masks
    if save_masks and not own.maskers:
        raise GanzooError("--save-masks: this run uses no masks")
    missing = [role for role in own.maskers if "given" in own.needs(role)] if not (masks or maskers) else []
    if missing:
        raise GanzooError(
            f"{run}: the run's masks in the role {', '.join(missing)} come from its data set, and these images have "
            "none: provide masks with --mask"
        )
    seed = translator.recipe.train.seed if seed is None else seed
    styles = style_options(translator, resolved, style, samples=samples, between=interpolate, seed=seed)
    variants = list(product(mask_options(translator.method, translator.recipe.train.seed, masks, maskers), styles))
    if names_file(out) and len(variants) > 1:
        raise GanzooError(f"-o: {out} is one file, but there are {len(variants)} translations; give a folder")
    limit, threads = batch_limit(translator.device, batch), worker_count(translator.device, workers)
    work = _Work(translator, resolved, out, size, scale_back, alpha, save_masks, seed)
    for done, (mask_option, style_option) in enumerate(variants):
        translator.set_maskers(mask_option.masks or own)
        with translator.translating():
            Pipeline(work, workers=threads, limit=limit).run(
                Job(done * len(pairs) + number, number, source, target, mask_option, style_option)
                for number, (source, target) in enumerate(pairs)
            )
    _report(work, inputs, len(pairs), {"masks": len(variants) // len(styles), "styles": len(styles)})


@dataclass
class _Work:
    """The stages of the translation of files; counts what was done, and keeps the failures.

    Args:
        translator: the translator.
        direction: the direction.
        out, size, scale_back, alpha, save_masks, seed: see ``translate_files``.
    """

    translator: Translator
    direction: Direction
    out: Path
    size: Size
    scale_back: bool
    alpha: bool
    save_masks: Path | None
    seed: int
    written: set[Path] = field(default_factory=set)
    cleaned: set[Path] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)
    """The order of a job → why it failed; later jobs may fail earlier."""
    sources_failed: set[Path] = field(default_factory=set)
    scaled: set[Path] = field(default_factory=set)
    paged: int = 0

    def read(self, job: Job) -> Iterator[Item]:
        """Yield the pages of a file, scaled, with their masks. Raises GanzooError if one of them cannot be read."""
        relative = self._relative(job).with_suffix("")
        for page in read_pages(job.source, self.translator.domain_io[self.direction[0]]):
            height, width = page.pixels.shape[:2]
            plane = job.mask_option.load_mask(relative, page.pixels.shape)
            mask = None if plane is None else mask_tensor(plane)
            with prefix_errors(str(job.source)):  # the errors of reading and writing name their file themselves
                pixels, mask = self.translator.scaled_pixels(page.pixels, self.direction[0], mask, self.size)
            yield Item(job, replace(page, pixels=pixels), mask, (height, width))

    def translate(self, items: Sequence[Item]) -> list[Translation]:
        """Translate pages of one mask and style option, all of equal size and with a mask each or none."""
        first, domain_io = items[0], self.translator.domain_io[self.direction[0]]
        images = torch.cat([domain_io.batch(item.page.pixels) for item in items])
        masks = [item.mask for item in items if item.mask is not None]
        with prefix_errors(str(first.job.source)):  # of a batch that fails, each image is translated again
            step = self.translator.translate_step(
                images,
                self.direction,
                torch.cat(masks) if masks else None,
                sample=[item.job.number for item in items],
                style=first.job.style.vector,
                seed=self.seed,
                draw=first.job.style.draw,
            )
            role_masks = self.translator.compute_masks(step, self.direction) if self.save_masks else {}
        return [
            Translation(image, {role: planes[i] for role, planes in role_masks.items()})
            for i, image in enumerate(step[TRANSLATED])
        ]

    def place(self, item: Item) -> Path:
        """Return the path of a translation; clean up in its folder. Raises GanzooError if the path is taken."""
        self.paged += bool(item.page.label)
        if item.shape != item.page.pixels.shape[:2]:
            self.scaled.add(item.job.source)
        path = item.job.target if item.job.target == self.out else self.out / self._named(item)
        if path in self.written:
            raise GanzooError(
                f"{item.job.source}: its translation would replace that of another image, {path}: rename it"
            )
        if path.parent not in self.cleaned:
            self.cleaned.add(path.parent)
            clean_temporaries(path.parent, older_than=3600)  # another machine may write here as well
        self.written.add(path)
        return path

    def write(self, item: Item, translation: Translation, path: Path) -> None:
        """Write a translation and its masks."""
        image, domain = translation.image, self.direction[1]
        if self.scale_back:
            image = self.translator.scaled_back(image, domain, item.shape)
        self._write_image(image, item.page, path)
        for role, planes in translation.masks.items():
            named = self._named(item, role)
            write_mask(planes, Path(self.save_masks or "", named.with_suffix(".png")))

    def fail(self, job: Job, error: Exception) -> None:
        """Keep the reason of a failure, as one line."""
        too_large = is_out_of_memory(error)
        problem = "too large for the memory; make it smaller with --size" if too_large else one_line(error)
        self.failed[job.order] = str(error) if isinstance(error, GanzooError) else f"{job.source}: {problem}"
        self.sources_failed.add(job.source)

    def _relative(self, job: Job) -> Path:
        """Return the path of a job's translation below the folder of its mask and style."""
        return Path(job.target.name) if job.target == self.out else job.target.relative_to(self.out)

    def _named(self, item: Item, role: str = "") -> Path:
        """Return the path of a page's translation, or of its mask in a role, below the folder for all of them."""
        relative, job = self._relative(item.job), item.job
        variant = Path(job.mask_option.label, job.style.label, role)
        return variant / relative.with_name(f"{relative.stem}{item.page.label}{relative.suffix}")

    def _write_image(self, translation: Tensor, page: Page, path: Path) -> None:
        domain_io = self.translator.domain_io[self.direction[1]]
        if domain_io.suffix == ".npy":
            write_image(domain_io.array(translation), path)
            return
        image = domain_io.image(translation)
        if self.alpha:
            image = page.with_alpha(image)
        write_image(image, path, profile=page.profile_for(image), resolution=page.resolution)


def _report(work: _Work, inputs: Sequence[Path], files: int, variants: Mapping[str, int]) -> None:
    """Print what was translated, and how; raise GanzooError with each failure.

    Args:
        work: the work that was done.
        inputs: images and folders of images, as the user named them.
        files: the number of images.
        variants: ``masks`` and ``styles`` → the number of those that each image was translated with.
    """
    console, failed = Console(), len(work.sources_failed)
    several = " and ".join(f"{count} {name}" for name, count in variants.items() if count > 1)
    each = f" with each of {several}" if several else ""
    pages = f"{work.paged} pages or frames of files with several" if work.paged else ""
    translations = f"{len(work.written)} translations" if several else ""
    details = f" ({', '.join(filter(None, [pages, translations]))})" if pages or translations else ""
    into = f", into {work.out}" if work.written else ""
    console.say(f"{files - failed} of {files} images translated {work.direction}{each}{details}{into}")
    if work.scaled:
        size = work.translator.trained_size if work.size == "trained" else work.size
        to = f"cover {size[1]}×{size[0]} pixels" if isinstance(size, tuple) else f"a shorter side of {size} pixels"
        why = ", the size of the training images (--size changes it)" if work.size == "trained" else ""
        back = "; the translations were scaled back" if work.scale_back else "; --scale-back restores their sizes"
        console.say(f"{len(work.scaled)} were scaled to {to}{why}{back}")
    for path in inputs:
        if path.is_dir() and (skipped := describe_skipped(path)):
            console.say(skipped)
    if work.failed:
        whole = "images were not translated" if not several else "images were not translated with all of them"
        failures = [work.failed[order] for order in sorted(work.failed)]
        raise GanzooError("\n".join([*failures, f"{failed} of {files} {whole}"]))


def write_mask(planes: Tensor, target: Path) -> None:
    """Write a mask (K, H, W) in [0, 1] as a grey PNG image; with K > 1 one image per plane: ``STEM-0.png``, …"""
    for i, plane in enumerate(planes):
        path = target if len(planes) == 1 else target.with_name(f"{target.stem}-{i}.png")
        write_image(to_uint8(plane[None] * 2 - 1), path)
