"""Read the parts that a command names, as a recipe would name them."""

from __future__ import annotations

from collections.abc import Sequence

from ganzoo.errors import GanzooError
from ganzoo.masks.postprocess import MaskerUse
from ganzoo.masks.roles import ROLES
from ganzoo.recipe import Part
from ganzoo.recipe_reader import RecipeReader
from ganzoo.yamlfile import Document, apply_overrides


def read_masker(text: str, role: str, origin: str) -> Part:
    """Read and check a masker that a command names, as a recipe would: ``unet``, ``{masker: unet, weights: …}``.

    Args:
        text: YAML.
        role: which it is to serve.
        origin: where it is said, for the errors.

    Raises GanzooError with one line for each mistake, also for a masker that makes no mask by itself.
    """
    value = apply_overrides(Document({}, {(): origin}), [f"masker={text}"]).data["masker"]
    reader = RecipeReader(Document({}, {}), ROLES)
    part = reader.part(value, (), "masker", MaskerUse)
    if part and reader.fit(role, part, ()):
        reader.problem((), f"{part.component.name!r} hands on another role's mask; name the masker that makes it")
    if reader.problems or part is None:
        raise GanzooError("\n".join(": ".join([origin, *map(str, one.path), one.message]) for one in reader.problems))
    return part


def read_metrics(texts: Sequence[str], origin: str) -> list[Part]:
    """Read and check metrics that a command names: ``swd``, ``{metric: fd, network: resnet18}``.

    Args:
        texts: YAML, one each.
        origin: where they are said, for the errors.

    Raises GanzooError with one line for each mistake.
    """
    value = apply_overrides(Document({}, {(): origin}), [f"metrics=[{', '.join(texts)}]"]).data["metrics"]
    reader = RecipeReader(Document({"evaluate": {"metrics": value}}, {}), ROLES)
    parts = reader.metrics(None)
    if reader.problems:
        raise GanzooError(
            "\n".join(": ".join([origin, *map(str, one.path[3:]), one.message]) for one in reader.problems)
        )
    return parts
