"""Describe the section ``networks`` as a JSON schema: the slots of each method, and the networks that fit a slot."""

from __future__ import annotations

from collections.abc import Mapping

from ganzoo.recipe.component_schema import ComponentSchemas, Place, or_null, reference
from ganzoo.recipe.method_facts import MethodFacts
from ganzoo.recipe.type_schema import Schema, closed_object

NETWORK_KINDS = ("generator", "discriminator", "masker")
ANY_NETWORK = "part.network"


class NetworkSchemas:
    """The schemas of the section ``networks``; collects them in ``definitions``.

    Args:
        components: the schemas of components.
        methods: the methods by name.
    """

    def __init__(self, components: ComponentSchemas, methods: Mapping[str, MethodFacts]) -> None:
        self.components = components
        self.methods = methods
        self.definitions: dict[str, Schema] = {ANY_NETWORK: self._any_network()}

    def of_any_method(self) -> Schema:
        """Return the schema of the section if the file does not name its method: any slot, the known ones by name."""
        kinds: dict[str, str] = {}
        for method in self.methods.values():
            for slot, kind in method.networks.items():
                kinds[slot] = kind if kinds.get(slot, kind) == kind else ""
        properties = {slot: self._network(kind) for slot, kind in kinds.items()}
        return {"type": ["object", "null"], "properties": properties, "additionalProperties": self._network("")}

    def by_method(self) -> list[Schema]:
        """Return conditions for the whole recipe: a method that it names closes the section to the method's slots."""
        alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
        for name, method in self.methods.items():
            if method.known:
                alike.setdefault(tuple(method.networks.items()), []).append(name)
        conditions = []
        for slots, names in alike.items():
            definition = f"networks.{names[0]}"
            self.definitions[definition] = or_null(closed_object({slot: self._network(kind) for slot, kind in slots}))
            named = {"enum": names}
            written = {"anyOf": [named, {"type": "object", "properties": {"method": named}, "required": ["method"]}]}
            conditions.append(
                {
                    "if": {"properties": {"method": written}, "required": ["method"]},
                    "then": {"properties": {"networks": reference(definition)}},
                }
            )
        return conditions

    def _network(self, kind: str) -> Schema:
        """Return the schema of a slot's entry, which may be changes of the slot's default; ``""``: of any kind."""
        one = self.components.use(Place(kind, in_slot=True), complete=False) if kind else reference(ANY_NETWORK)
        return or_null(one)

    def _any_network(self) -> Schema:
        """Return the schema of a network whose kind shows only if it states it."""
        by_kind = [
            {
                "if": {"type": "object", "required": [kind]},
                "then": self.components.use(Place(kind, in_slot=True), complete=False),
            }
            for kind in NETWORK_KINDS
        ]
        return {"type": ["string", "object"], "allOf": by_kind}
