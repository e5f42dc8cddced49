"""Find the images of a recipe's data set, as a run sees them; for ``ganzoo data check RECIPE``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo.check.data.facts import Facts, Reading, array_facts, header_facts, plane_facts
from ganzoo.check.data.findings import Finding
from ganzoo.check.data.groups import Group, Item, Source, to_look_at
from ganzoo.check.data.near_duplicates import SIDE
from ganzoo.check.image_place import folders_of
from ganzoo.contracts.dataset import check_dataset, read_sample
from ganzoo.contracts.origin import Origin
from ganzoo.data.image_files import is_image
from ganzoo.data.types import SPLITS, ImageFile
from ganzoo.errors import ComponentError, GanzooError, MissingResourceError
from ganzoo.interfaces import Dataset, Split
from ganzoo.recipe.quick_check import document_error, read_document
from ganzoo.recipe.reader import RecipeReader
from ganzoo.recipe.schema import Part
from ganzoo.utils.program import program_name


def find_images_of(file: Path, overrides: Iterable[str] = (), *, demo: bool = False, classes: int = 0) -> Source:
    """Return the images of a recipe's data set in all splits; the recipe's other parts are not built.

    Args:
        file: the recipe.
        overrides: changes of the recipe, each ``key.path=value``.
        demo: whether the recipe's section ``demo`` applies.
        classes: the number of classes in label maps beside images; 0: unknown. For images that are label maps the data
            set knows it.

    Raises GanzooError if the sections ``data`` or ``images`` have mistakes, or the data set cannot be built, as when an
    image has no mask.
    """
    document, _ = read_document(file, overrides, demo=demo)
    reader = RecipeReader(document, ())
    data, images = reader.read_required("data", "dataset"), reader.read_settings("images")
    if data is None or images is None or reader.problems:
        raise document_error(document, reader.problems)
    try:
        dataset: Dataset = data.make(place="data")
        check_dataset(dataset, origin := data.component.origin)
    except (ComponentError, MissingResourceError):
        raise
    except GanzooError as error:
        named = _training_folders(data)
        advice = f"; all that is wrong with its files: {program_name()} data check {' '.join(named)}"
        raise GanzooError(f"{error}{advice if named else ''}") from error
    groups = [
        _group(dataset, origin, split, domain, classes)
        for split in SPLITS
        for domain in dataset.channels
        if dataset.count(split, domain)
    ]
    if not groups:
        raise GanzooError(f"{file}: data: the data set {data.component.name!r} has no images")
    notes = [Finding("note", "data", detail=line) for line in dataset.notes()]
    side = min(images.load_shape) if images.load_shape else 0
    crop = images.shape if images.fit == "crop" else None
    folders = folders_of(data, (one for group in groups for item in group.items for one in item.files))
    findings = [*_one_sided(dataset, groups), *_unused(dataset, groups), *notes]
    pairs = [
        ((first, index), (second, index))
        for first, one in enumerate(groups)
        for second, other in enumerate(groups)
        if dataset.paired and (one.split, one.domain, other.domain) == (other.split, "A", "B")
        for index in range(len(one.items))
    ]
    return Source(str(file), groups, findings, pairs, side=side, crop=crop, folders=folders)


def _training_folders(data: Part) -> list[str]:
    """Return the folders with which ``ganzoo data check`` checks a data set: ``root``, or those of A and B."""
    for names in (("root",), ("A", "B")):
        named = [data.options.get(name) for name in names]
        if folders := [str(one) for one in named if isinstance(one, Path) and one.is_dir()]:
            return folders
    return []


def _group(dataset: Dataset, origin: Origin, split: Split, domain: str, classes: int) -> Group:
    title = f"{split} {domain}"
    items = []
    for index in range(dataset.count(split, domain)):
        files = _files_of(dataset, split, domain, index)
        name = str(files[0]) if files else f"{title}, image {index}"
        read = partial(_read, dataset, origin, split, domain, index)
        show = partial(_show, dataset, origin, split, domain, index)
        items.append(Item(name, read, show, files))
    return Group(title, split, domain, items, classes=dataset.classes.get(domain, classes))


def _files_of(dataset: Dataset, split: Split, domain: str, index: int) -> Sequence[ImageFile]:
    """Return the files of an image, its own first: partners may be given in the same order for both domains."""
    files = dataset.files_of(split, domain, index)
    shared = dataset.paired and domain == "B" and len(files) > 1 and files == dataset.files_of(split, "A", index)
    return files[::-1] if shared else files


def _read(dataset: Dataset, origin: Origin, split: Split, domain: str, index: int) -> Reading:
    """Read a sample; its values are on the scale 0 … 255, its size and mode are those of its file, if it has one."""
    files = _files_of(dataset, split, domain, index)
    try:
        sample = read_sample(dataset, origin, split, domain, index, SIDE)
        name = "" if files else f"{split} {domain}, {sample.name}"
        mask, labels = (None if plane is None else plane_facts(plane) for plane in (sample.mask, sample.labels))
        if domain in dataset.classes:
            return Reading(None, mask, plane_facts(sample.image[:, :, 0]), name=name)
        return Reading(_facts(sample.image, files, sample.name), mask, labels, name=name)
    except ComponentError:
        raise
    except GanzooError as error:
        named = [str(file) for file in files if str(error).startswith(f"{file}: ")]
        return Reading(errors=(((named or [f"{split} {domain}, image {index}"])[0], str(error)),))


def _facts(pixels: np.ndarray, files: Sequence[ImageFile], name: str) -> Facts:
    facts = array_facts(pixels, files[0] if files else name)
    size, mode, losses = facts.size, facts.mode, facts.losses
    header = header_facts(files[0]) if files else None
    if header:
        (width, height), mode, losses = header
        reduced = round(width / size[0])
        if reduced > 1 and reduced == round(height / size[1]):  # half of a file that shows a pair is not reduced
            size = (width, height)
    return Facts(size, mode, "8-bit", float(facts.low), float(facts.high), facts.copy, losses)


def _one_sided(dataset: Dataset, groups: Sequence[Group]) -> list[Finding]:
    """Return the findings about splits that have images of one domain only, though the data set has two domains."""
    return [
        Finding("unbalanced", f"{group.split} {other}", detail=f"0 images, and {len(group.items):,} in {group.title}")
        for group in groups
        for other in dataset.channels
        if not dataset.count(group.split, other)
    ]


def _unused(dataset: Dataset, groups: Sequence[Group]) -> list[Finding]:
    """Return the findings about masks, label maps and partners on the disk whose image is not there.

    Files whose image is there are none, such as those of images that the data set leaves out.
    """
    used: set[Path] = set()
    image_folders: set[Path] = set()
    folders: dict[Path, str] = {}
    for group in groups:
        for index in range(len(group.items)):
            paths = [file for file in dataset.files_of(group.split, group.domain, index) if isinstance(file, Path)]
            used.update(paths)
            image_folders.update(path.parent for path in paths[:1])
            for path in paths[1:]:
                folders.setdefault(path.parent, group.title)
    there = {file.stem for folder in image_folders for file in _images_in(folder)} if folders else set()
    return [
        Finding("no-image", title, (str(file),), "no image has this name")
        for folder, title in sorted(folders.items())
        for file in _images_in(folder)
        if file not in used and file.stem not in there
    ]


def _images_in(folder: Path) -> list[Path]:
    """Return the image files in a folder, without those below it."""
    return sorted(one for one in folder.iterdir() if is_image(one.name) and one.name[0] != "." and one.is_file())


def _show(dataset: Dataset, origin: Origin, split: Split, domain: str, index: int, side: int) -> list[Image.Image]:
    sample = read_sample(dataset, origin, split, domain, index, side)
    if domain in dataset.classes:
        return to_look_at(np.asarray(to_look_at(sample.image, None, sample.image[:, :, 0])[1]), sample.mask, None)
    return to_look_at(sample.image, sample.mask, sample.labels)
