"""Draw the masks of some training images as one preview image, for ``ganzoo masks``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.build import Experiment
from ganzoo.check.image_place import check_image_place, files_of, folders_of
from ganzoo.data.image_io import write_image
from ganzoo.data.loader import Reader, make_step, spread_rows
from ganzoo.data.sampler import image_counts
from ganzoo.errors import GanzooError
from ganzoo.evaluation.sample_grid import GAP, as_image
from ganzoo.masks.roles import Roles, is_label_map
from ganzoo.recipe.reader import read_recipe
from ganzoo.step import Step
from ganzoo.utils.console import Console

SHOWN = 8
"""Largest number of training images of each domain in the preview."""


def preview_masks(file: Path, overrides: Iterable[str], out: Path) -> None:
    """Write a preview of a recipe's masks as PNG, for up to eight training images of each domain; print what it shows.

    Each training image has a row: the image, then for each role its mask and the image multiplied by the mask; label
    maps are shown alone.

    Args:
        file: the recipe.
        overrides: changes of the recipe, each ``key.path=value``.
        out: the PNG file to write.

    Raises:
        GanzooError: the recipe has mistakes (all are listed) or no maskers, an image or a mask cannot be read, or
            ``out`` cannot be written, or is a place from which the data set reads.
    """
    recipe = read_recipe(file, overrides)
    if not recipe.maskers:
        raise GanzooError(
            f"{file}: the recipe has no maskers to show; add one, such as maskers: {{discriminator: {{masker: NAME}}}}"
        )
    experiment = Experiment(recipe)
    files = list(files_of(experiment.dataset, recipe.data.component.origin))
    check_image_place(out, files, folders_of(recipe.data, files))
    counts = image_counts(experiment.dataset, "train")
    rows = spread_rows(counts, SHOWN)
    reader, seed = Reader(experiment.dataset, recipe.images, origin=recipe.data.component.origin), recipe.train.seed
    groups = [[row] for row in rows] if recipe.images.fit == "none" else [rows]  # whole images may differ in size
    steps = [make_step(reader.training_batch(group, 0, seed), torch.device("cpu"), seed=seed) for group in groups]
    write_image(_below_each_other([draw_masks(step, experiment.maskers) for step in steps]), out)
    maskers = ", ".join(f"{role}: {part.component.name}" for role, part in recipe.maskers.items())
    Console().say(f"{out}: {', '.join(counts)} in rows; each row: the image, its mask, the masked image ({maskers})")


def draw_masks(step: Step, masks: Roles) -> Tensor:
    """Return the preview of a step's real images, (3, H, W) in [−1, 1].

    The planes of a mask with K classes are drawn side by side, each followed by the image multiplied by the plane. A
    label map is drawn once, in the colours of its classes.

    Args:
        step: the step with the images ``real_A`` and ``real_B``; their masks are added to it.
        masks: the maskers by role.
    """
    blocks = []
    for name in [name for name in ("real_A", "real_B") if name in step]:
        image = as_image(step[name], name[-1], step.classes)
        columns = [image]
        for role in masks.maskers:
            for plane in masks.mask(role, step, name).split(1, dim=1):
                columns.append(as_image(plane, ""))
                if not is_label_map(plane):
                    columns.append(image * plane.detach().float().cpu())
        spaced = [F.pad(column, (0, GAP, 0, GAP), value=1.0) for column in columns]
        blocks.append(torch.cat([torch.cat(list(column), dim=1) for column in spaced], dim=2))
    return _below_each_other(blocks)


def _below_each_other(images: Sequence[Tensor]) -> Tensor:
    """Return images (3, H, W) as one, below each other; narrow ones are padded with white."""
    widest = max(image.shape[2] for image in images)
    return torch.cat([F.pad(image, (0, widest - image.shape[2]), value=1.0) for image in images], dim=1)
