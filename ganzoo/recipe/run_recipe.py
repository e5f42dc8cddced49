"""Read the recipe that a run was trained with, from its folder; refuse one that was damaged, or edited unnoticed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from ganzoo.errors import GanzooError, suggest_path
from ganzoo.masks.roles import ROLES
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.sealed import read_sealed_text

RESOLVED = "resolved.yaml"
"""The file of a run's folder that holds its recipe with every option written out."""


def read_run_recipe(folder: Path, changes: Sequence[str] = (), roles: Collection[str] = ROLES) -> Recipe:
    """Return a run's recipe.

    Args:
        folder: the run's folder.
        changes: overrides, ``key.path=value``.
        roles: as for ``read_recipe``.

    Raises:
        DamagedError: resolved.yaml is not as the run wrote it, and does not say that it was edited.
        GanzooError: the folder is not a run's, or the recipe has mistakes.
    """
    file = folder / RESOLVED
    if not file.exists():
        runs = sorted(one.parent for one in folder.glob(f"*/{RESOLVED}"))
        hint = f" (did you mean {str(runs[0])!r}?)" if runs else "" if folder.exists() else suggest_path(folder)
        problem = f"not a run's folder: it contains no {RESOLVED}" if folder.exists() else "no such run"
        raise GanzooError(f"{folder}: {problem}{hint}")
    read_sealed_text(file)
    return read_recipe(file, changes, roles=roles)
