"""The command ``ganzoo new plugin``: write the package of a new plugin."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from ganzoo.cli.arguments import PATH, echo
from ganzoo.errors import GanzooError, suggest
from ganzoo.utils.program import NAME, program_name


@click.group("new")
def new_command() -> None:
    """Write a package of your own."""


@new_command.command("plugin")
@click.argument("name")
@click.option(
    "--kind",
    "kinds",
    metavar="KIND",
    multiple=True,
    help="What the plugin adds; can be repeated.  [default: all kinds]",
)
@click.option("--into", type=PATH, default=Path("."), help="The folder for the project's folder.  [default: this one]")
@click.pass_context
def new_plugin(context: click.Context, name: str, kinds: tuple[str, ...], into: Path) -> None:
    """Write a complete package for the plugin NAME: working components with tests, a recipe, and how to publish it.

    The kinds are: method, generator, discriminator, masker, loss, dataset, metric, callback, command.
    """
    from ganzoo.authoring.names import check_name
    from ganzoo.authoring.package import KINDS, render_package
    from ganzoo.authoring.writer import write_project

    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise GanzooError("\n".join(f"--kind: unknown kind {kind!r}{suggest(kind, KINDS)}" for kind in unknown))
    root = context.find_root().command
    commands = root.list_commands(context) if isinstance(root, click.Group) else []
    names = check_name(name, kinds or KINDS, commands)
    folder = into / names.project
    files = render_package(names, kinds or KINDS)
    write_project(folder, files)
    echo(f"written: {folder}, {len(files)} files")
    echo("next:")
    module = "" if program_name() == NAME else f"{shlex.quote(sys.executable)} -m "  # a relative path ends at cd
    for line in (
        f"cd {shlex.quote(str(folder))}",
        f'{module or "python -m "}pip install -e ".[dev]"',
        f"{module or 'python -m '}pytest",
        f"{module}ganzoo plugins --check",
        f"{module}ganzoo run recipes/{name}.yaml",
    ):
        echo(f"  {line}")
