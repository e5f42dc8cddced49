"""Describe components and settings as JSON schemas: the names that may stand in a place, and the options of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganzoo.contracts.declaration import declaration_errors
from ganzoo.errors import GanzooError
from ganzoo.interfaces.loss import inputs_of
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.recipe.discriminator_options import DiscriminatorOptions
from ganzoo.recipe.option_docs import option_docs, summary
from ganzoo.recipe.options import Option, inner_kinds, options_of
from ganzoo.recipe.schema import LossAttachment
from ganzoo.recipe.type_schema import INSIDE, Schema, any_of, closed_object, type_schema
from ganzoo.registry import Component
from ganzoo.utils.jsonl import to_plain

SHARED: Mapping[str, type[Any]] = {
    "discriminator": DiscriminatorOptions,
    "masker": MaskTransform,
    "loss": LossAttachment,
}
"""Kind → the options that every component of it takes besides its own."""


@dataclass(frozen=True)
class Place:
    """A place of recipes in which components of one kind may stand.

    Args:
        kind: the kind.
        in_slot: whether it is an entry of ``networks``: a slot has a default, and a masker there only its own options.
        inside: whether it is an option of another component, where a discriminator has only its own options.
    """

    kind: str
    in_slot: bool = False
    inside: bool = False

    @property
    def name(self) -> str:
        """The name of its definition in the schema; the names of the definitions that belong to it contain this one."""
        if self.inside:
            return f"{INSIDE}.{self.kind}"
        return f"slot.{self.kind}" if self.in_slot and self.kind == "masker" else self.kind

    @property
    def shared(self) -> type[Any] | None:
        """The options that every component takes here besides its own; None if there are none."""
        has_none = (self.inside and self.kind != "masker") or self.name == "slot.masker"
        return None if has_none else SHARED.get(self.kind)


def reference(name: str) -> Schema:
    """Return a reference to a definition of the schema."""
    return {"$ref": f"#/definitions/{name}"}


def or_null(schema: Schema) -> Schema:
    """Return the schema, or null, which removes what a base sets."""
    return {"anyOf": [schema, {"type": "null"}]}


class ComponentSchemas:
    """Collects in ``definitions`` the schemas of the components that a recipe may use, as they are asked for.

    Args:
        components: the components that recipes may use.
        warn: called with the reason for each component that cannot be imported or has a mistake in its declaration.

    ``tensors`` and ``phases`` are names that completion offers in losses.
    """

    def __init__(self, components: Sequence[Component], warn: Callable[[str], None]) -> None:
        self.components = components
        self.warn = warn
        self.tensors: list[str] = []
        self.phases: list[str] = []
        self.definitions: dict[str, Schema] = {}
        self._loaded: dict[str, dict[str, type[Any] | None]] = {}

    def use(self, place: Place, *, complete: bool) -> Schema:
        """Return a reference to the schema of any component in a place, as a name or as a mapping.

        Args:
            place: the place.
            complete: whether the mapping must name the component and set what it requires. If not, it may inherit.
        """
        name = place.name if complete else f"part.{place.name}"
        if name not in self.definitions:
            self.definitions[name] = {}  # its place, before those of its components
            self.definitions[name] = self._any_component(place, complete=complete)
        return reference(name)

    def define(self, name: str, schema: Schema) -> Schema:
        """Add a definition, and return a reference to it."""
        self.definitions[name] = schema
        return reference(name)

    def load(self, kind: str) -> dict[str, type[Any] | None]:
        """Return the components of a kind by name: name → class, or None if it cannot be used."""
        if kind not in self._loaded:
            self._loaded[kind] = {one.name: self._load(one) for one in self.components if one.kind == kind}
        return self._loaded[kind]

    def _load(self, component: Component) -> type[Any] | None:
        try:
            errors: list[GanzooError] = [*declaration_errors(component.origin)]
        except GanzooError as error:
            errors = [error]
        for mistake in errors:
            self.warn(str(mistake))
        return None if errors else component.load()

    def _any_component(self, place: Place, *, complete: bool) -> Schema:
        kind, targets = place.kind, self.load(place.kind)
        if not targets:
            return {"not": {}}
        about = [summary(target) if target else "" for target in targets.values()]
        names = self.define(f"names.{kind}", {"enum": list(targets), "enumDescriptions": about})
        conditions = [
            {"if": _names(kind, name), "then": self._component(place, name, target, complete=complete)}
            for name, target in targets.items()
            if target
        ]
        mapping: Schema = {"type": "object", "properties": {kind: names}}
        if complete:
            mapping["required"] = [kind]
        else:
            conditions.append({"if": {"required": [kind]}, "else": self._any_options(place)})
        mapping["allOf"] = conditions
        alone = [
            name
            for name, target in targets.items()
            if place.in_slot or not target or not _required(target, place.shared)
        ]
        return {"anyOf": [{"type": "string", "enum": alone}, mapping]} if alone else mapping

    def _component(self, place: Place, name: str, target: type[Any], *, complete: bool) -> Schema:
        kind, definition = place.kind, f"{place.name}.{name}"
        inputs = _inputs(target) if kind == "loss" else {}
        if definition not in self.definitions:
            options = option_schemas(target) | (option_schemas(place.shared) if place.shared else {})
            if kind == "loss":
                options["of"] = {**self._of(inputs), "description": options["of"]["description"]}
                options["phase"]["examples"] = self.phases
            schema = closed_object({kind: {"const": name}, **options})
            self.definitions[definition] = {"description": summary(target), **schema}
            for inner in [inner for option in options_of(target).values() for inner in inner_kinds(option.type)]:
                self.use(Place(inner, inside=True), complete=True)
        demands: list[Schema] = []
        if complete and (required := _required(target, place.shared)):
            demands.append({"required": required})
        if complete and (needed := [one for one, required in inputs.items() if required]):
            kinds = ["object"] if len(needed) > 1 else ["object", "string"]  # a plain name is for the first input
            demands.append({"properties": {"of": {"type": kinds, "required": needed}}})
        return {"allOf": [reference(definition), *demands]} if demands else reference(definition)

    def _of(self, inputs: Iterable[str]) -> Schema:
        """Return the schema of a loss's ``of``: the name of a tensor, or input → name."""
        tensor = self.define("tensor", {"type": "string", "examples": self.tensors})
        return {"anyOf": [tensor, closed_object(dict.fromkeys(inputs, tensor))]}

    def _any_options(self, place: Place) -> Schema:
        """Return a reference to the schema of changes of a component that a base or a slot names: options of any."""
        definition = f"options.{place.name}"
        if definition not in self.definitions:
            targets = self.load(place.kind).values()
            found: dict[str, list[Schema]] = {}
            for target in targets:
                for option, schema in option_schemas(target).items() if target else ():
                    found.setdefault(option, []).append(schema)
            options = {option: _any_of_described(schemas) for option, schemas in found.items()}
            self.definitions[definition] = closed_object(
                options | (option_schemas(place.shared) if place.shared else {})
            )
            if None in targets:
                self.definitions[definition]["additionalProperties"] = True
        return reference(definition)


