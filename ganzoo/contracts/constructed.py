"""What a component must be after its constructor, by its kind."""

from __future__ import annotations

from collections.abc import Collection

from ganzoo.contracts.masker import check_masker
from ganzoo.contracts.method import check_method
from ganzoo.contracts.origin import Origin
from ganzoo.contracts.values import check_module


def check_constructed(made: object, origin: Origin, roles: Collection[str] = ()) -> None:
    """Raise ComponentError if a new component is not what its kind must be; nothing of it is called.

    Args:
        made: the component.
        origin: where it comes from.
        roles: the known roles of masks; empty: any.
    """
    if origin.kind == "method":
        check_method(made, origin, roles)
    elif origin.kind == "masker":
        check_masker(made, origin, roles)
    elif origin.kind in ("generator", "discriminator", "loss"):
        check_module(made, origin)
