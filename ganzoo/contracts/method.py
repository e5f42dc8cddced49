"""What a method must declare: slots, optims, phases, tensors, directions, roles."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ganzoo.contracts.describe import describe
from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError, suggest

DOMAINS = ("A", "B")
DIRECTIONS = ("AB", "BA", "AA")
SLOT_KINDS = ("generator", "discriminator", "masker", "")
FORWARDS = ("shared", "detached", "fresh")
GIVEN = tuple(f"given_{plane}_{domain}" for plane in ("mask", "labels") for domain in DOMAINS)
"""The tensors besides images that a data set may provide."""
OWN = {"slots": Mapping, "optims": Mapping, "phases": Sequence, "tensors": Mapping}
"""The attributes that a method's constructor sets, with their types."""


def check_method(method: Any, origin: Origin, roles: Collection[str] = ()) -> None:
    """Check what a new method says of itself; nothing of it is called.

    Args:
        method: the method, after its constructor.
        origin: where it comes from.
        roles: the known roles of masks; empty: any.

    Raises ComponentError for a mistake of the author.
    """
    wrong = _Wrong(origin)
    for name, kind in OWN.items():
        if not hasattr(method, name):
            raise wrong(f"its constructor sets no {name!r}", f"self.{name}, a {_word(kind)}")
        value = getattr(method, name)
        if not isinstance(value, kind):
            raise wrong(f"{name} is {describe(value)}", f"a {_word(kind)}")
    _check_class(method, wrong, roles)
    _check_slots(method, wrong)
    _check_optims(method, wrong)
    _check_phases(method, wrong)
    for name, output in method.tensors.items():
        if not all(hasattr(output, field) for field in ("source", "shows", "for_losses")):
            raise wrong(f"tensors[{name!r}] is {describe(output)}", "an Output")
        known = output.source in (*DOMAINS, None) and output.shows in (*DOMAINS, "")
        if not known:
            raise wrong(
                f"tensors[{name!r}] comes from {output.source!r} and shows {output.shows!r}",
                "the domains 'A' and 'B', None for no source, '' for a mask",
            )


def check_trained(method: Any, trainable: Collection[str], origin: Origin) -> None:
    """Raise ComponentError if a phase trains a slot never, although its network has parameters that can be trained.

    Args:
        method: the method, with all its networks.
        trainable: the slots whose networks have such parameters.
        origin: the method.
    """
    trained = {slot for phase in method.phases for name in phase.steps for slot in method.optims[name].slots}
    for slot in trainable if method.phases else ():
        if slot not in trained:
            raise _Wrong(origin)(
                f"no phase trains the network in the slot {slot!r}",
                "an optim with this slot, which a phase steps; or a network whose parameters need no gradient",
            )