def _names(kind: str, name: str) -> Schema:
    """Return the schema of a mapping that names this component."""
    return {"properties": {kind: {"const": name}}, "required": [kind]}


def _required(target: type[Any], shared: type[Any] | None) -> list[str]:
    return [name for one in (target, shared) if one for name, option in options_of(one).items() if option.required]


def option_schemas(target: type[Any]) -> dict[str, Schema]:
    """Return option → schema, with its description and its default."""
    docs = option_docs(target)
    return {name: _property(option, docs.get(name, "")) for name, option in options_of(target).items()}


def _property(option: Option, description: str) -> Schema:
    schema = type_schema(option.type)
    if "$ref" in schema:
        schema = {"allOf": [schema]}  # draft 7 ignores what stands beside a reference
    if description:
        schema["description"] = description
    if not option.required and option.default is not None:
        schema["default"] = to_plain(option.default)
    return schema


def _any_of_described(schemas: Iterable[Schema]) -> Schema:
    """Return the schema of an option that several components have; what describes it is dropped unless all agree."""
    ways = list(schemas)
    if all(one == ways[0] for one in ways):
        return ways[0]
    return any_of([{key: one[key] for key in one if key not in ("description", "default")} for one in ways])


def _inputs(loss: type[Any]) -> dict[str, bool]:
    """Return input of a loss → whether ``of`` must name its tensor."""
    return {name: one.default is inspect.Parameter.empty for name, one in inputs_of(loss).items()}
