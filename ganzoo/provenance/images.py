"""Read every image of a data set once: checksums of its images, and a list of all that cannot be read.

What was read from files is remembered in the cache folder, by the files' sizes and times, so that the next command only
looks at the files that are new or changed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object
from pydantic import TypeAdapter

from ganzoo.contracts.dataset import check_names, read_sample
from ganzoo.contracts.origin import Origin
from ganzoo.data.image_io import open_file
from ganzoo.data.types import SPLITS, ImageFile, StoredFile
from ganzoo.errors import ComponentError, GanzooError, MissingResourceError
from ganzoo.interfaces import Dataset, Sample, Split
from ganzoo.plugins import version_of
from ganzoo.provenance.fingerprint import checksum, code_key, core_key
from ganzoo.recipe.schema import Part
from ganzoo.settings import Shape
from ganzoo.utils.cache import cache_folder
from ganzoo.utils.console import Console
from ganzoo.utils.jsonl import write_text
from ganzoo.utils.reading import guard_content
from ganzoo.utils.sealed import read_sealed_object

TICK = 100_000_000
"""Nanoseconds within which two changes of a file may get the same time."""


IMAGES = "images.json"
"""The file in a run's folder that lists the images of training and validation, with checksums of their files."""
EARLIER = "earlier"
"""In that file, the place of images that only earlier sessions trained on."""
ImageList = Mapping[str, Mapping[str, str]]
"""The content of a run's images.json: ``split/domain`` → name → checksum of the image's files, in the data's order; and
``earlier/domain`` → checksum → name, of images that only earlier sessions trained on."""


@dataclass(frozen=True)
class ImageDigest:
    """What is known of an image that was read.

    Args:
        name: its name in the data set.
        pixels: checksum of its pixels, mask, labels and target, as the data set reads them.
        files: checksum of the bytes of its files; of the pixels if it is not read from files of its own.
        size: its height and width.
    """

    name: str
    pixels: str
    files: str
    size: Shape


Images = Mapping[tuple[Split, str], Sequence[ImageDigest]]
"""(split, domain) → its images, in the data's order."""


@dataclass(frozen=True)
class _Place:
    split: Split
    domain: str
    index: int


def read_images(
    dataset: Dataset,
    splits: Sequence[Split] = SPLITS,
    data: Part | None = None,
    *,
    accelerator: Accelerator | None = None,
    console: Console | None = None,
) -> dict[tuple[Split, str], list[ImageDigest]]:
    """Read every image, mask and label map of some splits; return (split, domain) → images, in the data's order.

    Generated images (``dataset.version``) are not read; there are no digests of them.

    Args:
        dataset: the data set.
        splits: the splits to read.
        data: the part of the recipe that describes the data set, for errors; without it nothing is remembered.
        accelerator: if provided, its processes divide the work, and each of them must call this.
        console: shows a bar.

    Raises GanzooError with a line for each image that cannot be read, and ComponentError for a mistake of the data
    set's author.
    """
    if dataset.version:
        return {}
    origin = data.component.origin if data else Origin(type(dataset))
    places = [
        _Place(split, domain, index)
        for split in splits
        for domain in dataset.channels
        for index in range(dataset.count(split, domain))
    ]
    processes, rank = (accelerator.num_processes, accelerator.process_index) if accelerator else (1, 0)
    memory = _Memory(dataset, origin, data, places)
    own = places[rank::processes]
    results: list[ImageDigest | GanzooError] = []
    with (console or Console(quiet=True)).bar("reading images", len(own)) as show, ThreadPoolExecutor() as pool:
        for result in pool.map(memory.digest, own):
            results.append(result)
            show(len(results))
    shares = [(results, memory.new)]
    if processes > 1:
        shares = gather_object(shares)
    if rank == 0:
        memory.save([new for _, new in shares])
    merged = {
        place: result
        for i, (share, _) in enumerate(shares)
        for place, result in zip(places[i::processes], share, strict=True)
    }
    _raise_all([result for result in merged.values() if isinstance(result, GanzooError)], len(places))
    images: dict[tuple[Split, str], list[ImageDigest]] = {}
    for place in places:
        result = merged[place]
        assert isinstance(result, ImageDigest)
        images.setdefault((place.split, place.domain), []).append(result)
    for (split, domain), digests in images.items():
        check_names([one.name for one in digests], origin, split, domain)
    return images


