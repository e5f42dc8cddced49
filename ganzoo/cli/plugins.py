"""The command ``ganzoo plugins``: print the plugins, and check their components."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ganzoo.cli.arguments import AS_JSON, echo
from ganzoo.errors import GanzooError
from ganzoo.plugins import Plugin, plugins

if TYPE_CHECKING:
    from ganzoo.check.plugin_check import PluginFindings


@click.command("plugins")
@click.option("--check", is_flag=True, help="Import and construct every component, and check all that plugins add.")
@AS_JSON
@click.pass_obj
def plugins_command(own_commands: frozenset[str], check: bool, as_json: bool) -> None:
    """List the installed plugins, with the error of each that failed to load.

    --check constructs every component by its defaults, downloads nothing, and ends with exit code 2 if anything is
    wrong: a plugin that failed to load, a component, a command, or a name that two packages have.
    """
    installed, findings = plugins(), None
    if check:
        from ganzoo.check.plugin_check import check_plugins

        findings = check_plugins(installed, own_commands)
    if as_json:
        listed = [asdict(plugin) | {"bundled": plugin.bundled} for plugin in installed.loaded]
        click.echo(json.dumps({"plugins": listed, **asdict(findings)} if findings else listed, indent=1))
    else:
        for plugin in installed.loaded:
            for line in describe_plugin(plugin):
                echo(line)
        for line in describe_findings(findings) if findings else ():
            echo(line)
    if findings and findings.mistakes:
        count = len(findings.mistakes)
        raise GanzooError(f"{count} mistake{'s' * (count > 1)} in plugins")


def describe_plugin(plugin: Plugin) -> Iterator[str]:
    """Yield the lines about a plugin: its name, where it comes from, its components or error, what is left out."""
    origin = "bundled" if plugin.bundled else f"{plugin.package} {plugin.version}"
    count = f"{plugin.components} component" + "s" * (plugin.components != 1)
    yield f"{plugin.name:<16} {origin:<28} " + (f"FAILED: {plugin.error}" if plugin.error else count)
    yield from (f"{'':<16} {line}" for line in plugin.left_out)


def describe_findings(findings: PluginFindings) -> Iterator[str]:
    """Yield the lines about a check of all plugins."""
    for name, reason in findings.not_constructed.items():
        yield f"not constructed: {name}: {reason}"
    for line in findings.mistakes:
        yield f"broken: {line}"
    counts = f"{len(findings.constructed)} components constructed, {len(findings.not_constructed)} not constructed"
    yield f"{counts}, {len(findings.commands)} commands, {len(findings.mistakes)} mistakes"
