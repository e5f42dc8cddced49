"""ganzoo plugins."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from ganzoo.cli.arguments import AS_JSON
from ganzoo.cli.show import describe
from ganzoo.errors import GanzooError
from ganzoo.plugins import plugins


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
