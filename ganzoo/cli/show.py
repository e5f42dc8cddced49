"""The command ``ganzoo show``: print one component's options and documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from ganzoo.cli.arguments import AS_JSON, echo
from ganzoo.errors import GanzooError, suggest
from ganzoo.plugins import plugins
from ganzoo.utils.jsonl import to_json, to_plain

SETTINGS = "settings"
"""The kind of the sections of a recipe that are no components."""


@click.command("show")
@click.argument("kind")
@click.argument("name")
@AS_JSON
def show_command(kind: str, name: str, as_json: bool) -> None:
    """Show one component: its source file, its documentation, and its options with types and defaults.

    KIND settings and NAME images, train or evaluate show the options of these sections of a recipe.
    """
    about = describe(kind, name)
    if as_json:
        click.echo(to_json(to_plain(about), indent=1, ascii_only=True))
        return
    echo(f"{kind} {name}   (plugin {about['plugin']}, {about['source']})\n")
    echo(f"{about['doc']}\n" if about["doc"] else "(no documentation)\n")
    _echo_options(about["options"])
    if about["beside"]:
        echo(f"\nand, as for every {kind}:\n\n{about['beside_doc']}\n")
        _echo_options(about["beside"])


def _echo_options(options: Sequence[Mapping[str, Any]]) -> None:
    for option in options:
        default = "required" if option["required"] else f"= {option['default']!r}"
        echo(f"  {option['name']}: {option['type']} {default}")
    if not options:
        echo("  (no options)")


def describe(kind: str, name: str) -> dict[str, Any]:
    """Return what ``ganzoo show`` prints about a component, as plain data.

    Raises GanzooError if there is no such component, or if it cannot be imported.
    """
    import inspect

    from ganzoo.masks.postprocess import MaskTransform
    from ganzoo.recipe.discriminator_options import DiscriminatorOptions
    from ganzoo.recipe.quick_check import SETTINGS as SECTIONS_OF_SETTINGS
    from ganzoo.recipe.schema import LossAttachment

    if kind == SETTINGS:
        if name not in SECTIONS_OF_SETTINGS:
            raise GanzooError(f"there are no settings {name!r}{suggest(name, SECTIONS_OF_SETTINGS)}")
        target, plugin = SECTIONS_OF_SETTINGS[name][0], "core"
    else:
        component = plugins().registry.get(kind, name)
        target, plugin = component.load(), component.plugin
    try:
        source = f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]}"
    except (OSError, TypeError):
        source = target.__module__
    kind_options = {"discriminator": DiscriminatorOptions, "masker": MaskTransform, "loss": LossAttachment}.get(kind)
    return {
        "kind": kind,
        "name": name,
        "plugin": plugin,
        "source": source,
        "doc": inspect.cleandoc(target.__doc__) if target.__doc__ else "",
        "options": _options(target),
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
