"""Translate image files and folders of them, for ``ganzoo translate``; file names stay, all failures are reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ganzoo.data.image_io import find_images, to_uint8, write_image
from ganzoo.data.transforms import resize
from ganzoo.errors import GanzooError, is_out_of_memory, prefix_errors
from ganzoo.inference.options import mask_options, style_options
from ganzoo.inference.translator import TRANSLATED, Translator
from ganzoo.masks.roles import ROLES, TRANSLATION_ROLES
from ganzoo.utils.console import Console


def plan_outputs(inputs: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Return pairs of an image's path and the path of its translation, a PNG file.

    The images of a folder keep their relative paths below ``out``; a single file goes directly into ``out``. If several
    images differ only in their extensions, the names contain them: ``a.jpg.png``.

    Args:
        inputs: images and folders of images.
        out: the folder for the translations.

    Raises:
        GanzooError: two translations would have the same path, one would overwrite its source, or a folder cannot be
            read.
    """
    pairs: list[tuple[Path, Path]] = []
    for path in inputs:
        if path.is_dir():
            pairs += [(file, file.relative_to(path)) for file in find_images(path)]
        else:
            pairs.append((path, Path(path.name)))
    stems = [relative.with_suffix("") for _, relative in pairs]
    uses = Counter(stems)
    planned: dict[Path, Path] = {}
    for (source, relative), stem in zip(pairs, stems, strict=True):
        target = out / (f"{relative}.png" if uses[stem] > 1 else f"{stem}.png")
        if target in planned:
            raise GanzooError(f"{source} and {planned[target]} would both become {target}: translate them separately")
        if target.resolve() == source.resolve():
            raise GanzooError(f"{source} would be overwritten by its translation: choose another folder with -o")
        planned[target] = source
    return [(source, target) for target, source in planned.items()]


def translate_files(
    run: Path,
    inputs: Sequence[Path],
    out: Path,
    *,
    direction: str | None = None,
    checkpoint: str = "",
    size: int | None = None,
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
        inputs: images and folders of images.
        out: the folder for the translations; with several masks or styles, it gets a subfolder for each.
        direction: the direction, for example ``AB``; by default the method's first.
        checkpoint: the name of the checkpoint, as for ``Translator``.
        size: the length of the shorter side, in pixels, to which images and masks are resized before the translation.
        device: the torch device, as for ``Translator``.
        masks: mask images, or folders of them; all inputs are translated once with each.
        maskers: maskers that replace the run's own, written as in a recipe; all inputs are translated once with each.
        save_masks: a folder for the masks that were used; it gets a subfolder for each role.
        style: the styles, written as for ``style_options``.
        samples: the number of draws of each random style.
        interpolate: the number of styles on the line between two styles; 0: no interpolation.
        seed: the seed of the random draws; by default the run's.

    Raises:
        GanzooError: there are no images, the run cannot be loaded, an option is wrong, the run needs masks that are
            missing; or, after all images were tried, some failed: the message has a line for each.
    """
    pairs = plan_outputs(inputs, out)
    if not pairs:
        raise GanzooError(f"no images found in {', '.join(map(str, inputs))}")
    roles = tuple(ROLES) if save_masks else TRANSLATION_ROLES
    translator = Translator(run, checkpoint=checkpoint, device=device, roles=roles)
    resolved = translator.resolve_direction(direction)
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
    source_io, target_io = (translator.domain_io[domain] for domain in resolved)
    console = Console()
    failed: list[str] = []
    for mask_option, style_option in variants:
        translator.set_maskers(mask_option.masks or own)
        variant = Path(mask_option.label, style_option.label)
        for number, (source, target) in enumerate(pairs):
            relative = target.relative_to(out)
            try:
                pixels = source_io.read(source)
                mask = mask_option.load_mask(relative.with_suffix(""), pixels.shape)
                if size:
                    factor = size / min(pixels.shape[:2])
                    shape = (round(pixels.shape[0] * factor), round(pixels.shape[1] * factor))
                    pixels = source_io.resized(pixels, shape)
                    mask = mask if mask is None else resize(mask, shape, Image.Resampling.BILINEAR)
                with prefix_errors(str(source)):  # the errors of reading and writing name their file themselves
                    step = translator.translate_step(
                        source_io.batch(pixels),
                        resolved,
                        None if mask is None else torch.from_numpy(mask.copy())[None] / 255,
                        sample=number,
                        style=style_option.vector,
                        seed=seed,
                        draw=style_option.draw,
                    )
                    translation = target_io.image(step[TRANSLATED][0])
                    role_masks = translator.compute_masks(step, resolved) if save_masks else {}
                write_image(translation, out / variant / relative)
                for role, planes in role_masks.items():
                    write_mask(planes[0], Path(save_masks or "", variant, role, relative))
            except GanzooError as error:
                failed.append(str(error))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                failed.append(f"{source}: too large for the memory; make it smaller with --size")
    total = len(pairs) * len(variants)
    counts = {"masks": len(variants) // len(styles), "styles": len(styles)}
    several = " and ".join(f"{count} {name}" for name, count in counts.items() if count > 1)
    each = f" with each of {several}" if several else ""
    console.say(f"{total - len(failed)} of {total} images translated {resolved}{each}, into {out}")
    if failed:
        raise GanzooError("\n".join([*failed, f"{len(failed)} of {total} images were not translated"]))


def write_mask(planes: Tensor, target: Path) -> None:
    """Write a mask (K, H, W) in [0, 1] as a grey PNG image; with K > 1 one image per plane: ``STEM-0.png``, …"""
    for i, plane in enumerate(planes):
        path = target if len(planes) == 1 else target.with_name(f"{target.stem}-{i}.png")
        write_image(to_uint8(plane[None] * 2 - 1), path)
