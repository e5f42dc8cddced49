"""What a data set must declare and return: counts, channels, classes, and samples."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from ganzoo.contracts.describe import describe, plain, wrong_attribute
from ganzoo.contracts.origin import Origin
from ganzoo.data.types import OTHER, SPLITS, Dataset, Sample, Split
from ganzoo.errors import ComponentError, suggest

PIXELS = "uint8, or float32 on the same scale 0 … 255"
"""The types of an image's values."""


def check_dataset(dataset: Dataset, origin: Origin) -> None:
    """Check what a data set declares, and its numbers of images. Raises ComponentError.

    Args:
        dataset: a new data set.
        origin: where it comes from.
    """
    check_domains(dataset, origin)
    check_alternatives(type(dataset), origin)
    if not isinstance(dataset.version, str):
        raise wrong_attribute(origin, "version", dataset.version, "a text; empty for images that are read from files")
    if not isinstance(dataset.paired, bool):
        raise wrong_attribute(origin, "paired", dataset.paired, "True or False")
    for split in SPLITS:
        counts = {}
        for domain in dataset.channels:
            with origin.catch("count"):
                count = dataset.count(split, domain)
            counts[domain] = check_count(count, origin, split, domain)
        if dataset.paired and len(set(counts.values())) > 1:
            text = ", ".join(f"{count} for {split} {domain}" for domain, count in counts.items())
            raise origin.refuse("count", text, "equal numbers of images in both domains, as paired is True")


def check_domains(dataset: Dataset, origin: Origin) -> None:
    """Check ``channels``, ``classes`` and ``ranges`` of a data set. Raises ComponentError."""
    channels, classes, ranges = dataset.channels, dataset.classes, dataset.ranges
    domains = "domain → number of channels, for A, or for A and B"
    if not isinstance(channels, Mapping) or "A" not in channels or not set(channels) <= set(OTHER):
        raise wrong_attribute(origin, "channels", channels, domains)
    if not all(_is_count(one, 1) for one in channels.values()):
        raise wrong_attribute(origin, "channels", channels, domains)
    if not isinstance(classes, Mapping) or not set(classes) <= set(channels):
        raise wrong_attribute(
            origin, "classes", classes, f"domain → number of classes, for domains of {plain(channels)}"
        )
    for domain, count in classes.items():
        if not _is_count(count, 2) or count != channels[domain]:
            expected = f"at least 2 for {domain}, and as many as it has channels, {channels[domain]}"
            raise wrong_attribute(origin, "classes", classes, expected)
    # one range may be for both domains, also of data that has only A
    known = isinstance(ranges, Mapping) and set(ranges) <= set(OTHER)
    if not known or not all(map(_is_range, ranges.values())):
        raise wrong_attribute(origin, "ranges", ranges, "domain → (smallest value, largest value) of its files")


