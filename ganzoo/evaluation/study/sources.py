"""The images of a study: translations of runs or folders, with their sources and the real images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo.build import build_dataset
from ganzoo.data.image_files import image_names
from ganzoo.data.image_io import read_image
from ganzoo.data.types import Dataset, Split
from ganzoo.errors import GanzooError
from ganzoo.inference.translator import Translator

Load = Callable[[], Image.Image]
"""Reads, or makes, an image."""


@dataclass(frozen=True)
class Source:
    """The images of one run or folder.

    Args:
        label: its name in the results.
        translations: name of a source image → its translation.
        sources: name of a source image → the image; empty for a folder.
        real: name → real image of the target domain; empty for a folder.
    """

    label: str
    translations: dict[str, Load]
    sources: dict[str, Load]
    real: dict[str, Load]


def read_source(place: Path, label: str, *, direction: str | None, checkpoint: str, device: str) -> Source:
    """Return the images of a run, of its test split (or its validation split), or of a folder of translations.

    Args:
        place: the folder.
        label: its name in the results.
        direction, checkpoint, device: of runs; see ``Translator``.

    Raises GanzooError for a folder without images, and as ``Translator`` does.
    """
    if not is_run(place):
        return Source(label, read_folder(place), {}, {})
    translator = Translator(place, checkpoint=checkpoint, device=device)
    source, target = translator.resolve_direction(direction)
    dataset = build_dataset(translator.recipe.data)
    names = dict(_samples(dataset, source))

    def translated(load: Load) -> Image.Image:
        try:
            return translator.translate(load(), f"{source}{target}")
        except GanzooError as error:
            raise GanzooError(f"{place}: {error} (or translate the images first, and give their folder)") from None

    return Source(
        label, {name: partial(translated, load) for name, load in names.items()}, names, dict(_samples(dataset, target))
    )


def is_run(place: Path) -> bool:
    """Return whether a folder is that of a run, or of a published one."""
    return any((place / name).is_file() for name in ("resolved.yaml", "config.json"))


def read_folder(folder: Path) -> dict[str, Load]:
    """Return the images of a folder by name. Raises GanzooError if it has none."""
    names = image_names(folder)
    if not names:
        raise GanzooError(f"{folder}: no images in it or in its subfolders, and it is no run")
    return {_stem(name): partial(_file, folder / name) for name in names}


def labels_of(places: Sequence[Path]) -> list[str]:
    """Return names of runs and folders: their last part, or as many parts as tell them apart."""
    count = 1
    while True:
        labels = ["/".join(place.absolute().parts[-count:]) for place in places]
        if len(set(labels)) == len(labels):
            return labels
        if count > max(len(place.absolute().parts) for place in places):
            raise GanzooError(f"{places[0]}: it is given twice")
        count += 1


def _samples(dataset: Dataset, domain: str) -> list[tuple[str, Load]]:
    splits: tuple[Split, ...] = ("test", "validation")
    for split in splits:
        if count := dataset.count(split, domain):
            return [
                (_stem(dataset.sample(split, domain, i).name), partial(_sample, dataset, split, domain, i))
                for i in range(count)
            ]
    raise GanzooError(
        f"the run's data has no test or validation images of domain {domain}: translate some, and give folders"
    )


def _sample(dataset: Dataset, split: Split, domain: str, index: int) -> Image.Image:
    return _picture(dataset.sample(split, domain, index).image)


def _file(file: Path) -> Image.Image:
    return _picture(read_image(file, 3))


def _picture(pixels: np.ndarray) -> Image.Image:
    if pixels.shape[2] not in (1, 3):
        raise GanzooError(f"images of {pixels.shape[2]} channels cannot be shown: give folders of images to look at")
    levels = pixels.round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)


def _stem(name: str) -> str:
    """Return an image's name without its ending, by which sources and translations match."""
    return str(Path(name).with_suffix(""))
