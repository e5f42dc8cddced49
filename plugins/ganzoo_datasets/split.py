"""Choose images by their names, so that the choice is stable when files are added: validation, fewer for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ganzoo.interfaces import keyed

Share = Annotated[float, Field(ge=0, lt=1)]
Limit = Annotated[int, Field(ge=0)]


def hold_out(names: Sequence[str], share: float, purpose: str = "validation") -> tuple[list[int], list[int]]:
    """Choose names at random to hold out; return the indices of the remaining and of the held-out names, both in order.

    A random draw that depends only on the name and on ``purpose`` holds it out with probability ``share``. So new names
    do not change the choice of earlier ones, with two exceptions: at least one name remains, and of 10 or more names at
    least one is held out. A share of 0 holds out none.

    Args:
        names: the names, all different.
        share: the expected share of held-out names, at least 0 and below 1.
        purpose: a key of the draws; different purposes make independent choices.

    >>> remaining, held = hold_out([f"{i}.png" for i in range(10)], 0.2)
    >>> sorted(remaining + held) == list(range(10)), bool(held)
    (True, True)
    """
    if share == 0 or len(names) < 2:
        return list(range(len(names))), []
    draws = [float(keyed("hold out", purpose, name).random()) for name in names]
    wanted = sum(draw < share for draw in draws)
    number = min(max(wanted, 1 if len(names) >= 10 else 0), len(names) - 1)
    held = set(sorted(range(len(names)), key=draws.__getitem__)[:number])
    return [i for i in range(len(names)) if i not in held], sorted(held)


def select(names: Sequence[str], limit: int, draw: int = 0) -> list[int]:
    """Select ``limit`` names at random; return their indices, in order: all if there are fewer, or with 0.

    A random draw that depends only on the name and on ``draw`` decides, so a smaller limit selects some of the names of
    a larger one.

    >>> names = [f"{i}.png" for i in range(100)]
    >>> few, more = select(names, 5), select(names, 50)
    >>> len(few), set(few) <= set(more)
    (5, True)
    """
    if not limit:
        return list(range(len(names)))
    key = ("limit", draw) if draw else ("limit",)
    draws = [float(keyed(*key, name).random()) for name in names]
    return sorted(sorted(range(len(names)), key=draws.__getitem__)[:limit])
