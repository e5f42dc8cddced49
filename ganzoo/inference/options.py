"""Read the masks and styles that a user provides for a translation (``--mask``, ``--masker``, ``--style``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.image_files import IMAGE_SUFFIXES
from ganzoo.data.label_maps import FAINTEST_MASK, read_mask
from ganzoo.errors import GanzooError
from ganzoo.inference.pages import read_page
from ganzoo.inference.translator import Translator
from ganzoo.interfaces import Direction, Method
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import Roles, mask_role
from ganzoo.randomness import Draws, keyed
from ganzoo.recipe.maskers import build_masker
from ganzoo.recipe.named_parts import read_masker
from ganzoo.recipe.schema import Part

RANDOM = "random"
"""The word for a random style."""


@dataclass(frozen=True)
class MaskOption:
    """One source of masks; all images are translated once with each source.

    Without ``path`` and ``masks`` the source is the run's own maskers.

    Args:
        label: the name of the subfolder for the translations with these masks; empty if this is the only option.
        path: a mask image for all images, or a folder with a mask for each image, which has the image's relative path.
        masks: the maskers to use instead of the run's own.
    """

    label: str = ""
    path: Path | None = None
    masks: Roles | None = None
    _listed: dict[Path, dict[str, Path]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Folder → name without suffix → the mask in it; each folder is listed once, when it is first needed."""

    def load_mask(self, relative: Path, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return the user's mask for an image, (H, W) uint8; None if ``path`` is None: then maskers compute it.

        Args:
            relative: the image's path relative to its input folder, without file extension.
            shape: the image's shape; it starts with (H, W).

        Raises:
            GanzooError: the mask is missing, cannot be read, is empty, or has another size than the image.
        """
        if self.path is None:
            return None
        file = self.path
        if self.path.is_dir():
            file = self._find_mask(self.path / relative)
        mask = read_mask(file)
        if int(mask.max()) < FAINTEST_MASK:
            raise GanzooError(
                f"{file}: --mask: it is empty: its largest value is {mask.max()} of 255; foreground is 255"
            )
        if mask.shape != shape[:2]:
            sizes = [f"{width}×{height}" for height, width in (mask.shape, shape[:2])]
            raise GanzooError(
                f"{file}: --mask: it has {sizes[0]} pixels, its image {sizes[1]}; make them the same size"
            )
        return mask

    def _find_mask(self, stem: Path) -> Path:
        """Return the mask with a path, given without a suffix; of several the first one by name."""
        folder = stem.parent
        if folder not in self._listed:
            files = [path for path in folder.iterdir() if _is_image(path)] if folder.is_dir() else []
            self._listed[folder] = {path.stem: path for path in sorted(files, reverse=True)}
        if stem.name not in self._listed[folder]:
            raise GanzooError(f"{stem}.png: --mask: there is no mask for this image")
        return self._listed[folder][stem.name]


def mask_options(method: Method, seed: int, paths: Sequence[Path], maskers: Sequence[str]) -> list[MaskOption]:
    """Return a mask option for each ``--mask`` and ``--masker``; without any, one option for the run's own masks.

    Args:
        method: the run's method, with its maskers.
        seed: the seed of the new maskers' random weights.
        paths: the values of ``--mask``: mask images and folders of them.
        maskers: the values of ``--masker``, written as in a recipe: ``round``, ``{masker: round, scale: 0.5}``.

    Raises:
        GanzooError: a path does not exist, a masker is wrong or needs training, or the run translates without masks.
    """
    role = mask_role(method.masks) if paths or maskers else ""
    options = []
    for path in paths:
        if not path.exists():
            raise GanzooError(f"{path}: --mask: there is no such image or folder")
        options.append(MaskOption(path.stem, path=path))
    for text in maskers:
        part = read_masker(text, role, "--masker")
        masks = with_masker(method.masks, part, role, seed, "--masker")
        options.append(MaskOption(part.component.name, masks=masks))
    several = len(options) > 1
    labelled = [replace(option, label=f"{i}-{option.label}" if several else "") for i, option in enumerate(options, 1)]
    return labelled or [MaskOption()]


def mask_files(masks: Iterable[Path], names: Collection[Path]) -> list[Path]:
    """Return the files of masks that are read for images.

    Args:
        masks: mask images and folders of them.
        names: the path of each image's mask in a folder, without a suffix.
    """
    files = [path for path in masks if not path.is_dir()]
    for path in masks:
        for folder in {path / name.parent for name in names} if path.is_dir() else ():
            found = folder.iterdir() if folder.is_dir() else ()
            files += [file for file in found if _is_image(file) and file.relative_to(path).with_suffix("") in names]
    return files


def with_masker(own: Roles, part: Part, role: str, seed: int, origin: str) -> Roles:
    """Return a copy of a run's maskers in which one role has a new masker; the other maskers are the same objects.

    Args:
        own: the run's maskers.
        part: the new masker, as read from a recipe or an option.
        role: the role of the new masker.
        seed: the seed of the new masker's random weights.
        origin: the option that names the new masker, for error messages, such as ``--masker``.

    Raises:
        GanzooError: the masker needs training, or cannot be built.
    """
    masker = build_masker(part, role, seed)
    if masker.trains:
        raise GanzooError(f"{origin}: {part.component.name!r} must be trained first; choose another masker")
    return own.replaced(role, masker, MaskTransform(**part.kind_options))


@dataclass(frozen=True)
class StyleOption:
    """One style; all images are translated once with each.

    Args:
        label: the name of the subfolder for the translations with this style; empty if this is the only option.
        vector: the style, (1, size); None: a random style for each image, or none if the method has no styles.
        draw: the index of the random draw; each index gives other random styles.
    """

    label: str = ""
    vector: Tensor | None = None
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
    """Return the styles that ``--style``, ``--samples`` and ``--interpolate`` select; by default one random style.

    For a method without styles the result is one option without a style.

    Args:
        translator: the translator of the run, whose method computes the styles of images.
        direction: the direction; the styles are those of its target domain.
        texts: the styles; each is ``random``, the path of an image of the target domain, or numbers: ``0.3,-1,…``.
        samples: the number of draws of each ``random``.
        between: the number of styles on the straight line between two styles, both included; 0: no interpolation.
        seed: the seed of the draws.

    Raises:
        GanzooError: a text is not a style, an image cannot be read, the options contradict each other, or the method
            has no styles although options select one.
    """
    size = translator.method.style_size(direction[1])
    if not size:
        wanted = {"--interpolate": between, "--samples": samples > 1, "--style": texts}
        if option := next((name for name, value in wanted.items() if value), ""):
            raise GanzooError(f"{option}: {why_no_styles(translator.method, direction)}")
        return [StyleOption()]
    if between:
        if len(texts) != 2 or between < 2 or samples > 1:
            raise GanzooError(
                "--interpolate: it needs two styles (--style A --style B), 2 or more steps, and no --samples"
            )
        first, last = (_read_style(translator, direction, text, size, [seed, end]) for end, text in enumerate(texts))
        shares = [i / (between - 1) for i in range(between)]
        return [StyleOption(f"{i}", torch.lerp(first, last, share)) for i, share in enumerate(shares, 1)]
    texts = texts or [RANDOM]
    if samples > 1 and RANDOM not in texts:
        raise GanzooError("--samples: only random styles can be drawn several times: --style random")
    options: list[StyleOption] = []
    draws = count()
    for text in texts:
        if text == RANDOM:
            options += [StyleOption(RANDOM, draw=next(draws)) for _ in range(samples)]
        else:
            label = Path(text).stem if _is_image(text) else "numbers"
            options.append(StyleOption(label, _read_style(translator, direction, text, size, [seed])))
    several = len(options) > 1
    return [replace(option, label=f"{i}-{option.label}" if several else "") for i, option in enumerate(options, 1)]


def why_no_styles(method: Method, direction: Direction) -> str:
    """Return why translations in a direction have no styles, for error messages; it names the directions that have."""
    styled = [one for one in method.directions if method.style_size(one[1])]
    if not styled:
        return "the method has no styles: it gives one translation of each image"
    return f"the method's translations {direction} have no styles; those {' and '.join(styled)} have"


def style_images(texts: Iterable[str]) -> list[Path]:
    """Return the images among styles that a user provides; the others are ``random`` and numbers."""
    return [Path(text) for text in texts if _is_image(text)]


def _is_image(path: str | Path) -> bool:
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def _read_style(translator: Translator, direction: Direction, text: str, size: int, key: Sequence[int]) -> Tensor:
    """Return the style that a text describes, (1, size); ``key`` is the key of the draw if it is random."""
    if text == RANDOM:
        with torch.no_grad():
            return translator.method.draw_style(direction[1], Draws([keyed(*key, "style")])).cpu()
    if _is_image(text):
        domain_io = translator.domain_io[direction[1]]
        images, _ = translator.scaled(read_page(Path(text), domain_io).pixels, direction[1])
        images = images.to(translator.device)
        with torch.no_grad():
            return translator.method.style_of(images, direction[1]).cpu()
    try:
        vector = torch.tensor([[float(number) for number in text.split(",")]], dtype=torch.float32)
    except ValueError:
        raise GanzooError(f"--style: {text!r} is not 'random', an image, or numbers: 0.3,-1,…") from None
    if not vector.isfinite().all():
        raise GanzooError(f"--style: {text!r}: every number of a style must be finite")
    if vector.shape[1] != size:
        raise GanzooError(f"--style: {vector.shape[1]} numbers, but a style of domain {direction[1]} has {size}")
    return vector
