"""Make what a recipe needs before it can be read: trained runs, banks of patches; ``ganzoo.run`` calls it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click
from filelock import FileLock

from ganzoo.engine.checkpoint_files import find_checkpoint
from ganzoo.errors import GanzooError
from ganzoo.plugins import plugins
from ganzoo.recipe.needs import Need
from ganzoo.recipe.quick_check import read_document
from ganzoo.training.loop import train
from ganzoo.training.run import Run
from ganzoo.utils.console import Console
from ganzoo.utils.jsonl import JsonLines


def make_needs(
    recipe: Path,
    overrides: Sequence[str] = (),
    *,
    demo: bool = False,
    device: str = "",
    users: tuple[Path, ...] = (),
) -> None:
    """Make the folders in the recipe's section ``needs`` that are not complete; resume runs that were stopped.

    Args:
        recipe: the recipe's file.
        overrides: changes of the recipe, each ``key.path=value``.
        demo: whether the recipe's section ``demo`` applies.
        device: a torch device; by default the accelerator, if there is one.
        users: the recipes that led to this one, as resolved paths.

    Raises GanzooError if the section is wrong, if recipes need each other, or if something cannot be made: where the
    section shows it, before anything is made.
    """
    if recipe.resolve() in users:
        names = " → ".join(path.name for path in (*users, recipe))
        raise GanzooError(f"{recipe}: recipes that need each other: {names}")
    for need in missing_needs(recipe, overrides, demo=demo):
        if _is_complete(need):  # made in the meantime, as something that an earlier one needs
            continue
        Console().say(f"{recipe} needs {need.path}: {need} makes it first")
        if need.recipe is None:
            _run_command(need)
            continue
        make_needs(need.recipe, need.overrides, demo=need.demo, device=device, users=(*users, recipe.resolve()))
        root, name = need.path.parents[1], need.path.name
        train(Run.prepare(need.recipe, need.overrides, name=name, root=root, demo=need.demo, device=device))


def missing_needs(recipe: Path, overrides: Sequence[str] = (), *, demo: bool = False) -> list[Need]:
    """Return what ``make_needs`` would make.

    Raises GanzooError if the section is wrong, or if it shows that something cannot be made.
    """
    missing = [need for need in read_document(recipe, overrides, demo=demo)[1] if not _is_complete(need)]
    for need in missing:
        if need.problem:
            raise GanzooError(need.problem)
    return missing


def _is_complete(need: Need) -> bool:
    """Return whether a needed folder exists, and if it is a run, whether its training has finished."""
    if need.recipe is None:
        return need.path.is_dir()
    if find_checkpoint(need.path / "checkpoints/last") is None:
        return False
    finished = True  # an imported run has no events
    for event in [line.get("event") for line in JsonLines(need.path / "events.jsonl")]:
        if event in ("started", "finished"):  # callbacks may write others after the last one
            finished = event == "finished"
    return finished


def _run_command(need: Need) -> None:
    """Run a plugin's command; of several processes one runs it, and the others wait."""
    commands = plugins().commands(())
    name, *words = need.command
    if name not in commands:
        raise GanzooError(f"needs.{need.path}: {name!r} is not a command of a plugin; there are: {', '.join(commands)}")
    need.path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(need.path.with_name(f".{need.path.name}.needs.lock")):
        if _is_complete(need):
            return
        try:
            commands[name].main([*words, "-o", str(need.path)], prog_name=f"ganzoo {name}", standalone_mode=False)
        except click.ClickException as error:
            raise GanzooError(f"needs.{need.path}: ganzoo {shlex.join(need.command)}: {error.message}") from None