def image_list(images: Images) -> dict[str, dict[str, str]]:
    """Return the images of training and validation as a run's images.json lists them."""
    return {
        f"{split}/{domain}": {one.name: one.files for one in digests}
        for (split, domain), digests in images.items()
        if split != "test"
    }


def read_image_list(file: Path, advice: str = "") -> ImageList:
    """Return the content of a run's images.json; ``advice`` says what to do if it is damaged. Raises DamagedError."""
    images = read_sealed_object(file, "a list of images", advice)
    with guard_content(file, "a list of images", advice):
        TypeAdapter(ImageList).validate_python(images)
    return images


def earlier_images(before: ImageList, now: ImageList) -> dict[str, dict[str, str]]:
    """Return the images that earlier sessions trained on and the present one does not, as ``earlier/domain``.

    Args:
        before: the content of images.json after the session before.
        now: the present images.
    """
    earlier: dict[str, dict[str, str]] = {}
    for place, listed in before.items():
        split, _, domain = place.partition("/")
        if split in (EARLIER, "train"):
            named = listed if split == EARLIER else {key: name for name, key in listed.items()}
            present = set(now.get(f"train/{domain}", {}).values())
            gone = {key: name for key, name in named.items() if key not in present}
            earlier[f"{EARLIER}/{domain}"] = earlier.get(f"{EARLIER}/{domain}", {}) | gone
    return {place: listed for place, listed in earlier.items() if listed}


def shared_with_training(images: Images, trained_on: ImageList) -> list[str]:
    """Return a line for each split and domain with images whose files are training images, too, or were earlier.

    Args:
        images: (split, domain) → images; those of ``train`` are ignored.
        trained_on: the images of a run, as its images.json lists them.
    """
    lines = []
    for (split, domain), digests in images.items():
        training = {*trained_on.get(f"train/{domain}", {}).values(), *trained_on.get(f"{EARLIER}/{domain}", {})}
        shared = [one.name for one in digests if split != "train" and one.files in training]
        if shared:
            lines.append(
                f"{len(shared)} of {len(digests)} {split} images of {domain} are training images, too ({shared[0]}"
                f"{', …' if len(shared) > 1 else ''}): metric values do not show how the run does on new images"
            )
    return lines


def _raise_all(errors: Sequence[GanzooError], images: int) -> None:
    """Raise one error with a line for each damaged file; nothing without errors. A mistake of an author comes first."""
    if not errors:
        return
    for error in errors:
        if isinstance(error, ComponentError):
            raise error
    lines = list(dict.fromkeys(str(error) for error in errors))  # a file with both images of a pair is read twice
    kind = MissingResourceError if all(isinstance(one, MissingResourceError) for one in errors) else GanzooError
    head = [f"data: {len(errors)} of {images} images cannot be read:"] if len(lines) > 1 else []
    raise kind("\n".join([*head, *lines]))


def data_key(dataset: Dataset, split: Split, data: Part | None = None) -> str:
    """Return the checksum of a split's images, masks and labels; it does not depend on their order and names.

    For procedurally generated images it is a checksum of ``dataset.version``; their code has a checksum as a plugin.

    Args:
        dataset: the data set.
        split: the split.
        data: the part of the recipe that describes the data set; without it every image is read again.
    """
    return key_of_split(dataset, split, read_images(dataset, [split], data))


def key_of_split(dataset: Dataset, split: Split, images: Images) -> str:
    """Return what ``data_key`` does, of images that ``read_images`` has read."""
    if dataset.version:
        return checksum(f"{dataset.version}, {split}")
    own = [one for (part, _), digests in images.items() if part == split for one in digests]
    return checksum(" ".join(sorted(one.pixels for one in own)))


