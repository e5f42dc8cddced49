"""Check what a component's class declares, without a call of it: kind, constructor, options, functions, attributes.

Recipes check their components so, ``ganzoo plugins --check`` all. Each mistake is one of the component's author.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import fields
from inspect import Parameter
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

from torch import nn
from typing_extensions import is_typeddict

from ganzoo.contracts.origin import Origin
from ganzoo.contracts.signatures import VARIADIC, defines, parameters_of, signature_errors
from ganzoo.data.types import OTHER
from ganzoo.errors import ComponentError, GanzooError, one_line, suggest
from ganzoo.interfaces import Dataset, Loss, Masker, Method, Metric
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import ROLES
from ganzoo.recipe.discriminator_options import DiscriminatorOptions
from ganzoo.recipe.options import MISSING, default_mistake, options_of, type_mistake, value_mistake
from ganzoo.recipe.schema import LossAttachment
from ganzoo.recipe.type_text import type_text

INTERFACES: Mapping[str, type] = {
    "method": Method,
    "generator": nn.Module,
    "discriminator": nn.Module,
    "masker": Masker,
    "loss": Loss,
    "dataset": Dataset,
    "metric": Metric,
}
"""Kind → the class that its components are derived from."""
PROVIDED = {"generator": ("in_channels", "out_channels"), "discriminator": ("in_channels",)}
"""Kind → the parameters of the constructor that ganzoo provides, by position."""
KIND_OPTIONS: Mapping[str, type[Any]] = {
    "discriminator": DiscriminatorOptions,
    "masker": MaskTransform,
    "loss": LossAttachment,
}
"""Kind → the options that every component of the kind has in recipes."""
WORDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("method", "accepts"): tuple(ROLES),
    ("method", "requires"): tuple(ROLES),
    ("method", "reads"): tuple(f"given_{plane}_{domain}" for plane in ("mask", "labels") for domain in OTHER),
    ("metric", "reads_masks"): tuple(name for name, role in ROLES.items() if role.readable),
    ("masker", "needs"): ("image", "given"),
    ("dataset", "channels"): tuple(OTHER),
    ("dataset", "classes"): tuple(OTHER),
}
"""Kind and attribute → the words that it may contain, where the attribute's type does not say so."""


def declaration_errors(origin: Origin) -> list[ComponentError]:
    """Return an error for each mistake in the declaration of a component; nothing of it is called."""
    base = INTERFACES[origin.kind]
    if not issubclass(origin.component, base):
        name = "torch.nn.Module" if base is nn.Module else f"ganzoo.interfaces.{base.__name__}"
        return [origin.mistake(f"it is not derived from {name}, as each {origin.kind} must be")]
    errors = [*_constructor_errors(origin), *_option_errors(origin)]
    if missing := sorted(getattr(origin.component, "__abstractmethods__", ())):
        errors.append(origin.mistake(f"it lacks {', '.join(f'{one}()' for one in missing)}: define it"))
    if origin.kind != "dataset" and isinstance(getattr(origin.component, "alternatives", None), tuple | list):
        text = "its alternatives have no effect: options exclude each other in data sets alone; remove it"
        errors.append(origin.mistake(text))
    if base is not nn.Module:
        errors += [*signature_errors(origin, base), *_class_errors(origin, base)]
    if issubclass(base, nn.Module) and origin.kind != "masker":
        errors += _forward_errors(origin)
    return errors


def _constructor_errors(origin: Origin) -> Iterator[ComponentError]:
    """Yield an error for each parameter that neither ganzoo provides nor a recipe can set."""
    kind, provided = origin.kind, PROVIDED.get(origin.kind, ())
    parameters = _constructor(origin.component)
    for one in parameters:
        if one.kind in VARIADIC:
            text = f"its constructor takes {VARIADIC[one.kind]}{one.name}, so no option of a recipe can be checked"
            yield origin.mistake(f"{text}: name each option after a *, with its type", "__init__")
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    names = [one.name for one in positional]
    misplaced = [one for one, other in zip(names, provided, strict=False) if one in provided and one != other]
    if len(names) < len(provided) or misplaced:
        write = f"def __init__(self, {', '.join(provided)}, *, …)"
        text = f"its constructor takes ({', '.join(names)}) by position, but ganzoo gives a {kind} "
        yield origin.mistake(f"{text}({', '.join(provided)}): write {write}", "__init__")
    for one in positional[len(provided) :]:
        if one.default is MISSING or _is_option_value(one.default):
            place = ", ".join([*provided, "*", one.name])
            text = f"its constructor takes {one.name!r} by position, which ganzoo does not give to a {kind}"
            yield origin.mistake(f"{text}: make it an option, (self, {place})", "__init__")


def _constructor(target: type) -> list[Parameter]:
    """Return the parameters of a class's constructor without ``self``; none if the class defines none."""
    if target.__init__ in (object.__init__, nn.Module.__init__):  # type: ignore[misc]
        return []
    return parameters_of(target, "__init__")


def _is_option_value(default: object) -> bool:
    """Return whether a default looks like that of an option; an object is for callers in Python."""
    return default is None or isinstance(default, bool | int | float | str | tuple | list | dict | set)


