"""Build a recipe's maskers, and the masker that a user names on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganzoo.interfaces import Masker
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import Roles
from ganzoo.recipe.named_parts import read_masker
from ganzoo.recipe.schema import Part, Recipe
from ganzoo.utils.seeded import seeded


def build_maskers(recipe: Recipe) -> Roles:
    """Return the recipe's maskers by role, in eval mode, each built by ``build_masker`` with the recipe's seed."""
    maskers: dict[str, Masker] = {}
    for role, part in recipe.maskers.items():
        maskers[role] = build_masker(part, role, recipe.train.seed)
    origins = {role: part.component.origin for role, part in recipe.maskers.items()}
    transforms = {role: MaskTransform(**part.kind_options) for role, part in recipe.maskers.items()}
    return Roles(maskers, transforms, origins)


def build_masker(part: Part, role: str, seed: int) -> Masker:
    """Return a new masker in eval mode, with frozen parameters unless it is trained.

    Random weights depend only on the seed and the role. Raises GanzooError if the masker cannot be built.
    """
    with seeded(seed, f"masker/{role}"):
        masker: Masker = part.make(place=f"maskers.{role}")
    return masker.eval().requires_grad_(bool(masker.trains))


@dataclass(frozen=True)
class NamedMasker:
    """A masker that a user names on the command line, in the syntax of a recipe.

    Args:
        name: the component's name.
        options: all of the component's own options, with defaults filled in.
        masker: the masker, in eval mode.
        transform: the post-processing of its masks.
    """

    name: str
    options: Mapping[str, Any]
    masker: Masker
    transform: MaskTransform


def create_masker(text: str, role: str, origin: str, seed: int = 0) -> NamedMasker:
    """Build the masker that ``text`` describes as YAML: ``segmenter``, ``{masker: unet, weights: FOLDER}``.

    Args:
        text: the masker's name, or a mapping of its name and options, in YAML.
        role: the role that the masker is used in.
        origin: the place of the text in error messages, such as ``--masker``.
        seed: the seed of random weights.

    Raises GanzooError with one line for each mistake, also for a masker that does not fit the role.
    """
    part = read_masker(text, role, origin)
    return NamedMasker(
        part.component.name, part.options, build_masker(part, role, seed), MaskTransform(**part.kind_options)
    )