class _Wrong:
    """Makes the errors about a method's declarations; they name the line of its constructor."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin

    def __call__(self, what: str, expected: str) -> ComponentError:
        return ComponentError(f"{self.origin}: {what}; expected {expected} ({self.origin.line('__init__')})")


def _is_words(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(one, str) for one in value)


def _word(kind: type) -> str:
    return "dict" if kind is Mapping else "list"


def _check_class(method: Any, wrong: _Wrong, roles: Collection[str]) -> None:
    for name, known in {"directions": DIRECTIONS, "accepts": roles, "requires": roles, "reads": GIVEN}.items():
        words = getattr(method, name)
        if not _is_words(words):
            raise wrong(f"{name} is {describe(words)}", "a tuple of texts, such as ('AB', 'BA')")
        for word in words if known else ():
            if word not in known:
                raise wrong(f"{name} has {word!r}", f"words that ganzoo knows{suggest(word, known)}")
    if not method.directions or len(set(method.directions)) != len(method.directions):
        raise wrong(f"directions is {method.directions!r}", "at least one direction, each once")
    if unaccepted := set(method.requires) - set(method.accepts):
        raise wrong(f"requires has the role {min(unaccepted)!r}, and accepts does not", "it in both")
    if type(method.group) is not int or method.group < 1:
        raise wrong(f"group is {method.group!r}", "a number of images, 1 or more")


def _check_slots(method: Any, wrong: _Wrong) -> None:
    for name, slot in method.slots.items():
        where = f"slots[{name!r}]"
        if not all(hasattr(slot, field) for field in ("kind", "reads", "writes", "calls", "default", "own")):
            raise wrong(f"{where} is {describe(slot)}", "a Slot")
        if slot.kind not in SLOT_KINDS:
            raise wrong(f"{where}.kind is {slot.kind!r}", f"one of {SLOT_KINDS}{suggest(slot.kind, SLOT_KINDS[:3])}")
        for field in ("reads", "calls"):
            if not _is_words(getattr(slot, field)):
                raise wrong(f"{where}.{field} is {describe(getattr(slot, field))}", "a tuple of texts: (…,)")
        if not isinstance(slot.default, Mapping):
            raise wrong(f"{where}.default is {describe(slot.default)}", "a dict, such as {'generator': 'resnet'}")
        if unknown := [one for one in (*slot.reads, slot.writes) if one not in (*DOMAINS, "")]:
            raise wrong(f"{where} names the domain {unknown[0]!r}", "the domains 'A' and 'B'")
        if slot.kind == "generator" and not slot.own and not slot.writes:
            raise wrong(f"{where}.writes is empty", "the domain whose images the generator makes")
        if slot.kind in ("generator", "discriminator") and not slot.own and not slot.reads:
            raise wrong(f"{where}.reads is empty", "the domains whose images the network gets: ('A',)")


def _check_optims(method: Any, wrong: _Wrong) -> None:
    stepped = [name for phase in method.phases for name in getattr(phase, "steps", None) or ()]
    for name, optim in method.optims.items():
        where = f"optims[{name!r}]"
        if not hasattr(optim, "slots") or not hasattr(optim, "optimizer"):
            raise wrong(f"{where} is {describe(optim)}", "an Optim")
        if not _is_words(optim.slots):
            raise wrong(f"{where}.slots is {describe(optim.slots)}", "a tuple of slots: ('G_AB',)")
        if not optim.slots:
            raise wrong(f"{where} has no slots", "the slots whose networks it optimizes")
        for slot in optim.slots:
            if slot not in method.slots:
                raise wrong(f"{where} has the slot {slot!r}", f"slots of the method{suggest(slot, method.slots)}")
        if not isinstance(optim.optimizer, type):
            raise wrong(f"{where}.optimizer is {describe(optim.optimizer)}", "a class, such as torch.optim.Adam")
        if name not in stepped:
            raise wrong(f"no phase steps {where}", f"a phase with steps=({name!r},), or no such optim")


def _check_phases(method: Any, wrong: _Wrong) -> None:
    seen: set[str] = set()
    for number, phase in enumerate(method.phases):
        if not all(hasattr(phase, field) for field in ("name", "steps", "losses", "every", "forward")):
            raise wrong(f"phases[{number}] is {describe(phase)}", "a Phase")
        where = f"the phase {phase.name!r}"
        if phase.name in seen:
            raise wrong(f"two phases are called {phase.name!r}", "another name for each phase")
        seen.add(phase.name)
        if not _is_words(phase.steps):
            raise wrong(f"{where}: steps is {describe(phase.steps)}", "a tuple of optims: ('generator',)")
        if not phase.steps:
            raise wrong(f"{where} steps no optim", "the names of the optims that it steps")
        for name in phase.steps:
            if name not in method.optims:
                raise wrong(f"{where} steps {name!r}", f"optims of the method{suggest(name, method.optims)}")
        if type(phase.every) is not int or phase.every < 1:
            raise wrong(f"{where}: every is {phase.every!r}", "a number of steps, 1 or more")
        if phase.forward not in FORWARDS:
            raise wrong(
                f"{where}: forward is {phase.forward!r}", f"one of {FORWARDS}{suggest(phase.forward, FORWARDS)}"
            )
        if not callable(phase.losses):
            raise wrong(f"{where}: losses is {describe(phase.losses)}", "a function of a step")
