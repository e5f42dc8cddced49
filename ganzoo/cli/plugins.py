"""The command ``ganzoo plugins``: print the plugins, and check their components."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from ganzoo.cli.arguments import AS_JSON, echo
from ganzoo.cli.show import describe
from ganzoo.errors import GanzooError
from ganzoo.plugins import plugins


@click.command("plugins")
@click.option("--check", is_flag=True, help="Import every component and read its options; report those that fail.")
@AS_JSON
def plugins_command(check: bool, as_json: bool) -> None:
    """List the installed plugins, with the error of each that failed to load."""
    installed = plugins()
    broken: dict[str, str] = {}
    for component in installed.registry.find() if check else []:
        try:
            describe(component.kind, component.name)
        except GanzooError as error:
            broken[f"{component.kind} {component.name}"] = str(error)
    if as_json:
        listed = [asdict(plugin) | {"bundled": plugin.bundled} for plugin in installed.loaded]
        click.echo(json.dumps({"plugins": listed, "broken": broken} if check else listed, indent=1))
    else:
        for plugin in installed.loaded:
            origin = "bundled" if plugin.bundled else f"{plugin.package} {plugin.version}"
            count = f"{plugin.components} component" + "s" * (plugin.components != 1)
            echo(f"{plugin.name:<16} {origin:<28} " + (f"FAILED: {plugin.error}" if plugin.error else count))
        for reason in broken.values():
            echo(f"broken: {reason}")
    if broken:
        raise GanzooError(f"{len(broken)} of {len(installed.registry.find())} components are broken")
