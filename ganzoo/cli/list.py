"""The command ``ganzoo list``: print the components."""

from __future__ import annotations

import json

import click

from ganzoo.cli.arguments import AS_JSON, complete_kind, complete_name, echo
from ganzoo.cli.notices import note_clashes, note_failed_plugins
from ganzoo.plugins import plugins
from ganzoo.registry import KINDS


@click.command("list")
@click.argument("kind", required=False, shell_complete=complete_kind)
@click.argument("pattern", default="*", shell_complete=complete_name)
@AS_JSON
def list_command(kind: str | None, pattern: str, as_json: bool) -> None:
    """List the components, or those of KIND whose names match the glob PATTERN."""
    note_failed_plugins()
    note_clashes()
    components = plugins().registry.find(kind, pattern)
    if as_json:
        click.echo(json.dumps([{"kind": c.kind, "name": c.name, "plugin": c.plugin} for c in components], indent=1))
        return
    for component in components:
        echo(f"{component.kind:<14} {component.name:<20} {component.plugin}")
    if not components:
        click.echo(f"none (kinds: {', '.join(KINDS)})", err=True)
