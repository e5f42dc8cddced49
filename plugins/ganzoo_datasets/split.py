"""Split off held-out images by name, so that the split is stable when files are added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ganzoo.interfaces import keyed

Share = Annotated[float, Field(ge=0, lt=1)]


def hold_out(names: Sequence[str], share: float, purpose: str = "validation") -> tuple[list[int], list[int]]:
    """Return the indices (remaining, held out), each in order.

    Each name is held out with probability ``share``, whatever the other names are. Of 10 or more at least
    one is held out, and never all of them. A share of 0 holds out none.

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
