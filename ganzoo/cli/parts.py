"""ganzoo plugins, list, show: what there is, and where it comes from."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from ganzoo.errors import GanzooError
from ganzoo.plugins import plugins
from ganzoo.registry import KINDS

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("plugins")
@click.option("--check", is_flag=True, help="Import every component and read its options; report those that fail.")
@AS_JSON
def plugins_command(check: bool, as_json: bool) -> None:
    """Show the installed plugins, and why those that failed did."""
    found = plugins()
    broken: dict[str, str] = {}
    for component in found.registry.find() if check else []:
        try:
            describe(component.kind, component.name)
        except GanzooError as error:
            broken[f"{component.kind} {component.name}"] = str(error)
    if as_json:
        shown = [asdict(one) | ({"bundled": one.bundled}) for one in found.loaded]
        click.echo(json.dumps({"plugins": shown, "broken": broken} if check else shown, indent=1))
    else:
        for one in found.loaded:
            origin = "bundled" if one.bundled else f"{one.package} {one.version}"
            count = f"{one.components} component" + "s" * (one.components != 1)
            click.echo(f"{one.name:<16} {origin:<28} " + (f"FAILED: {one.error}" if one.error else count))
        for reason in broken.values():
            click.echo(f"broken: {reason}")
    if broken:
        raise GanzooError(f"{len(broken)} of {len(found.registry.find())} components are broken")


@click.command("list")
@click.argument("kind", required=False)
@click.argument("pattern", default="*")
@AS_JSON
def list_command(kind: str | None, pattern: str, as_json: bool) -> None:
    """List components, all or of a KIND, whose name fits the glob PATTERN."""
    found = plugins().registry.find(kind, pattern)
    if as_json:
        click.echo(json.dumps([{"kind": c.kind, "name": c.name, "plugin": c.plugin} for c in found], indent=1))
        return
    for component in found:
        click.echo(f"{component.kind:<14} {component.name:<20} {component.plugin}")
    if not found:
        click.echo(f"none (kinds: {', '.join(KINDS)})", err=True)


@click.command("show")
@click.argument("kind")
@click.argument("name")
@AS_JSON
def show_command(kind: str, name: str, as_json: bool) -> None:
    """Show one component: options with types and defaults, its text, where it is written."""
    about = describe(kind, name)
    if as_json:
        click.echo(json.dumps(about, indent=1, default=str))
        return
    click.echo(f"{kind} {name}   (plugin {about['plugin']}, {about['source']})\n")
    click.echo(f"{about['doc']}\n" if about["doc"] else "(no documentation)\n")
    for option in about["options"]:
        default = "required" if option["required"] else f"= {option['default']!r}"
        click.echo(f"  {option['name']}: {option['type']} {default}")
    if not about["options"]:
        click.echo("  (no options)")
    if about["beside"]:
        click.echo(f"\n  and, as every {kind}: {', '.join(about['beside'])}")


def describe(kind: str, name: str) -> dict[str, Any]:
    """Return what ``ganzoo show`` shows, as plain data."""
    import inspect
    from dataclasses import fields

    from ganzoo.masks.postprocess import MaskerUse
    from ganzoo.recipe.options import options_of, plain
    from ganzoo.recipe.schema import LossUse

    component = plugins().registry.get(kind, name)
    target = component.load()
    try:
        source = f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]}"
    except (OSError, TypeError):
        source = target.__module__
    beside = {"masker": MaskerUse, "loss": LossUse}.get(kind)
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
                "default": None if option.required else plain(option.default),
            }
            for option in options_of(target).values()
        ],
        "beside": [one.name for one in fields(beside)] if beside else [],
    }
