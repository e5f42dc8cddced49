"""Check the sizes of all images against ``images.fit`` before training: crops that do not fit, sizes that differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from ganzoo.data.sampler import Row
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Split
from ganzoo.provenance.images import ImageDigest
from ganzoo.settings import ImageSettings, Shape

Images = Mapping[tuple[Split, str], Sequence[ImageDigest]]
"""(split, domain) → its images, as ``read_images`` returns them."""
SHOWN = 3
"""Number of images that an error names."""
SCALE = "images.fit=stretch or images.fit=cover scale them"
"""What helps against all of these errors."""


def check_sizes(images: Images, settings: ImageSettings, batch: int, *, paired: bool) -> None:
    """Raise GanzooError if images that are not scaled do not fit the crop, their batch or their partner.

    The error has one line for each split and domain. Images that are scaled fit, and generated ones have no digests.

    Args:
        images: the images of all splits.
        settings: the section ``images`` of the recipe.
        batch: the number of images in a micro-batch.
        paired: whether image i of A and image i of B are read together.
    """
    if settings.load_shape is not None:
        return
    lines = []
    for (split, domain), digests in images.items():
        where = f"data: {split} images of {domain}"
        if settings.fit == "crop":
            small = [one for one in digests if one.size[0] < settings.shape[0] or one.size[1] < settings.shape[1]]
            if small:
                lines.append(
                    f"{where}: {len(small)} of {len(digests)} are smaller than the crop, {_text(settings.shape)} "
                    f"({_named(small)}); remove them, or set a smaller images.size; {SCALE}"
                )
        elif split == "train" and batch > 1 and len(first_of_size := {one.size: one for one in digests}) > 1:
            lines.append(
                f"{where}: they have {len(first_of_size)} sizes ({_named(list(first_of_size.values()))}), which cannot "
                f"share a batch: set train.batch=1; {SCALE}"
            )
    pairs = zip(images.get(("train", "A"), ()), images.get(("train", "B"), ()), strict=False) if paired else ()
    unequal = [(one, other) for one, other in pairs if one.size != other.size]
    if unequal:
        lines.append(
            f"data: {len(unequal)} training images of A have another size than their partner in B "
            f"({_named(unequal[0])}); make them equal; {SCALE}"
        )
    if lines:
        raise GanzooError("\n".join(lines))


def extreme_rows(images: Images, *, paired: bool) -> list[list[Row]]:
    """Return batches of one row, with the training image of the shortest side and that of the most pixels by domain.

    Without digests (of generated images) there are none. With ``paired`` a row has the image of A and its partner.
    """
    training = {domain: list(digests) for (split, domain), digests in images.items() if split == "train"}
    if not training:
        return []
    shortest = {one: min(range(len(of)), key=lambda i: min(of[i].size)) for one, of in training.items()}
    largest = {one: max(range(len(of)), key=lambda i: prod(of[i].size)) for one, of in training.items()}
    rows = [dict.fromkeys(chosen, chosen["A"]) if paired else chosen for chosen in (shortest, largest)]
    return [[Row(0, 0, indices)] for indices in rows]


def _named(images: Sequence[ImageDigest]) -> str:
    named = [f"{one.name} {_text(one.size)}" for one in images[:SHOWN]]
    return ", ".join([*named, "…"] if len(images) > SHOWN else named)


def _text(size: Shape) -> str:
    return f"{size[1]}×{size[0]}"
