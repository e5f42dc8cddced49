"""The commands ``ganzoo weights list``, ``get`` and ``path``: show, download and locate pretrained weights."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import click

from ganzoo.cli.arguments import AS_JSON, echo
from ganzoo.cli.usage_errors import RECIPE_SUFFIXES
from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.utils.formatting import format_bytes
from ganzoo.utils.program import program_name
from ganzoo.weights.store import find, listed, local_path, lookup, recorded

CHANNELS = 3
"""Channels of the images for which networks are constructed."""


@click.group("weights")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False),
    help="A folder to search first; it is never written.  [default: the variable GANZOO_WEIGHTS]",
)
def weights_command(folder: str | None) -> None:
    """Show, download and locate pretrained weights."""
    if folder:
        os.environ["GANZOO_WEIGHTS"] = folder  # so that a recipe's parts search it, too


@weights_command.command("list")
@AS_JSON
def list_weights(as_json: bool) -> None:
    """List all known files of weights, with their sizes, licences and paths; a missing file has no path."""
    entries = [*listed().values(), *(entry for entry in recorded() if entry.name not in listed())]
    paths = {entry.name: local_path(entry) for entry in entries}
    if as_json:
        rows = [asdict(entry) | {"path": str(paths[entry.name] or "")} for entry in entries]
        click.echo(json.dumps(rows, indent=1))
        return
    for entry in entries:
        size = format_bytes(entry.size) if entry.size else "size unknown"
        licence = entry.licence or "licence unknown"
        place = paths[entry.name] or "not here"
        echo(f"{entry.name:<42} {size:>12}  {licence:<16}  {place}")


@weights_command.command("get")
@click.argument("wanted", nargs=-1, required=True)
def get_weights(wanted: tuple[str, ...]) -> None:
    """Download missing weights.

    WANTED are names of weights, or recipes (*.yaml), with overrides, whose parts need weights: networks, losses, …
    """
    recipes = [word for word in wanted if word.endswith(RECIPE_SUFFIXES) and ("=" not in word or Path(word).is_file())]
    overrides = [word for word in wanted if "=" in word and word not in recipes]
    if overrides and not recipes:
        raise GanzooError(f"{overrides[0]}: an override, but no recipe (*.yaml) is named")
    for name in [word for word in wanted if word not in recipes and word not in overrides]:
        echo(find(name))
    for recipe in recipes:
        fetch_for(Path(recipe), overrides)
        echo(f"{recipe}: all weights that it needs are here")


@weights_command.command("path")
@click.argument("name")
def path_of_weights(name: str) -> None:
    """Print the path of a file of weights.

    Nothing is downloaded: if the file is not on this machine, the exit code is 5.
    """
    if local_path(lookup(name)) is None:
        raise MissingResourceError(f"{name} is not here; download it with: {program_name()} weights get {name}")
    echo(find(name))


def fetch_for(file: Path, overrides: list[str]) -> None:
    """Construct the method, networks, maskers, losses and metrics of a recipe, so that they download missing weights.

    Raises GanzooError with one line for each mistake in the recipe, or else for each part that cannot be constructed.
    """
    from ganzoo.contracts.declaration import PROVIDED
    from ganzoo.recipe.reader import read_recipe

    recipe = read_recipe(file, overrides)  # constructs the maskers
    problems = []
    for part in [*recipe.networks.values(), *recipe.losses.values(), *recipe.metrics]:
        try:
            part.make(*(CHANNELS for _ in PROVIDED.get(part.component.kind, ())))
        except GanzooError as error:
            problems.append(f"{file}: {part.component.kind} {part.component.name}: {error}")
    if problems:
        raise GanzooError("\n".join(problems))
