"""Read the recipe that a run was trained with, from its folder; refuse one that was damaged, or edited unnoticed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from ganzoo.errors import GanzooError, suggest_path
from ganzoo.masks.roles import ROLES
from ganzoo.recipe.published import parts_of, require_components
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.sealed import read_sealed_text
from ganzoo.weights.hub import is_published

RESOLVED = "resolved.yaml"
"""The file of a run's folder that holds its recipe with every option written out."""
TRANSLATION_SECTIONS = ("method", "networks", "maskers", "data")
"""The sections whose components translations need."""
OTHER_SECTIONS = ("losses", "evaluate")


def read_run_recipe(
    folder: Path, changes: Sequence[str] = (), roles: Collection[str] = ROLES, *, for_translation: bool = False
) -> Recipe:
    """Return a run's recipe.

    Args:
        folder: the folder of a run, or a published one.
        changes: overrides, ``key.path=value``.
        roles: as for ``read_recipe``.
        for_translation: whether the losses and the section ``evaluate`` are left out, which translations do not need;
            their plugins and packages need not be installed then.

    Raises:
        DamagedError: resolved.yaml is not as the run wrote it, and does not say that it was edited.
        MissingResourceError: the folder is published, and a plugin of its recipe is not installed here.
        GanzooError: the folder is not a run's, or the recipe has mistakes.
    """
    require_run(folder)
    file = folder / RESOLVED
    read_sealed_text(file)
    left_out = OTHER_SECTIONS if for_translation else ()
    parts: list[str] = []
    if is_published(folder):
        require_components(folder, {*TRANSLATION_SECTIONS, *OTHER_SECTIONS} - {*left_out}, roles)
        parts += parts_of(folder, roles)
    overrides = [*parts, *(f"{section}=null" for section in left_out), *changes]
    return read_recipe(file, overrides, roles, for_translation=for_translation)


def require_run(folder: Path) -> None:
    """Raise GanzooError, with a similar path, unless a folder is that of a run, or a published one."""
    if not (folder / RESOLVED).exists():
        runs = sorted(one.parent for one in folder.glob(f"*/{RESOLVED}"))
        hint = f" (did you mean {str(runs[0])!r}?)" if runs else "" if folder.exists() else suggest_path(folder)
        problem = f"not a run's folder: it contains no {RESOLVED}" if folder.exists() else "no such run"
        raise GanzooError(f"{folder}: {problem}{hint}")