def check_alternatives(dataset: type, origin: Origin) -> None:
    """Check that ``alternatives`` of a data set's class are groups of its options. Raises ComponentError."""
    groups = getattr(dataset, "alternatives", ())
    expected = 'groups of options, such as (("root",), ("A", "B"))'
    if not isinstance(groups, tuple | list):
        raise wrong_attribute(origin, "alternatives", groups, expected)
    options = [
        name
        for name, one in inspect.signature(dataset).parameters.items()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    for group in groups:
        if not isinstance(group, tuple | list):
            raise wrong_attribute(origin, "alternatives", groups, expected)
        for name in group:
            if name not in options:
                hint = suggest(name, options)
                raise wrong_attribute(origin, "alternatives", groups, f"options alone; {name!r} is none{hint}")


def check_count(count: Any, origin: Origin, split: Split, domain: str) -> int:
    """Return a number of images. Raises ComponentError unless it is a whole number, not negative."""
    if not _is_count(count, 0):
        raise origin.refuse("count", f"{describe(count)} for {split} {domain}", "an int, 0 or more")
    return int(count)


def read_sample(dataset: Dataset, origin: Origin, split: Split, domain: str, index: int, side: int = 0) -> Sample:
    """Return an image of a data set; with ``side`` the one to be scaled to it, see ``Dataset.sample_to_scale``.

    Raises ComponentError if the data set fails or returns something wrong, and GanzooError if the image cannot be read.
    """
    scales = bool(side) and type(dataset).sample_to_scale is not Dataset.sample_to_scale
    function = "sample_to_scale" if scales else "sample"
    with origin.catch(function):
        sample = dataset.sample_to_scale(split, domain, index, side) if side else dataset.sample(split, domain, index)
    return check_sample(sample, origin, dataset, domain, f"{split} {domain} {index}", function)


def try_dataset(dataset: Dataset, origin: Origin) -> None:
    """Read the first and last image of each split and domain, the first one twice, and the notes.

    So data that changes from call to call is found, an index that is counted but not there, and a name that repeats.
    Raises as ``read_sample`` does.
    """
    with origin.catch("notes"):
        notes = dataset.notes()
    check_notes(notes, origin)
    for domain in dataset.channels:
        for split in SPLITS:
            count = dataset.count(split, domain)
            if not count:
                continue
            kept = read_sample(dataset, origin, split, domain, 0)
            first = _copy(kept)
            last = read_sample(dataset, origin, split, domain, count - 1)
            check_repeats(first, kept, read_sample(dataset, origin, split, domain, 0), origin, f"{split} {domain} 0")
            check_names([first.name, last.name][:count], origin, split, domain)
            check_scale([first, last], origin, dataset, f"{split} {domain}", domain)


def check_sample(
    sample: Any, origin: Origin, dataset: Dataset, domain: str, place: str = "", function: str = "sample"
) -> Sample:
    """Return a sample. Raises ComponentError unless its arrays are as ``Sample`` and the data set describe them.

    Args:
        sample: what the data set returned.
        origin: where the data set comes from.
        dataset: the data set.
        domain: the domain of the sample.
        place: which sample it is, such as ``train A 3``.
        function: the function that returned it: ``sample`` or ``sample_to_scale``.
    """
    where = f" for {place}" if place else ""

    def refuse(returned: str, expected: str) -> ComponentError:
        return origin.refuse(function, f"{returned}{where}", expected)

    if not isinstance(sample, Sample):
        raise refuse(describe(sample), "a Sample, made by Sample(image, name)")
    if not isinstance(sample.name, str) or not sample.name:
        raise refuse(f"a name that is {describe(sample.name)}", "a text that no other image of the domain has")
    if problem := _image_problem(sample.image, "image", domain, dataset):
        raise refuse(*problem)
    size, other = sample.image.shape[:2], OTHER[domain]
    if sample.target is not None:
        if problem := _image_problem(sample.target, "target", other, dataset):
            raise refuse(*problem)
        if sample.target.shape[:2] != size:
            raise refuse(f"a target of size {sample.target.shape[:2]}", f"the image's height and width, {size}")
    for name in ("mask", "labels"):
        plane = getattr(sample, name)
        if plane is None:
            continue
        values = "0 … 255" if name == "mask" else "the class of each pixel, 0 … 255"
        if not isinstance(plane, np.ndarray) or plane.ndim != 2 or plane.dtype != np.uint8:
            raise refuse(f"{name}: {_described(plane)}", f"a uint8 array (H, W), {values}")
        if plane.shape != size:
            raise refuse(f"{name} of size {plane.shape}", f"the image's height and width, {size}")
    if not isinstance(sample.values, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Real) for key, value in sample.values.items()
    ):
        raise refuse(f"values: {describe(sample.values)}", "name → number, for metrics")
    return sample


def check_names(names: Sequence[str], origin: Origin, split: Split, domain: str) -> None:
    """Raise ComponentError if two images of a split and domain have the same name."""
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in seen:
            returned = f"the name {name!r} for {split} {domain} {seen[name]} and {index}"
            raise origin.refuse("sample", returned, "another name for each image of a split and domain")
        seen[name] = index


