"""The sets of a matrix, read against the recipe whose run they are measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ganzoo.bench.matrix import figure
from ganzoo.bench.spec import Bench, Places, flow
from ganzoo.errors import GanzooError
from ganzoo.inference.options import role_of
from ganzoo.interfaces import Metric, Split
from ganzoo.provenance.fingerprint import plugins_of, portable
from ganzoo.provenance.record import Code, Record
from ganzoo.recipe.reader import read_masker
from ganzoo.recipe.schema import Part, Recipe


@dataclass(frozen=True)
class Source:
    """Where the pictures of a set come from.

    Args:
        split: whose real pictures; None for translations.
        masker: with which they are translated.
        given: what the spec says, for records.
    """

    split: Split | None
    masker: Part | None
    given: dict[str, Any]

    def __post_init__(self) -> None:
        assert (self.split is None) != (self.masker is None)


def sets_of(bench: Bench, recipe: Recipe, places: Places) -> dict[str, Source]:
    """Return the sets of a table's matrix, by name; none where it has columns.

    Raises GanzooError for a metric that looks at no real pictures, a domain into which the method does not translate,
    and a masker that is wrong.
    """
    matrix = bench.spec.matrix
    if matrix is None:
        return {}
    where = f"{bench.file}: matrix"
    (measured,) = recipe.metrics
    if measured.component.load().real_rows is Metric.real_rows:  # type: ignore[attr-defined]
        name = measured.component.name
        raise GanzooError(f"{where}.metric: {name!r} looks at no real pictures; take one that does, such as fid or swd")
    ways = recipe.method.make().directions
    for domain in matrix.domains:
        if domain not in {way[1] for way in ways}:
            raise GanzooError(f"{where}.domains: the method translates {', '.join(ways)}, so nothing into {domain}")
    found = {}
    for name, one in matrix.sets.items():
        if one.real:
            found[name] = Source(one.real, None, {"real": one.real})
            continue
        text = bench.filled(flow(one.masker), places)
        part = read_masker(text, role_of(recipe.maskers), f"{where}.sets.{name}")
        found[name] = Source(None, part, {"masker": portable(yaml.safe_load(text))})
    return found


def code_of(recipe: Recipe, sets: Mapping[str, Source]) -> dict[str, Code]:
    """Return the plugins that a recipe's parts and the sets' maskers come from, as a record has them."""
    maskers = [one.masker for one in sets.values() if one.masker]
    return {name: Code(**code) for name, code in plugins_of(recipe, maskers).items()}


def compared(bench: Bench, sets: Mapping[str, Source]) -> dict[str, list[dict[str, Any]]]:
    """Return what each figure of a matrix compares: figure → its two sets, as a record has them."""
    pairs = bench.spec.matrix.pairs() if bench.spec.matrix else ()
    return {figure(domain, one, other): [sets[one].given, sets[other].given] for domain, one, other in pairs}


def changed_sets(bench: Bench, record: Record, sets: Mapping[str, Source]) -> list[str]:
    """Return ``["sets"]`` where a whole record compares others than the matrix asks for."""
    wanted = compared(bench, sets) if record.status == "ok" else {}
    return ["sets"] if any(record.about.get(name, {}).get("sets") != pair for name, pair in wanted.items()) else []
