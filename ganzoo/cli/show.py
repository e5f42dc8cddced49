"""The command ``ganzoo show``: print one component's options and documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from ganzoo.cli.arguments import AS_JSON, complete_kind, complete_name, echo
from ganzoo.errors import GanzooError, suggest
from ganzoo.plugins import plugins
from ganzoo.utils.jsonl import to_json, to_plain

SETTINGS = "settings"
"""The kind of the sections of a recipe that are no components."""


@click.command("show")
@click.argument("kind", shell_complete=complete_kind)
@click.argument("name", shell_complete=complete_name)
@AS_JSON
def show_command(kind: str, name: str, as_json: bool) -> None:
    """Show one component: its source file, its documentation, its options with types and defaults, and what it uses.

    That is the inputs of a loss, the masks of a masker, the directions of a metric, the networks, mask roles, tensors
    and styles of a method, and the domains of a data set.

    KIND settings and NAME images, train or evaluate show the options of these sections of a recipe.
    """
    about = describe(kind, name)
    if as_json:
        click.echo(to_json(to_plain(about), indent=1, ascii_only=True))
        return
    echo(f"{kind} {name}   (plugin {about['plugin']}, {about['source']})\n")
    echo(f"{about['doc']}\n" if about["doc"] else "(no documentation)\n")
    _echo_options(about["options"])
    for line in fact_lines(about["facts"]):
        echo(line)
    if about["beside"]:
        echo(f"\nand, as for every {kind}:\n\n{about['beside_doc']}\n")
        _echo_options(about["beside"])


def _echo_options(options: Sequence[Mapping[str, Any]]) -> None:
    for option in options:
        default = "required" if option["required"] else f"= {option['default']!r}"
        echo(f"  {option['name']}: {option['type']} {default}")
    if not options:
        echo("  (no options)")


def fact_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about what a component uses: one for each fact, or one for each entry of a fact that has more."""
    if facts:
        yield ""
    for name, value in facts.items():
        label = name.replace("_", " ")
        if isinstance(value, Mapping):
            yield f"{label}: none" if not value else f"{label}:"
            yield from (f"  {key}: {_fact_text(entry)}" for key, entry in value.items())
        elif name != "not_constructed" or value:
            yield f"{label}: {_fact_text(value)}"


def _fact_text(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = [f"{key} {_fact_text(one)}" for key, one in value.items() if one and one is not True]
        return ", ".join([*parts, *(key.replace("_", " ") for key, one in value.items() if one is True)])
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value) or "none"


def describe(kind: str, name: str) -> dict[str, Any]:
    """Return what ``ganzoo show`` prints about a component, as plain data.

    Raises GanzooError if there is no such component, or if it cannot be imported.
    """
    import inspect

    from ganzoo.check.component_facts import component_facts
    from ganzoo.contracts.declaration import KIND_OPTIONS
    from ganzoo.contracts.origin import source_line
    from ganzoo.recipe.quick_check import SETTINGS as SECTIONS_OF_SETTINGS

    facts: dict[str, Any] = {}
    if kind == SETTINGS:
        if name not in SECTIONS_OF_SETTINGS:
            raise GanzooError(f"there are no settings {name!r}{suggest(name, SECTIONS_OF_SETTINGS)}")
        target, plugin = SECTIONS_OF_SETTINGS[name][0], "core"
    else:
        component = plugins().registry.get(kind, name)
        target, plugin = component.load(), component.plugin
        facts = component_facts(component)
    source = source_line(target) or target.__module__
    kind_options = KIND_OPTIONS.get(kind)
    return {
        "kind": kind,
        "name": name,
        "plugin": plugin,
        "source": source,
        "doc": inspect.cleandoc(target.__doc__) if target.__doc__ else "",
        "options": _options(target),
        "facts": facts,
        "beside": _options(kind_options) if kind_options else [],
        "beside_doc": inspect.cleandoc(kind_options.__doc__ or "") if kind_options else "",
    }


def _options(target: type[Any]) -> list[dict[str, Any]]:
    from ganzoo.recipe.options import options_of

    return [
        {
            "name": option.name,
            "type": option.type_text,
            "required": option.required,
            "default": None if option.required else to_plain(option.default),
        }
        for option in options_of(target).values()
    ]