class _Memory:
    """Digests of images that were read before, in a file of the cache folder.

    The file's name depends on all that decides how files are read: the options of the data set, the code, and Pillow.
    """

    def __init__(self, dataset: Dataset, origin: Origin, data: Part | None, places: Iterable[_Place]) -> None:
        self.dataset, self.origin = dataset, origin
        self.entries: dict[str, Any] = {}
        self.new: dict[str, list[Any]] = {}
        self.file: Path | None = None
        with origin.catch("files_of"):
            folders = _folders(dataset, places) if data else []
        if data is not None and folders:
            code = [core_key(), code_key(type(dataset).__module__), version_of("pillow")]
            name = checksum(json.dumps([data.resolved(), folders, code], sort_keys=True))
            self.file = cache_folder() / "images" / f"{name}.json"
            with suppress(OSError, ValueError):
                saved = json.loads(self.file.read_bytes())
                self.entries = saved if isinstance(saved, dict) else {}

    def digest(self, place: _Place) -> ImageDigest | GanzooError:
        """Return an image's digest, from the memory if its files are unchanged; or the error of reading it."""
        with self.origin.catch("files_of"):
            files = self.dataset.files_of(place.split, place.domain, place.index)
        key = "\n".join([place.domain, *(str(_container(file).absolute()) + _inner(file) for file in files)])
        stamps = _stamps(files)
        remembered = self.entries.get(key)
        if stamps and isinstance(remembered, list) and remembered[:1] == [stamps]:
            with suppress(TypeError, ValueError):
                name, pixels, of_files, (height, width) = remembered[1:]
                return ImageDigest(name, pixels, of_files, (height, width))
        try:
            sample = read_sample(self.dataset, self.origin, place.split, place.domain, place.index)
            pixels = _pixels_digest(place.domain, sample)
            height, width = sample.image.shape[:2]
            digest = ImageDigest(sample.name, pixels, _files_digest(files) if files else pixels, (height, width))
        except GanzooError as error:
            return error
        except OSError as error:  # a file that vanished after it was decoded
            return GanzooError(f"{error.filename or files[0]}: it cannot be read ({error.strerror})")
        if stamps:
            self.new[key] = [stamps, *astuple(digest)]
        return digest

    def save(self, added: Iterable[Mapping[str, Any]]) -> None:
        """Write the file with the new entries of all processes, if there are any."""
        entries = {key: entry for new in added for key, entry in new.items()}
        if self.file is None or not entries:
            return
        with suppress(OSError, GanzooError):  # without it the images are read again the next time
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.file, json.dumps({**self.entries, **entries}))


def _folders(dataset: Dataset, places: Iterable[_Place]) -> list[str]:
    """Return the absolute folders of the first image of each split and domain; none if images are not in files."""
    first = [place for place in places if place.index == 0]
    paths = [dataset.files_of(place.split, place.domain, 0) for place in first]
    return sorted({str(_container(file).absolute().parent) for files in paths for file in files})


def _container(file: ImageFile) -> Path:
    """Return the path of a file, or of the file that contains it."""
    return file.container if isinstance(file, StoredFile) else file


def _inner(file: ImageFile) -> str:
    return f"\t{file.name}" if isinstance(file, StoredFile) else ""


def _stamps(files: Sequence[ImageFile]) -> list[list[int]]:
    """Return each file's size, and the times of its last change and of its entry's, in nanoseconds.

    The list is empty if a file cannot be looked at, or changed so lately that another change could have the same times.
    """
    try:
        stats = [_container(file).stat() for file in files]
    except OSError:
        return []
    latest = time.time_ns() - TICK
    if any(max(one.st_mtime_ns, one.st_ctime_ns) > latest for one in stats):
        return []
    return [[one.st_size, one.st_mtime_ns, one.st_ctime_ns] for one in stats]


def _pixels_digest(domain: str, sample: Sample) -> str:
    digest = hashlib.sha256(domain.encode())
    for plane in (sample.image, sample.mask, sample.labels, sample.target):
        digest.update(b"-" if plane is None else str(plane.shape).encode() + plane.tobytes())
    return digest.hexdigest()


def _files_digest(files: Sequence[ImageFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with open_file(file) as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:32]
