"""Masks that a user gives to translate with: pictures of masks, or maskers of any kind."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ganzoo.build import make_masker
from ganzoo.data.image_io import SUFFIXES
from ganzoo.data.label_maps import FAINTEST, read_mask
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Method
from ganzoo.masks.postprocess import MaskerUse
from ganzoo.masks.roles import Roles
from ganzoo.recipe.reader import read_masker
from ganzoo.recipe.schema import Part


@dataclass(frozen=True)
class Choice:
    """One way to mask all pictures.

    Args:
        label: names the folder of its translations, where there are several.
        path: a picture of the mask, or a folder that holds one for each picture, by its relative path.
        masks: the run's maskers, another one in the place of the run's own.
    """

    label: str = ""
    path: Path | None = None
    masks: Roles | None = None

    def mask_of(self, relative: Path, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return the mask of a picture, (H, W) uint8. Raises GanzooError when it is missing or of another size."""
        if self.path is None:
            return None
        file = self.path
        if self.path.is_dir():
            stem = self.path / relative
            there = stem.parent.iterdir() if stem.parent.is_dir() else ()
            found = sorted(one for one in there if one.stem == stem.name and one.suffix.lower() in SUFFIXES)
            if not found:
                raise GanzooError(f"{stem}.png: --mask: there is no mask for this picture")
            file = found[0]
        mask = read_mask(file)
        if int(mask.max()) < FAINTEST:
            raise GanzooError(f"{file}: --mask: it is empty, nowhere above {mask.max()} of 255; foreground is 255")
        if mask.shape != shape[:2]:
            sizes = [f"{width}×{height}" for height, width in (mask.shape, shape[:2])]
            raise GanzooError(f"{file}: --mask: it has {sizes[0]} pixels, its picture {sizes[1]}; make them the same")
        return mask


def role_of(masks: Container[str]) -> str:
    """Return the role in which a mask changes what a run translates. Raises GanzooError when there is none."""
    for role in ("input", "composite"):
        if role in masks:
            return role
    raise GanzooError("this run translates without a mask: it has no masker in the roles input and composite")


def choices(method: Method, seed: int, paths: Sequence[Path], maskers: Sequence[str]) -> list[Choice]:
    """Return what ``--mask`` and ``--masker`` ask for; one choice that changes nothing when they ask for nothing."""
    role = role_of(method.masks) if paths or maskers else ""
    found = []
    for path in paths:
        if not path.exists():
            raise GanzooError(f"{path}: --mask: there is no such picture or folder")
        found.append(Choice(path.stem, path=path))
    for text in maskers:
        part = read_masker(text, role, "--masker")
        masks = wearing(method.masks, part, role, seed, "--masker")
        found.append(Choice(part.component.name, masks=masks))
    several = len(found) > 1
    labelled = [replace(one, label=f"{i}-{one.label}" if several else "") for i, one in enumerate(found, 1)]
    return labelled or [Choice()]


def wearing(own: Roles, part: Part, role: str, seed: int, origin: str) -> Roles:
    """Return a run's maskers with another one in a role: the others stay, with the weights that the run has trained.

    Raises GanzooError, saying where the masker is named, for one that would have to learn first.
    """
    masker = make_masker(part, role, seed)
    if masker.trains:
        raise GanzooError(f"{origin}: {part.component.name!r} would have to be trained first; take another masker")
    return Roles({**own.maskers, role: masker}, {**own.uses, role: MaskerUse(**part.use)})
