"""Translate image files and folders of them, for ``ganzoo translate``; file names stay, all failures are reported."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from torch import Tensor

from ganzoo.data.image_files import describe_skipped, find_images, is_image
from ganzoo.data.image_io import to_uint8, write_image
from ganzoo.errors import GanzooError, is_out_of_memory, one_line, prefix_errors
from ganzoo.inference.options import MaskOption, StyleOption, mask_options, style_options
from ganzoo.inference.pages import Page, read_pages
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
    masks: Sequence[Path] = (),
    maskers: Sequence[str] = (),
    save_masks: Path | None = None,
    style: Sequence[str] = (),
    samples: int = 1,
    interpolate: int = 0,
    seed: int | None = None,
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
        device: see ``Translator``.
        masks: mask images, or folders of them; the inputs are translated once with each.
        maskers: maskers that replace the run's own, written as in a recipe; likewise.
        save_masks: a folder for the masks used, with a subfolder for each role.
        style: styles, as ``style_options`` reads them.
        samples: number of draws of each random style.
        interpolate: number of styles on the line between two styles; 0: none.
        seed: seed of the random draws; by default the run's.

    Raises:
        GanzooError: there are no images, the run cannot be loaded, an option is wrong, the run needs masks that are
            missing; or, after all images were tried, some failed: the message has a line for each.
    """
    roles = tuple(ROLES) if save_masks else TRANSLATION_ROLES
    translator = Translator(run, checkpoint=checkpoint, device=device, roles=roles)
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
    work = _Work(translator, resolved, out, size, scale_back, alpha, save_masks, seed)
    for mask_option, style_option in variants:
        translator.set_maskers(mask_option.masks or own)
        for number, (source, target) in enumerate(pairs):
            work.translate(number, source, target, mask_option, style_option)
    _report(work, inputs, len(pairs), {"masks": len(variants) // len(styles), "styles": len(styles)})


class _Work:
    """Translates files one by one; counts what was done and keeps the failures."""

    def __init__(
        self,
        translator: Translator,
        direction: Direction,
        out: Path,
        size: Size,
        scale_back: bool,
        alpha: bool,
        save_masks: Path | None,
        seed: int,
    ) -> None:
        self.translator, self.direction, self.out = translator, direction, out
        self.size, self.scale_back, self.alpha, self.save_masks, self.seed = size, scale_back, alpha, save_masks, seed
        self.written: set[Path] = set()
        self.cleaned: set[Path] = set()
        self.failed: list[str] = []
        self.sources_failed: set[Path] = set()
        self.scaled: set[Path] = set()
        self.paged = 0

    def translate(self, number: int, source: Path, target: Path, mask_option: MaskOption, style: StyleOption) -> None:
        """Translate all pages of a file; on a failure keep its reason."""
        try:
            for page in read_pages(source, self.translator.domain_io[self.direction[0]]):
                self.paged += bool(page.label)
                self._translate_page(page, number, source, target, mask_option, style)
        except GanzooError as error:
            self.failed.append(str(error))
        except Exception as error:  # one image must not cost the others, whatever a plugin or a decoder raises
            too_large = is_out_of_memory(error)
            problem = "too large for the memory; make it smaller with --size" if too_large else one_line(error)
            self.failed.append(f"{source}: {problem}")
        else:
            return
        self.sources_failed.add(source)

    def _translate_page(
        self, page: Page, number: int, source: Path, target: Path, mask_option: MaskOption, style: StyleOption
    ) -> None:
        translator, (source_domain, target_domain) = self.translator, self.direction
        variant = Path(mask_option.label, style.label)
        relative = Path(target.name) if target == self.out else target.relative_to(self.out)
        plane = mask_option.load_mask(relative.with_suffix(""), page.pixels.shape)
        with prefix_errors(str(source)):  # the errors of reading and writing name their file themselves
            batch, mask = translator.scaled(
                page.pixels, source_domain, None if plane is None else mask_tensor(plane), self.size
            )
            step = translator.translate_step(
                batch, self.direction, mask, sample=number, style=style.vector, seed=self.seed, draw=style.draw
            )
            translation = step[TRANSLATED][0]
            if self.scale_back:
                translation = translator.scaled_back(translation, target_domain, page.pixels.shape)
            role_masks = translator.compute_masks(step, self.direction) if self.save_masks else {}
        if batch.shape[-2:] != page.pixels.shape[:2]:
            self.scaled.add(source)
        named = relative.with_name(f"{relative.stem}{page.label}{relative.suffix}")
        path = target if target == self.out else self.out / variant / named
        if path in self.written:
            raise GanzooError(f"{source}: its translation would replace that of another image, {path}: rename it")
        if path.parent not in self.cleaned:
            self.cleaned.add(path.parent)
            clean_temporaries(path.parent, older_than=3600)  # another machine may write here as well
        self.written.add(path)
        self._write(translation, page, path)
        for role, planes in role_masks.items():
            write_mask(planes[0], Path(self.save_masks or "", variant, role, named.with_suffix(".png")))

    def _write(self, translation: Tensor, page: Page, path: Path) -> None:
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
        trained = work.translator.recipe.images.size
        side = trained if work.size == "trained" else work.size
        why = ", the size of the training images (--size changes it)" if work.size == "trained" else ""
        back = "; the translations were scaled back" if work.scale_back else "; --scale-back restores their sizes"
        console.say(f"{len(work.scaled)} were scaled to a shorter side of {side} pixels{why}{back}")
    for path in inputs:
        if path.is_dir() and (skipped := describe_skipped(path)):
            console.say(skipped)
    if work.failed:
        whole = "images were not translated" if not several else "images were not translated with all of them"
        raise GanzooError("\n".join([*work.failed, f"{failed} of {files} {whole}"]))


def write_mask(planes: Tensor, target: Path) -> None:
    """Write a mask (K, H, W) in [0, 1] as a grey PNG image; with K > 1 one image per plane: ``STEM-0.png``, …"""
    for i, plane in enumerate(planes):
        path = target if len(planes) == 1 else target.with_name(f"{target.stem}-{i}.png")
        write_image(to_uint8(plane[None] * 2 - 1), path)