def check_scale(samples: Sequence[Sample], origin: Origin, dataset: Dataset, place: str, domain: str) -> None:
    """Raise ComponentError if float32 images seem to be on the scale 0 … 1: if none has a value above 1.

    A single dark image may be so. A domain in ``ranges`` may have small values.

    Args:
        samples: some samples.
        origin: where the data set comes from.
        dataset: the data set.
        place: which samples they are, such as ``train A``.
        domain: their domain.
    """
    images = [sample.image for sample in samples if sample.image.dtype == np.float32]
    if not images or len(images) < len(samples) or domain in dataset.ranges:
        return
    low, high = min(image.min() for image in images), max(image.max() for image in images)
    if low < high <= 1:
        returned = f"image: float32 values from {low:.4g} to {high:.4g} for {place}"
        raise origin.refuse("sample", returned, "values 0 … 255: multiply them by 255")


def check_repeats(first: Sample, kept: Sample, again: Sample, origin: Origin, place: str) -> None:
    """Raise ComponentError if an image differs when it is read again, or was changed by a later call.

    Args:
        first: a copy of the sample, made at once.
        kept: the sample itself, after other samples were read.
        again: the same sample, read again.
        origin: where the data set comes from.
        place: which sample it is, such as ``train A 0``.
    """
    for name in ("image", "target", "mask", "labels"):
        before, after, second = (getattr(one, name) for one in (first, kept, again))
        if before is not None and not np.array_equal(before, after):
            returned = f"for {place} an array ({name}) that a later call of sample changed"
            raise origin.refuse("sample", returned, "a new array in each call")
        if (before is None) != (second is None) or (before is not None and not np.array_equal(before, second)):
            returned = f"another {name} for {place} when it was called again"
            expected = "the same in each call: random parts must follow from the index alone"
            raise origin.refuse("sample", returned, expected)
    if first.name != again.name or dict(first.values) != dict(again.values):
        returned = f"another name or other values for {place} when it was called again"
        raise origin.refuse("sample", returned, "the same in each call")


def check_notes(notes: Any, origin: Origin) -> None:
    """Raise ComponentError unless the notes of a data set are a list of texts."""
    if not isinstance(notes, list | tuple) or not all(isinstance(line, str) for line in notes):
        raise origin.refuse("notes", describe(notes), "a list of texts, one a line")


def _copy(sample: Sample) -> Sample:
    planes: dict[str, Any] = {name: getattr(sample, name) for name in ("image", "target", "mask", "labels")}
    copies = {name: plane.copy() for name, plane in planes.items() if plane is not None}
    return replace(sample, values=dict(sample.values), **copies)


def _image_problem(image: Any, name: str, domain: str, dataset: Dataset) -> tuple[str, str] | None:
    """Return what is wrong with an image and what is expected; None if nothing is."""
    classes = dataset.classes.get(domain)
    channels = 1 if classes else dataset.channels.get(domain)
    wanted = "H, W, C" if channels is None else f"H, W, {channels}"
    kind = f"a uint8 array ({wanted}) of classes" if classes else f"a uint8 array ({wanted})"
    if not isinstance(image, np.ndarray) or image.ndim != 3:
        return f"{name}: {_described(image)}", kind
    if image.dtype != np.uint8 and (classes or image.dtype != np.float32):
        return f"{name}: {_described(image)}", kind if classes else f"an array ({wanted}) of {PIXELS}"
    if 0 in image.shape or (channels is not None and image.shape[2] != channels):
        reason = "as classes of label maps are" if classes else f"as channels says {channels} for {domain}"
        return f"{name}: {_described(image)}", f"{kind}, {reason}" if channels else kind
    low, high = image.min(), image.max()
    if classes and high >= classes:
        return f"{name}: classes up to {high}", f"classes 0 … {classes - 1}, as classes says {classes} for {domain}"
    if image.dtype == np.float32 and not (low >= 0 and high <= 255):
        return f"{name}: values from {low:.4g} to {high:.4g}", "values 0 … 255, finite"
    return None


def _described(value: Any) -> str:
    """Return what an array is; of a wrong type with its values, which show a wrong scale."""
    text = describe(value)
    if isinstance(value, np.ndarray) and value.size and value.dtype.kind in "iuf":
        text += f" with values {value.min():.4g} … {value.max():.4g}"
    return text


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _is_range(value: Any) -> bool:
    if not isinstance(value, Iterable) or isinstance(value, str):
        return False
    ends = list(value)
    return len(ends) == 2 and all(isinstance(end, Real) for end in ends) and ends[0] < ends[1]
