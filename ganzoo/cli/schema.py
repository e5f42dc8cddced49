"""The command ``ganzoo schema``: write the JSON schema of recipes, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH
from ganzoo.errors import GanzooError


@click.command("schema")
@click.option("-o", "--out", type=PATH, help="The file to write.  [default: print]")
@click.option("--check", "checked", type=PATH, help="Compare this file with the schema: exit code 2 if it differs.")
@click.option("--bundled", is_flag=True, help="Leave out the components of other packages' plugins.")
def schema_command(out: Path | None, checked: Path | None, bundled: bool) -> None:
    """Write the JSON schema of recipes with all installed components, with which editors complete and check them."""
    from ganzoo.plugins import plugins
    from ganzoo.recipe.json_schema import recipe_schema
    from ganzoo.utils.jsonl import to_json, write_text

    def warn(reason: str) -> None:
        click.echo(f"ganzoo: {reason}", err=True)

    kept = {plugin.name for plugin in plugins().loaded if plugin.bundled or not bundled}
    parts = [part for part in plugins().registry.find() if part.plugin in kept]
    text = to_json(recipe_schema(parts, warn), indent=1) + "\n"
    if checked and (not checked.is_file() or checked.read_bytes() != text.encode()):
        flag = " --bundled" if bundled else ""
        raise GanzooError(
            f"{checked}: it is not the schema of what is installed; write it: ganzoo schema{flag} -o {checked}"
        )
    if out:
        write_text(out, text)
    elif not checked:
        click.echo(text, nl=False)
