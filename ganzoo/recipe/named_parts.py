"""Read maskers and metrics that a command line names as a recipe does: ``--masker``, ``--metric``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ganzoo.errors import GanzooError
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import ROLES
from ganzoo.recipe.options import Problem, accepts_path, options_of
from ganzoo.recipe.quick_check import recipe_error
from ganzoo.recipe.reader import RecipeReader
from ganzoo.recipe.schema import Part
from ganzoo.recipe.yaml_document import Document, read_value
from ganzoo.utils.paths import expand_paths


def read_masker(text: str, role: str, origin: str) -> Part:
    """Read and check a masker that a command line names as a recipe does: ``unet``, ``{masker: unet, weights: …}``.

    Raises GanzooError with one line for each mistake, also for a masker that reuses another role's mask.

    Args:
        text: the masker, as YAML.
        role: the role that the masker is used in.
        origin: the place of the text in error messages, such as ``--masker``.
    """
    value = read_value(text, origin)
    reader = RecipeReader(Document({}, {}), ROLES)
    part = reader.read_part(value, (), "masker", MaskTransform)
    masker = reader.check_masker_fits(role, part, ()) if part else None
    if part and masker is not None and masker.shared_role:
        reader.add_problem((), f"{part.component.name!r} reuses another role's mask; name the masker that makes it")
    if reader.problems or part is None:
        raise _error(reader.problems, origin)
    return part


def named_file(text: str, origin: str) -> str:
    """Return the masker and option, ``unet: weights``, by which a text names a file or folder; empty if there is none.

    Maskers inside the named one count, too; nothing is built or read. Of a text with mistakes, which ``read_masker``
    refuses before it builds anything, the result is empty. Raises GanzooError if it is not YAML.

    Args:
        text, origin: see ``read_masker``.
    """
    part = RecipeReader(Document({}, {}), ROLES).read_part(read_value(text, origin), (), "masker", MaskTransform)
    for one in [part, *part.inner()] if part else []:
        for name, option in options_of(one.component.load()).items():
            if accepts_path(option.type) and one.options[name] != expand_paths(option.default):
                return f"{one.name}: {name}"
    return ""


def read_metrics(texts: Sequence[str], origin: str) -> list[Part]:
    """Read and check metrics that a command line names: ``swd``, ``{metric: fd, network: resnet18}``.

    Raises GanzooError with one line for each mistake.

    Args:
        texts: the metrics, each as YAML.
        origin: the place of the texts in error messages, such as ``--metric``.
    """
    values = [one for text in texts for one in read_value(text, origin, items=True)]
    reader = RecipeReader(Document({"evaluate": {"metrics": values}}, {}), ROLES)
    metrics = reader.read_metrics(None)
    if reader.problems:
        raise _error([replace(problem, path=problem.path[3:]) for problem in reader.problems], origin)
    return metrics


def _error(problems: Collection[Problem], origin: str) -> GanzooError:
    return recipe_error([": ".join([origin, *map(str, one.path), one.message]) for one in problems], problems)
