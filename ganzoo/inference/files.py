"""``ganzoo translate``: files and folders in, files and folders out, names kept, nothing left out silently."""

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
from ganzoo.errors import GanzooError, is_out_of_memory
from ganzoo.inference.options import mask_options, style_options
from ganzoo.inference.translator import TRANSLATED, Translator
from ganzoo.masks.roles import ROLES, TRANSLATION_ROLES
from ganzoo.utils.console import Console


def plan(inputs: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Return (image, where its translation goes) for files and folders, names and structure kept.

    A folder's contents go under ``out`` as they lie in it, a file directly into it. Two images that differ only in
    their ending keep it inside the name (``a.jpg.png``). Raises GanzooError when two would still share a name.
    """
    pairs: list[tuple[Path, Path]] = []
    for one in inputs:
        if one.is_dir():
            pairs += [(file, file.relative_to(one)) for file in find_images(one)]
        else:
            pairs.append((one, Path(one.name)))
    stems = [relative.with_suffix("") for _, relative in pairs]
    uses = Counter(stems)
    planned: dict[Path, Path] = {}
    for (source, relative), stem in zip(pairs, stems, strict=True):
        target = out / (f"{relative}.png" if uses[stem] > 1 else f"{stem}.png")
        if target in planned:
            raise GanzooError(f"{source} and {planned[target]} would both become {target}: translate them apart")
        if target.resolve() == source.resolve():
            raise GanzooError(f"{source} would be written over by its translation: choose another folder with -o")
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
    """Translate files and folders. Raises GanzooError with a list at the end when some failed; the rest is done.

    Args:
        run: the run's folder.
        inputs: images and folders of them.
        out: the folder for the translations; with several masks, or styles, one below it for each.
        direction: by default the method's first.
        checkpoint: as ``Translator``'s.
        size: pixels of the shorter side, to which images and masks are scaled before.
        device: as ``Translator``'s.
        masks: images of masks, or folders of them.
        maskers: maskers to use in place of the run's own, as a recipe would name them.
        save_masks: a folder for the masks that were used, one below it for each role.
        style: styles, as ``style_options`` reads them.
        samples: draws of each random style.
        interpolate: styles between two given ones.
        seed: of what is drawn; by default the run's.
    """
    pairs = plan(inputs, out)
    if not pairs:
        raise GanzooError(f"there are no images in {', '.join(map(str, inputs))}")
    roles = tuple(ROLES) if save_masks else TRANSLATION_ROLES
    translator = Translator(run, checkpoint=checkpoint, device=device, roles=roles)
    way = translator.way(direction)
    own = translator.method.masks
    if save_masks and not own.maskers:
        raise GanzooError("--save-masks: this run uses no masks")
    unknown = [role for role in own.maskers if "given" in own.needs(role)] if not (masks or maskers) else []
    if unknown:
        said = "come with its data set, and these images have none: give them with --mask"
        raise GanzooError(f"{run}: the masks of the run in the role {', '.join(unknown)} {said}")
    seed = translator.recipe.train.seed if seed is None else seed
    looks = style_options(translator, way, style, samples=samples, between=interpolate, seed=seed)
    ways = list(product(mask_options(translator.method, translator.recipe.train.seed, masks, maskers), looks))
    entering, leaving = (translator.forms[domain] for domain in way)
    console = Console()
    failed: list[str] = []
    for choice, look in ways:
        translator.set_maskers(choice.masks or own)
        for number, (source, target) in enumerate(pairs):
            relative = target.relative_to(out)
            try:
                pixels = entering.read(source)
                mask = choice.mask_of(relative.with_suffix(""), pixels.shape)
                if size:
                    factor = size / min(pixels.shape[:2])
                    shape = (round(pixels.shape[0] * factor), round(pixels.shape[1] * factor))
                    pixels = entering.resized(pixels, shape)
                    mask = mask if mask is None else resize(mask, shape, Image.Resampling.BILINEAR)
                given = None if mask is None else torch.from_numpy(mask.copy())[None] / 255
                step = translator.step_of(
                    entering.batch(pixels), way, given, sample=number, style=look.numbers, seed=seed, draw=look.draw
                )
                write_image(leaving.image(step[TRANSLATED][0]), out / choice.label / look.label / relative)
                for role, planes in translator.masks_of(step, way).items() if save_masks else ():
                    write_mask(planes[0], Path(save_masks or "", choice.label, look.label, role, relative))
            except GanzooError as error:
                failed.append(str(error) if str(source) in str(error) else f"{source}: {error}")
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                failed.append(f"{source}: too large for the memory; scale it down with --size")
    count = len(pairs) * len(ways)
    counts = {"masks": len(ways) // len(looks), "styles": len(looks)}
    several = " and ".join(f"{many} {what}" for what, many in counts.items() if many > 1)
    each = f" with each of {several}" if several else ""
    console.say(f"{count - len(failed)} of {count} images translated {way}{each}, into {out}")
    if failed:
        raise GanzooError("\n".join([*failed, f"{len(failed)} of {count} images were not translated"]))


def write_mask(planes: Tensor, target: Path) -> None:
    """Write a mask (K, H, W) in [0, 1] as a grey image, each of several planes as one of its own."""
    for i, plane in enumerate(planes):
        path = target if len(planes) == 1 else target.with_name(f"{target.stem}-{i}.png")
        write_image(to_uint8(plane[None] * 2 - 1), path)
