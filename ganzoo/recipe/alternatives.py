"""Options that exclude each other, so that setting one replaces the inherited others: ``epochs`` and ``steps``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganzoo.contracts.dataset import check_alternatives
from ganzoo.errors import GanzooError
from ganzoo.plugins import plugins

LENGTHS = (("epochs",), ("steps",))
"""A run's length in one unit or in the other."""


def replaced_options(path: tuple[str | int, ...], base: Mapping[str, Any], over: Mapping[str, Any]) -> set[str]:
    """Return the inherited options that must go, because ``over`` sets others that exclude them.

    Args:
        path: the place in the recipe.
        base: what is inherited, at this place.
        over: what is merged over it; an option that is set to null excludes none, and neither does a length of 0.
    """
    lengths = path == ("train",)
    new = {key for key, value in over.items() if value is not None and not (lengths and value == 0)}
    groups = LENGTHS if lengths else _alternatives({**base, **over})
    chosen = [group for group in groups if new & set(group)]
    return {option for group in groups if chosen and group not in chosen for option in group} - set(over)


def _alternatives(value: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of options that the data set of a mapping declares; none for anything else.

    Other components are not imported: that takes torch's seconds, before the recipe's mistakes can be told.
    """
    name = value.get("dataset")
    if not isinstance(name, str):
        return ()
    try:
        component = plugins().registry.get("dataset", name)
        check_alternatives(component.load(), component.origin)
        return tuple(getattr(component.load(), "alternatives", ()))
    except GanzooError:  # it is reported when the recipe is read, or the data set built
        return ()
