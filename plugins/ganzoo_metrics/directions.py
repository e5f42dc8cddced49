"""Select the directions that a metric can measure: those into images that its network accepts."""

from __future__ import annotations

from collections.abc import Iterator

from ganzoo import GanzooError
from ganzoo.interfaces import Dataset, Direction, Method, Reader, Sample, Split

MEASURED_FIRST: tuple[Split, ...] = ("test", "validation", "train")


def image_directions(metric: str, method: Method, reader: Reader) -> tuple[Direction, ...]:
    """Return the method's directions, AB or BA, into images; label maps do not count as images.

    Args:
        metric: the name of the metric, for the error message.
        method: the run's method.
        reader: the reader of the run's data.

    Raises:
        GanzooError: there is no such direction.
    """
    images = [one for one in reader.dataset.channels if one not in reader.dataset.classes]
    directions = tuple(way for way in method.directions if way in ("AB", "BA") and way[1] in images)
    if not directions:
        raise GanzooError(
            f"evaluate.metrics: {metric} measures translated images, but the method makes none: remove it"
        )
    return directions


def accepted_directions(metric: str, method: Method, reader: Reader, *, source: bool = False) -> tuple[Direction, ...]:
    """Return the method's directions, AB or BA, into images of 1 or 3 channels; label maps do not count as images.

    Args:
        metric: the name of the metric, for the error message.
        method: the run's method.
        reader: the reader of the run's data.
        source: whether the source's images must be such images, too.

    Raises:
        GanzooError: there is no such direction.
    """
    domains = accepted_domains(reader)
    into = [way for way in method.directions if way in ("AB", "BA") and way[1] in domains]
    directions = tuple(way for way in into if not source or way[0] in domains)
    if not directions:
        both = " from such images" if source else ""
        raise GanzooError(
            f"evaluate.metrics: {metric} needs images of 1 or 3 channels that are not label maps, but the method "
            f"makes no translations into such images{both}: remove it"
        )
    return directions


def first_samples(dataset: Dataset, domain: str) -> Iterator[Sample]:
    """Yield the first image of each split that has some, those that are measured first.

    What only the training split lacks, such as true pairs, does not keep a metric from measuring the others.
    """
    for split in MEASURED_FIRST:
        if dataset.count(split, domain):
            yield dataset.sample(split, domain, 0)


def accepted_domains(reader: Reader) -> list[str]:
    """Return the domains whose images have 1 or 3 channels and are not label maps."""
    data = reader.dataset
    return [one for one, many in data.channels.items() if many in (1, 3) and one not in data.classes]
