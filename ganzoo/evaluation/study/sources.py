"""The images of a study: translations of runs or folders, with their sources and the real images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from ganzoo.build import build_dataset
from ganzoo.data.image_files import image_names
from ganzoo.data.image_io import read_image
from ganzoo.data.label_maps import palette_image
from ganzoo.data.types import Dataset, Split
from ganzoo.errors import GanzooError
from ganzoo.inference.translator import TRANSLATED, Translator
from ganzoo.recipe.run_recipe import RESOLVED

Load = Callable[[], Image.Image]
"""Reads, or makes, an image."""
Value = TypeVar("Value")


@dataclass(frozen=True)
class Source:
    """The images of one run or folder.

    Args:
        label: its name in the results.
        translations: name of a source image → its translation.
        sources: name of a source image → the image; empty for a folder.
        real: name → real image of the target domain; empty for a folder, and if the run's data has none.
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
    resolved = translator.resolve_direction(direction)
    source, target = resolved
    dataset = build_dataset(translator.recipe.data)
    shown = replace(translator.domain_io[target], value_range=None)  # of 8 bits, whatever the files hold

    def translated(split: Split, index: int) -> Image.Image:
        batch, _ = translator.scaled(dataset.sample(split, source, index).image, source)
        try:
            step = translator.translate_step(batch, resolved, sample=index, tile="auto")
            return shown.image(step[TRANSLATED][0])
        except GanzooError as error:
            raise GanzooError(f"{place}: {error} (or translate the images first, and give their folder)") from None

    split = _split(dataset, source)
    if split is None:
        raise GanzooError(
            f"{place}: the run's data has no test or validation images of domain {source}: translate some, and give "
            "their folder"
        )
    samples = range(dataset.count(split, source))
    names = _unique(((dataset.sample(split, source, i).name, i) for i in samples), place)
    others = _split(dataset, target)
    return Source(
        label,
        {name: partial(translated, split, i) for name, i in names.items()},
        {name: partial(_sample, dataset, split, source, i) for name, i in names.items()},
        {str(i): partial(_sample, dataset, others, target, i) for i in range(dataset.count(others, target))}
        if others
        else {},
    )


def is_run(place: Path) -> bool:
    """Return whether a folder is that of a run, or of a published one."""
    return any((place / name).is_file() for name in ("resolved.yaml", "config.json"))


def read_folder(folder: Path) -> dict[str, Load]:
    """Return the images of a folder by name. Raises GanzooError if it has none, or two of one name."""
    names = image_names(folder)
    if not names:
        raise GanzooError(f"{folder}: no images in it or in its subfolders, and it is no run")
    return _unique(((name, partial(_file, folder / name)) for name in names), folder)


def labels_of(places: Sequence[Path]) -> list[str]:
    """Return names of runs and folders: as many last parts as tell them apart; of a run two or more, RECIPE/NAME."""
    parts = [place.absolute().parts for place in places]
    fewest = [2 if (place / RESOLVED).is_file() else 1 for place in places]
    for more in range(max(map(len, parts))):
        labels = ["/".join(of[-(least + more) :]) for of, least in zip(parts, fewest, strict=True)]
        if len(set(labels)) == len(labels):
            return labels
    raise GanzooError(f"{places[0]}: it is given twice")


def _split(dataset: Dataset, domain: str) -> Split | None:
    splits: tuple[Split, ...] = ("test", "validation")
    return next((split for split in splits if dataset.count(split, domain)), None)


def _unique(named: Iterable[tuple[str, Value]], place: Path) -> dict[str, Value]:
    """Return values by names without their endings, by which sources and translations match."""
    found: dict[str, Value] = {}
    for name, value in named:
        stem = str(Path(name).with_suffix(""))
        if stem in found:
            raise GanzooError(f"{place}: two images are called {stem}, but for their endings; rename or remove one")
        found[stem] = value
    return found


def _sample(dataset: Dataset, split: Split, domain: str, index: int) -> Image.Image:
    pixels = dataset.sample(split, domain, index).image
    return palette_image(pixels[:, :, 0]) if dataset.classes.get(domain) else _picture(pixels)


def _file(file: Path) -> Image.Image:
    return _picture(read_image(file, 3))


def _picture(pixels: np.ndarray) -> Image.Image:
    if pixels.shape[2] not in (1, 3):
        raise GanzooError(f"images of {pixels.shape[2]} channels cannot be shown: give folders of images to look at")
    levels = pixels.round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
