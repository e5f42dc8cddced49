"""Masks and styles that a user provides to translate with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganzoo.build import build_masker
from ganzoo.data.image_io import IMAGE_SUFFIXES
from ganzoo.data.label_maps import FAINTEST_MASK, read_mask
from ganzoo.errors import GanzooError
from ganzoo.inference.translator import Translator
from ganzoo.interfaces import Direction, Method
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import Roles, mask_role
from ganzoo.randomness import Draws, keyed
from ganzoo.recipe.reader import read_masker
from ganzoo.recipe.schema import Part


@dataclass(frozen=True)
class MaskOption:
    """One way to mask all images.

    Args:
        label: names the folder of its translations, where there are several.
        path: an image of the mask, or a folder that holds one for each image, by its relative path.
        masks: the run's maskers, another one in the place of the run's own.
    """

    label: str = ""
    path: Path | None = None
    masks: Roles | None = None

    def mask_of(self, relative: Path, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return the mask of an image, (H, W) uint8. Raises GanzooError when it is missing or of another size."""
        if self.path is None:
            return None
        file = self.path
        if self.path.is_dir():
            stem = self.path / relative
            there = stem.parent.iterdir() if stem.parent.is_dir() else ()
            found = sorted(one for one in there if one.stem == stem.name and one.suffix.lower() in IMAGE_SUFFIXES)
            if not found:
                raise GanzooError(f"{stem}.png: --mask: there is no mask for this image")
            file = found[0]
        mask = read_mask(file)
        if int(mask.max()) < FAINTEST_MASK:
            raise GanzooError(f"{file}: --mask: it is empty, nowhere above {mask.max()} of 255; foreground is 255")
        if mask.shape != shape[:2]:
            sizes = [f"{width}×{height}" for height, width in (mask.shape, shape[:2])]
            raise GanzooError(f"{file}: --mask: it has {sizes[0]} pixels, its image {sizes[1]}; make them the same")
        return mask


def mask_options(method: Method, seed: int, paths: Sequence[Path], maskers: Sequence[str]) -> list[MaskOption]:
    """Return what ``--mask`` and ``--masker`` ask for; one choice that changes nothing when they ask for nothing."""
    role = mask_role(method.masks) if paths or maskers else ""
    found = []
    for path in paths:
        if not path.exists():
            raise GanzooError(f"{path}: --mask: there is no such image or folder")
        found.append(MaskOption(path.stem, path=path))
    for text in maskers:
        part = read_masker(text, role, "--masker")
        masks = with_masker(method.masks, part, role, seed, "--masker")
        found.append(MaskOption(part.component.name, masks=masks))
    several = len(found) > 1
    labelled = [replace(one, label=f"{i}-{one.label}" if several else "") for i, one in enumerate(found, 1)]
    return labelled or [MaskOption()]


def with_masker(own: Roles, part: Part, role: str, seed: int, origin: str) -> Roles:
    """Return a run's maskers with another one in a role: the others stay, with the weights that the run has trained.

    Raises GanzooError, saying where the masker is named, for one that would have to learn first.
    """
    masker = build_masker(part, role, seed)
    if masker.trains:
        raise GanzooError(f"{origin}: {part.component.name!r} would have to be trained first; take another masker")
    return own.replaced(role, masker, MaskTransform(**part.kind_options))


RANDOM = "random"


@dataclass(frozen=True)
class StyleOption:
    """One style for all images.

    Args:
        label: names the folder of its translations, where there are several.
        numbers: the style, (1, size); None: each image's own draw.
        draw: which of an image's draws.
    """

    label: str = ""
    numbers: Tensor | None = None
    draw: int = 0


def style_options(
    translator: Translator,
    direction: Direction,
    texts: Sequence[str] = (),
    *,
    samples: int = 1,
    between: int = 0,
    seed: int = 0,
) -> list[StyleOption]:
    """Return the styles that ``--style``, ``--samples`` and ``--interpolate`` ask for; one drawn style by default.

    Args:
        translator: whose method encodes images to styles.
        direction: the styles are those of its target.
        texts: ``random``, an image of the target domain, or numbers: ``0.3,-1,…``.
        samples: how many draws of each ``random``.
        between: how many styles on the straight line from the first of two to the second, both included; 0: none.
        seed: of what is drawn.

    Raises GanzooError for what is no style, for two lines' worth of ends, and where the method has no styles.
    """
    size = translator.method.style_size(direction[1])
    if not size:
        if texts or samples > 1 or between:
            name = translator.recipe.method.component.name
            raise GanzooError(
                f"--style: {name!r} makes one translation of each image; munit and drit make many, by style"
            )
        return [StyleOption()]
    if between:
        if len(texts) != 2 or between < 2 or samples > 1:
            raise GanzooError(
                "--interpolate: it takes two styles, 2 steps or more, and no --samples: --style A --style B"
            )
        first, last = (_numbers(translator, direction, text, size, [seed, end]) for end, text in enumerate(texts))
        shares = [i / (between - 1) for i in range(between)]
        return [StyleOption(f"{i}", torch.lerp(first, last, share)) for i, share in enumerate(shares, 1)]
    texts = texts or [RANDOM]
    if samples > 1 and RANDOM not in texts:
        raise GanzooError("--samples: only random styles are drawn more than once: --style random")
    found: list[StyleOption] = []
    draws = count()
    for text in texts:
        if text == RANDOM:
            found += [StyleOption(RANDOM, draw=next(draws)) for _ in range(samples)]
        else:
            label = Path(text).stem if _is_image(text) else "numbers"
            found.append(StyleOption(label, _numbers(translator, direction, text, size, [seed])))
    several = len(found) > 1
    return [replace(one, label=f"{i}-{one.label}" if several else "") for i, one in enumerate(found, 1)]


def _is_image(text: str) -> bool:
    return Path(text).suffix.lower() in IMAGE_SUFFIXES


def _numbers(translator: Translator, direction: Direction, text: str, size: int, key: Sequence[int]) -> Tensor:
    """Return the numbers of a style, (1, size)."""
    if text == RANDOM:
        with torch.no_grad():
            return translator.method.draw_style(direction[1], Draws([keyed(*key, "style")])).cpu()
    if _is_image(text):
        form = translator.forms[direction[1]]
        with torch.no_grad():
            return translator.method.style_of(
                form.batch(form.read(Path(text))).to(translator.device), direction[1]
            ).cpu()
    try:
        numbers = [float(one) for one in text.split(",")]
    except ValueError:
        raise GanzooError(f"--style: {text!r} is not 'random', an image, or numbers: 0.3,-1,…") from None
    if not all(map(isfinite, numbers)):
        raise GanzooError(f"--style: {text!r}: every number of a style is finite")
    if len(numbers) != size:
        raise GanzooError(f"--style: {len(numbers)} numbers, and a style of domain {direction[1]} has {size}")
    return torch.tensor([numbers])