def _option_errors(origin: Origin) -> Iterator[ComponentError]:
    """Yield an error for each option without a type, of a wrong type or default, or with a name that is taken."""
    kind = origin.kind
    shared = [field.name for field in fields(KIND_OPTIONS[kind])] if kind in KIND_OPTIONS else []
    annotated = {one.name for one in _constructor(origin.component) if one.annotation is not MISSING}
    try:
        options = options_of(origin.component).values()
    except GanzooError as error:
        reason = one_line(error.__cause__ or error)
        yield origin.mistake(f"the types of its options cannot be resolved: {reason}", "__init__")
        return
    for option in options:
        about, problem = f"its option {option.name!r}", ""
        if option.name in shared:
            problem = f"{about} is one that every {kind} has: rename it"
        elif option.name == kind:
            problem = f"{about} cannot be set, as this key of a recipe names the component: rename it"
        elif option.name not in annotated:
            problem = f"{about} has no type, so recipes cannot be checked: write {option.name}: TYPE"
        elif wrong := type_mistake(option):
            problem = f"the type of {about} cannot be checked: {wrong}"
        elif sets := list(_types_in(option.type, Set)):
            problem = f"{about} is a set, whose order differs in each process: use a tuple, {_tuple_for(sets)}"
        elif isinstance(option.default, list | set | bytearray):
            advice = _tuple_for(_types_in(option.type, Sequence))
            problem = f"{about} has a default that can be changed, {option.default!r}: use a tuple, {advice}"
        elif not option.required and (wrong := default_mistake(option)):
            problem = f"the default of {about} is {wrong}; its type is {option.type_text}"
        if problem:
            yield origin.mistake(problem, "__init__")


def _types_in(hint: Any, base: type) -> Iterator[Any]:
    """Yield a type, and the types within it, that are derived from a class: ``list[int]`` of ``list[int] | None``."""
    origin = get_origin(hint) or hint
    if isinstance(origin, type) and issubclass(origin, base):
        yield hint
    for inner in get_type_hints(hint).values() if is_typeddict(hint) else get_args(hint):
        yield from _types_in(inner, base)


def _tuple_for(types: Iterable[Any]) -> str:
    """Return, as a text, the type of a tuple with the items of the first type that says what its items are."""
    items = next((type_text(get_args(one)[0]) for one in types if get_args(one)), "TYPE")
    return f"with the type tuple[{items}, ...]"


def _forward_errors(origin: Origin) -> Iterator[ComponentError]:
    """Yield an error if a loss, generator or discriminator lacks ``forward``, or one that a recipe can use."""
    kind, target = origin.kind, origin.component
    if not defines(target, "forward"):
        own = {name for one in target.__mro__ if one not in nn.Module.__mro__ for name in vars(one)}
        if kind != "generator" or not any(defines(target, name) for name in own if not name.startswith("_")):
            yield origin.mistake("it lacks forward(): define it")
        return
    inputs = parameters_of(target, "forward")
    named = [one for one in inputs if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    if kind == "loss" and len(named) < len(inputs):
        other = next(one for one in inputs if one not in named)
        text = f"its forward takes {VARIADIC.get(other.kind, '')}{other.name}, which the 'of' of a recipe cannot name"
        yield origin.mistake(f"{text}: name each input, as in forward(self, image, target)", "forward")
    elif not inputs:
        yield origin.mistake("its forward takes no input: write def forward(self, image)", "forward")


def attribute_errors(origin: Origin, values: Mapping[str, Any]) -> Iterator[ComponentError]:
    """Yield an error for each attribute of a component that has another type, or says other words, than the interface.

    Args:
        origin: the component.
        values: name → value of attributes of the class, or of an instance; those that no interface has do not count.
    """
    base = INTERFACES[origin.kind]
    declared = vars(base).get("__annotations__", {})
    for name, hint in get_type_hints(base, include_extras=True).items():
        value = values.get(name, MISSING)
        if name not in declared or value is MISSING or hasattr(type(value), "__get__"):  # a function or property
            continue
        words = WORDS.get((origin.kind, name), ())
        if wrong := value_mistake(value, get_args(hint)[0] if get_origin(hint) is ClassVar else hint):
            yield origin.mistake(f"its {name} is {wrong}")
        elif words and (unknown := [one for one in value if one not in words]):
            yield origin.mistake(f"its {name} has {unknown[0]!r}{suggest(unknown[0], words)}")


def _class_errors(origin: Origin, base: type) -> Iterator[ComponentError]:
    """Yield an error for each attribute of the class that is wrong, also together with another one."""
    target = origin.component
    values = {name: inspect.getattr_static(target, name, MISSING) for name in vars(base).get("__annotations__", {})}
    errors = list(attribute_errors(origin, values))
    yield from errors
    if errors:
        return
    if origin.kind == "method" and isinstance(values["requires"], tuple) and isinstance(values["accepts"], tuple):
        for role in (one for one in values["requires"] if one not in values["accepts"]):
            yield origin.mistake(f"it requires a mask in the role {role!r}, but its accepts lacks it: add it")
    refers = origin.kind == "metric" and values["reference"] in ("measured", "train")
    if refers and _inherits(target, base, "reference_rows"):
        yield origin.mistake("it has a reference, but lacks reference_rows(): define it")


def _inherits(target: type, base: type, function: str) -> bool:
    return inspect.getattr_static(target, function) is inspect.getattr_static(base, function)
