"""Which directions of a method a pretrained network can look at."""

from __future__ import annotations

from ganzoo import GanzooError
from ganzoo.data.loading import Reader
from ganzoo.interfaces import Direction, Method


def seen_ways(metric: str, method: Method, reader: Reader, *, source: bool = False) -> tuple[Direction, ...]:
    """Return the method's directions into pictures of 1 or 3 channels, which label maps are not.

    Args:
        metric: which asks, for the error.
        method: the run's.
        reader: of its data.
        source: the source's pictures must be such, too.

    Raises:
        GanzooError: none is left.
    """
    data = reader.dataset
    seen = {one for one, many in data.channels.items() if many in (1, 3) and one not in data.classes}
    ways = [way for way in method.directions if way in ("AB", "BA") and way[1] in seen]
    found = tuple(way for way in ways if not source or way[0] in seen)
    if not found:
        both = " of such pictures" if source else ""
        raise GanzooError(
            f"evaluate.metrics: {metric} looks at pictures of 1 or 3 channels that are no label maps, and the method "
            f"makes no translations into them{both}: take it out"
        )
    return found
