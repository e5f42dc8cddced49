"""Directions of a method that lead to images, and to images that a pretrained network accepts."""

from __future__ import annotations

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Reader


def image_directions(metric: str, method: Method, reader: Reader) -> tuple[Direction, ...]:
    """Return the method's directions into images, which label maps are not.

    Args:
        metric: which asks, for the error.
        method: the run's.
        reader: of its data.

    Raises:
        GanzooError: there is none.
    """
    images = [one for one in reader.dataset.channels if one not in reader.dataset.classes]
    found = tuple(way for way in method.directions if way in ("AB", "BA") and way[1] in images)
    if not found:
        raise GanzooError(
            f"evaluate.metrics: {metric} measures translated images, and the method makes none: take it out"
        )
    return found


def accepted_directions(metric: str, method: Method, reader: Reader, *, source: bool = False) -> tuple[Direction, ...]:
    """Return the method's directions into images of 1 or 3 channels, which label maps are not.

    Args:
        metric: which asks, for the error.
        method: the run's.
        reader: of its data.
        source: the source's images must be such, too.

    Raises:
        GanzooError: none is left.
    """
    seen = accepted_domains(reader)
    into = [way for way in method.directions if way in ("AB", "BA") and way[1] in seen]
    found = tuple(way for way in into if not source or way[0] in seen)
    if not found:
        both = " of such images" if source else ""
        raise GanzooError(
            f"evaluate.metrics: {metric} looks at images of 1 or 3 channels that are no label maps, and the method "
            f"makes no translations into them{both}: take it out"
        )
    return found


def accepted_domains(reader: Reader) -> list[str]:
    """Return the domains whose images have 1 or 3 channels, and are no label maps."""
    data = reader.dataset
    return [one for one, many in data.channels.items() if many in (1, 3) and one not in data.classes]
