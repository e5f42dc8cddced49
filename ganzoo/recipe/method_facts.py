"""What methods have by their default options, for the schema of recipes: slots, tensors and phases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

from ganzoo.contracts.method import check_method
from ganzoo.contracts.origin import Origin
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Method
from ganzoo.masks.roles import ROLES
from ganzoo.recipe.losses import updates_generators
from ganzoo.recipe.networks import slot_groups
from ganzoo.recipe.options import options_of
from ganzoo.step import batch_tensors


class MethodFacts:
    """The slots, tensors and phases of a method, by its defaults and by each other value of its switches.

    A switch is an option that is true or false, or one of several words: some add slots. ``known`` is False for a
    method that requires an option, that may need downloaded weights, or that cannot be constructed.

    Args:
        target: the method's class; None if it cannot be imported.
    """

    def __init__(self, target: type[Any] | None) -> None:
        methods = list(_construct(target)) if target else []
        self.known = bool(methods)
        self.networks: dict[str, str] = {}
        """Slot or group of slots that a recipe may set → the kind of its networks; empty if they differ."""
        self.tensors: list[str] = []
        """The tensors that a loss can read."""
        self.phases: list[str] = []
        """The phases to which a loss can be attached."""
        for method in methods:
            self.tensors += [name for name, output in method.tensors.items() if output.for_losses]
            self.phases += [phase.name for phase in method.phases if updates_generators(method, phase)]
            for name, slot in method.slots.items():
                if slot.kind and not slot.own:
                    for key in (*slot_groups(name), name):
                        self.networks[key] = slot.kind if self.networks.get(key, slot.kind) == slot.kind else ""


def tensor_names(methods: Iterable[MethodFacts]) -> list[str]:
    """Return the names of tensors that losses can read: of the data, and of any of the methods."""
    return list(dict.fromkeys([*batch_tensors(), *(name for one in methods for name in one.tensors)]))


def _construct(target: type[Any]) -> Iterator[Method]:
    options = options_of(target)
    if "weights" in options or any(option.required for option in options.values()):
        return
    choices = [{}, *({name: value} for name, option in options.items() for value in _others(option.type))]
    for chosen in choices:
        try:
            with Origin(target).catch("__init__"):
                method = target(**{name: option.default for name, option in options.items()} | chosen)
                check_method(method, Origin(target), ROLES)
        except GanzooError:  # of a choice: another option does not go with it
            if not chosen:
                return
        else:
            yield method


def _others(hint: Any) -> tuple[Any, ...]:
    """Return the values of an option that is a switch; none for any other option."""
    if hint is bool:
        return (True, False)
    return get_args(hint) if get_origin(hint) is Literal else ()
