"""Translate image files and folders of them, for ``ganzoo translate``; file names stay, all failures are reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.data.image_files import describe_skipped
from ganzoo.data.image_io import to_uint8, write_image
from ganzoo.engine.shares import Share, start_share
from ganzoo.errors import GanzooError, is_out_of_memory, one_line, prefix_errors
from ganzoo.inference.options import mask_options, style_options
from ganzoo.inference.output import TRANSPARENT, Output, plan_outputs, read_output
from ganzoo.inference.pages import read_pages
from ganzoo.inference.pipeline import Item, Job, Pipeline, Translation, batch_limit, worker_count
from ganzoo.inference.summary import Request, Summary, report
from ganzoo.inference.translator import TRANSLATED, Size, Translator, mask_tensor
from ganzoo.interfaces import Direction
from ganzoo.masks.roles import ROLES, TRANSLATION_ROLES
from ganzoo.utils.atomic import clean_temporaries


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
    form: str = "",
    quality: int | None = None,
    ending: str = "",
) -> None:
    """Translate images and folders of images, write the translations as files, and print their number.

    If an image cannot be translated, the next ones still are. Of several processes, each translates its share of the
    images; the files are those of one process.

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
        form, quality, ending: format, quality and names of the translations; see ``read_output``.

    Raises:
        GanzooError: there are no images, the run cannot be loaded, an option is wrong, the run needs masks that are
            missing; or, after all images were tried, some failed: the message has a line for each.
    """
    with start_share(device, "translate") as share:
        roles = tuple(ROLES) if save_masks else TRANSLATION_ROLES
        translator = Translator(run, checkpoint=checkpoint, device=share.device, precision=precision, roles=roles)
        resolved = translator.resolve_direction(direction)
        output = read_output(translator.domain_io[resolved[1]], out, form, quality, ending)
        pairs = plan_outputs(inputs, output)
        if not pairs:
            skipped = "".join(f"; {line}" for path in inputs if path.is_dir() and (line := describe_skipped(path)))
            raise GanzooError(f"no images found in {', '.join(map(str, inputs))}{skipped}")
        own = translator.method.masks
        if save_masks and not own.maskers:
            raise GanzooError("--save-masks: this run uses no masks")
        missing = [role for role in own.maskers if "given" in own.needs(role)] if not (masks or maskers) else []
        if missing:
            raise GanzooError(
                f"{run}: the run's masks in the role {', '.join(missing)} come from its data set, and these images "
                "have none: provide masks with --mask"
            )
        seed = translator.recipe.train.seed if seed is None else seed
        styles = style_options(translator, resolved, style, samples=samples, between=interpolate, seed=seed)
        mask_list = mask_options(translator.method, translator.recipe.train.seed, masks, maskers)
        variants = list(product(mask_list, styles))
        if output.is_file and len(variants) > 1:
            raise GanzooError(f"-o: {out} is one file, but there are {len(variants)} translations; give a folder")
        _compare_plans(share, pairs)
        limit, threads = batch_limit(translator.device, batch), worker_count(translator.device, workers)
        work = _Work(translator, resolved, output, size, scale_back, alpha, save_masks, seed)
        for done, (mask_option, style_option) in enumerate(variants):
            translator.set_maskers(mask_option.masks or own)
            with translator.translating():
                Pipeline(work, workers=threads, limit=limit).run(
                    Job(done * len(pairs) + number, number, *pairs[number], mask_option, style_option)
                    for number in share.of(range(len(pairs)))
                )
        request = Request(
            inputs,
            len(pairs),
            out,
            resolved,
            {"masks": len(mask_list), "styles": len(styles)},
            scale=translator.trained_size if size == "trained" else size,
            trained=size == "trained",
            scale_back=scale_back,
            suffix=output.suffix,
        )
        report(Summary.joined(share.gather(work.summary.to_plain())), request, share)


def _compare_plans(share: Share, pairs: Sequence[tuple[Path, Path]]) -> None:
    """Wait until all processes have planned their work, so that none writes before; raise if they saw other files."""
    names = "\n".join(str(target) for _, target in pairs)
    if len(set(share.gather(sha256(names.encode("utf-8", "surrogateescape")).hexdigest()))) > 1:
        raise GanzooError("the processes found different images: give all of them the same folders, at rest")


@dataclass
class _Work:
    """The stages of the translation of files; counts what was done, and keeps the failures.

    Args:
        translator: the translator.
        direction: the direction.
        output: where translations go, and in which form.
        size, scale_back, alpha, save_masks, seed: see ``translate_files``.
    """

    translator: Translator
    direction: Direction
    output: Output
    size: Size
    scale_back: bool
    alpha: bool
    save_masks: Path | None
    seed: int
    cleaned: set[Path] = field(default_factory=set)
    summary: Summary = field(default_factory=Summary)

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
        """Return the path of a translation; clean up in its folder."""
        self.summary.paged += bool(item.page.label)
        self.summary.written += 1
        if item.shape != item.page.pixels.shape[:2]:
            self.summary.scaled.add(item.job.number)
        path = self.output.out if self.output.is_file else self.output.out / self._named(item)
        if path.parent not in self.cleaned:
            self.cleaned.add(path.parent)
            clean_temporaries(path.parent, older_than=3600)  # another machine may write here as well
        return path

    def write(self, item: Item, translation: Translation, path: Path) -> None:
        """Write a translation and its masks."""
        image, domain = translation.image, self.direction[1]
        if self.scale_back:
            image = self.translator.scaled_back(image, domain, item.shape)
        self._write_image(image, item, path)
        for role, planes in translation.masks.items():
            write_mask(planes, Path(self.save_masks or "", self._named(item, role)))

    def fail(self, job: Job, error: Exception) -> None:
        """Keep the reason of a failure, as one line."""
        too_large = is_out_of_memory(error)
        problem = "too large for the memory; make it smaller with --size" if too_large else one_line(error)
        reason = str(error) if isinstance(error, GanzooError) else f"{job.source}: {problem}"
        self.summary.failed[job.order] = reason
        self.summary.files_failed.add(job.number)

    def _relative(self, job: Job) -> Path:
        """Return the path of a job's translation below the folder of its mask and style."""
        return Path(job.target.name) if self.output.is_file else job.target.relative_to(self.output.out)

    def _named(self, item: Item, role: str = "") -> Path:
        """Return the path of a page's translation, or of its mask in a role, below the folder for all of them."""
        relative, variant = self._relative(item.job), Path(item.job.mask_option.label, item.job.style.label, role)
        if role:  # masks have the names of their images, so that --mask finds them
            return variant / relative.with_name(f"{relative.stem}{item.page.label}.png")
        return variant / self.output.named(relative, item.page.label)

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
            profile = page.profile_for(image)
            write_image(image, path, profile=profile, resolution=page.resolution, quality=self.output.quality)
        if lacks_alpha:
            self.summary.opaque.add(item.job.number)


def write_mask(planes: Tensor, target: Path) -> None:
    """Write a mask (K, H, W) in [0, 1] as a grey PNG image; with K > 1 one image per plane: ``STEM-0.png``, …"""
    for i, plane in enumerate(planes):
        path = target if len(planes) == 1 else target.with_name(f"{target.stem}-{i}.png")
        write_image(to_uint8(plane[None] * 2 - 1), path)
