"""Refuse a place for a drawn image where it would replace a file of a data set, or become one that a run reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ganzoo.contracts.origin import Origin
from ganzoo.data.types import SPLITS, ImageFile, StoredFile
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Dataset
from ganzoo.recipe.options import accepts_path, options_of
from ganzoo.recipe.schema import Part
from ganzoo.utils.paths import expand_path, file_key, is_within


def check_image_place(out: Path, files: Iterable[ImageFile], folders: Iterable[Path]) -> None:
    """Raise GanzooError if a drawn image must not be written to a place.

    Args:
        out: the place.
        files: files that it must not replace; none is looked at if ``out`` does not exist.
        folders: folders, and files, in which it must not be.
    """
    for folder in folders:
        if is_within(out, folder):
            raise GanzooError(f"{out}: this is in the folder of the images, {folder}; choose another place")
    place = file_key(out)
    if out.exists() and any(file_key(_container(file)) == place for file in files):
        raise GanzooError(f"{out}: this is a file of the data set; choose another name")


def files_of(dataset: Dataset, origin: Origin) -> Iterator[ImageFile]:
    """Yield the files of a data set's images, masks and label maps. Raises ComponentError if its code fails."""
    for split in SPLITS:
        for domain in dataset.channels:
            for index in range(dataset.count(split, domain)):
                with origin.catch("files_of"):
                    files = dataset.files_of(split, domain, index)
                yield from files


def folders_of(data: Part, files: Iterable[ImageFile]) -> list[Path]:
    """Return the folders from which a data set may read, those that its options name.

    A folder that contains the working folder (``root: .``) is none, or nothing could be written there: the folders of
    the data set's files stand for it.

    Args:
        data: the data set with its options.
        files: the files of its images.
    """
    options = options_of(data.component.load())
    named = [path for name, value in data.options.items() if accepts_path(options[name].type) for path in _paths(value)]
    near = [path for path in named if not is_within(Path.cwd(), path)]
    return near if near == named else [*near, *dict.fromkeys(_container(file).parent for file in files)]


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _paths(one)
    elif isinstance(value, str | Path):
        yield expand_path(Path(value))


def _container(file: ImageFile) -> Path:
    return file.container if isinstance(file, StoredFile) else file
