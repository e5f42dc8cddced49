"""ganzoo weights list, get, path: the pretrained weights that parts take, and where they lie."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import click

from ganzoo.cli.arguments import AS_JSON
from ganzoo.errors import GanzooError
from ganzoo.plugins import plugins
from ganzoo.utils.formatting import format_bytes
from ganzoo.weights.store import find, lookup, present, recorded


@click.group("weights")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False),
    help="A folder to look in first; it is not written.  [default: the variable GANZOO_WEIGHTS]",
)
def weights_command(folder: str | None) -> None:
    """Show, fetch and find the pretrained weights that parts take."""
    if folder:
        os.environ["GANZOO_WEIGHTS"] = folder  # so that the parts of a recipe look there, too


@weights_command.command("list")
@AS_JSON
def list_weights(as_json: bool) -> None:
    """List what is known of each file, and where it lies."""
    listed = plugins().registry.weights
    entries = [*listed.values(), *(one for one in recorded() if one.name not in listed)]
    places = {one.name: present(one) for one in entries}
    if as_json:
        shown = [asdict(one) | {"path": str(places[one.name] or "")} for one in entries]
        click.echo(json.dumps(shown, indent=1))
        return
    for one in entries:
        known = format_bytes(one.size) if one.size else "size unknown"
        licence = one.licence or "licence unknown"
        click.echo(f"{one.name:<42} {known:>12}  {licence:<16}  {places[one.name] or 'not here'}")


@weights_command.command("get")
@click.argument("wanted", nargs=-1, required=True)
def get_weights(wanted: tuple[str, ...]) -> None:
    """Fetch what is WANTED and not here: names, or recipes (*.yaml) with overrides, whose parts know what they need."""
    recipes = [one for one in wanted if one.endswith((".yaml", ".yml"))]
    overrides = [one for one in wanted if "=" in one]
    if overrides and not recipes:
        raise GanzooError(f"{overrides[0]}: an override, and no recipe (*.yaml) is named")
    for name in [one for one in wanted if one not in recipes and one not in overrides]:
        click.echo(find(name))
    for recipe in recipes:
        fetch_for(Path(recipe), overrides)
        click.echo(f"{recipe}: the weights that it needs are here")


@weights_command.command("path")
@click.argument("name")
def path_of_weights(name: str) -> None:
    """Print where a file lies. Fetches nothing: exit code 2 where it is not here."""
    if present(lookup(name)) is None:
        raise GanzooError(f"{name} is not here; ganzoo weights get {name} fetches it")
    click.echo(find(name))


def fetch_for(file: Path, overrides: list[str]) -> None:
    """Make the parts of a recipe, as a run would, so that they take their weights. Raises GanzooError."""
    from ganzoo.recipe.reader import read_recipe

    recipe = read_recipe(file, overrides)  # makes the maskers
    problems = []
    for part in [*recipe.losses.values(), *recipe.metrics]:
        try:
            part.make()
        except GanzooError as error:
            problems.append(f"{file}: {part.component.kind} {part.component.name}: {error}")
    if problems:
        raise GanzooError("\n".join(problems))
