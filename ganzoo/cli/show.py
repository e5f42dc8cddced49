"""The command ``ganzoo show``: print one component's options and documentation."""

from __future__ import annotations

from typing import Any

import click

from ganzoo.cli.arguments import AS_JSON, echo
from ganzoo.plugins import plugins
from ganzoo.utils.jsonl import to_json, to_plain


@click.command("show")
@click.argument("kind")
@click.argument("name")
@AS_JSON
def show_command(kind: str, name: str, as_json: bool) -> None:
    """Show one component: its source file, its documentation, and its options with types and defaults."""
    about = describe(kind, name)
    if as_json:
        click.echo(to_json(to_plain(about), indent=1, ascii_only=True))
        return
    echo(f"{kind} {name}   (plugin {about['plugin']}, {about['source']})\n")
    echo(f"{about['doc']}\n" if about["doc"] else "(no documentation)\n")
    for option in about["options"]:
        default = "required" if option["required"] else f"= {option['default']!r}"
        echo(f"  {option['name']}: {option['type']} {default}")
    if not about["options"]:
        echo("  (no options)")
    if about["beside"]:
        echo(f"\n  and, as for every {kind}: {', '.join(about['beside'])}")


def describe(kind: str, name: str) -> dict[str, Any]:
    """Return what ``ganzoo show`` prints about a component, as plain data.

    Raises GanzooError if there is no such component, or if it cannot be imported.
    """
    import inspect
    from dataclasses import fields

    from ganzoo.masks.postprocess import MaskTransform
    from ganzoo.recipe.options import options_of
    from ganzoo.recipe.schema import LossAttachment
    from ganzoo.utils.jsonl import to_plain

    component = plugins().registry.get(kind, name)
    target = component.load()
    try:
        source = f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]}"
    except (OSError, TypeError):
        source = target.__module__
    kind_options = {"masker": MaskTransform, "loss": LossAttachment}.get(kind)
    return {
        "kind": kind,
        "name": name,
        "plugin": component.plugin,
        "source": source,
        "doc": inspect.cleandoc(target.__doc__) if target.__doc__ else "",
        "options": [
            {
                "name": option.name,
                "type": option.type_text,
                "required": option.required,
                "default": None if option.required else to_plain(option.default),
            }
            for option in options_of(target).values()
        ],
        "beside": [field.name for field in fields(kind_options)] if kind_options else [],
    }
