"""Whether what a record was made with is what there is now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from ganzoo.bench.matrix import distance_name
from ganzoo.bench.spec import Bench, Places, flow
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Metric, Split
from ganzoo.masks.roles import mask_role
from ganzoo.provenance.fingerprint import data_key, plugins_of, portable, recipe_key
from ganzoo.provenance.record import Code, Record, Session
from ganzoo.provenance.sessions import selection_settings, training_plugins
from ganzoo.recipe.reader import read_masker
from ganzoo.recipe.schema import Part, Recipe


class Seen:
    """The checksums of data sets' images, each read once."""

    def __init__(self) -> None:
        self._keys: dict[str, dict[str, str]] = {}

    def of(self, recipe: Recipe) -> dict[str, str]:
        """Return split → checksum of a recipe's images; nothing where they are not on this machine."""
        where = str(recipe.data.resolved())
        if where not in self._keys:
            try:
                dataset = recipe.data.make()
                self._keys[where] = {split: data_key(dataset, split) for split in ("train", "validation", "test")}
            except Exception:  # a plugin's data set may do anything; not to be read is not to be here
                self._keys[where] = {}
        return self._keys[where]


def stale(bench: Bench, record: Record, recipe: Recipe, sets: Mapping[str, Source], seen: Seen) -> list[str]:
    """Return what a record follows from and is no more what it was: ``recipe``, ``plugin NAME``, ``images``, ….

    Args:
        bench: the table.
        record: of one of its cells.
        recipe: the cell's, as it is now.
        sets: of the table's matrix.
        seen: reads images.
    """
    changed = [] if record.recipe_key == recipe_key(recipe) else ["recipe"]
    if record.cell.get("prepared", "") != bench.prepared:
        changed.append("what is prepared")
    if record.status == "ok" and record.metrics != metrics_of(recipe):
        changed.append("metrics")
    changed += changed_sets(bench, record, sets)
    now, trained = code_of(recipe, sets), training_plugins(recipe)
    plugins = [name for one in record.trained_by for name in _others(one.plugins, trained)]
    changed += [f"plugin {name}" for name in dict.fromkeys([*_others(record.plugins, now), *plugins])]
    read = [record.data.keys, *(one.images for one in record.trained_by)]
    return [*changed, *(["images"] if any(_other_images(one, seen.of(recipe)) for one in read) else [])]


def trained_alike(sessions: Iterable[Session], recipe: Recipe, seen: Seen, checkpoint: str) -> bool:
    """Return whether a run was trained as it would be now: by the same code, on the same images, to the same length.

    One that was stretched to its length is another: its learning rate went another way. Where the best checkpoint is
    asked for, or its want ends the training, it has to have been chosen by the same.
    """
    length = (recipe.train.epochs, recipe.train.steps)
    chosen = checkpoint == "best" or recipe.evaluate.patience
    return not any(
        (one.epochs, one.steps) != length
        or _others(one.plugins, training_plugins(recipe))
        or _other_images(one.images, seen.of(recipe))
        or (chosen and one.chosen_by != selection_settings(recipe))
        for one in sessions
    )


def measured_alike(record: Record, recipe: Recipe, seen: Seen) -> bool:
    """Return whether a checkpoint was measured as it would be now, by the same code, on the same images."""
    return not (_others(record.plugins, code_of(recipe, {})) or _other_images(record.data.keys, seen.of(recipe)))


def metrics_of(recipe: Recipe) -> object:
    """Return a recipe's metrics as records have them."""
    return portable(recipe.resolved()["evaluate"]["metrics"])


def _others(before: Mapping[str, Code], now: Mapping[str, Code]) -> list[str]:
    """Return the plugins whose code differs, or of which one side knows nothing."""
    return [
        name
        for name in sorted({*before, *now})
        if name not in before or name not in now or before[name].code != now[name].code
    ]


def _other_images(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    return any(now and now.get(split) != key for split, key in before.items())


@dataclass(frozen=True)
class Source:
    """Where the images of a set come from.

    Args:
        split: whose real images; None for translations.
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

    Raises GanzooError for a metric that looks at no real images, a domain into which the method does not translate,
    and a masker that is wrong.
    """
    matrix = bench.spec.matrix
    if matrix is None:
        return {}
    where = f"{bench.file}: matrix"
    (measured,) = recipe.metrics
    if measured.component.load().reference_rows is Metric.reference_rows:  # type: ignore[attr-defined]
        name = measured.component.name
        raise GanzooError(f"{where}.metric: {name!r} looks at no real images; take one that does, such as fid or swd")
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
        part = read_masker(text, mask_role(recipe.maskers), f"{where}.sets.{name}")
        found[name] = Source(None, part, {"masker": portable(yaml.safe_load(text))})
    return found


def code_of(recipe: Recipe, sets: Mapping[str, Source]) -> dict[str, Code]:
    """Return the plugins that a recipe's parts and the sets' maskers come from, as a record has them."""
    maskers = [one.masker for one in sets.values() if one.masker]
    return {name: Code(**code) for name, code in plugins_of(recipe, maskers).items()}


def compared(bench: Bench, sets: Mapping[str, Source]) -> dict[str, list[dict[str, Any]]]:
    """Return what each figure of a matrix compares: figure → its two sets, as a record has them."""
    pairs = bench.spec.matrix.pairs() if bench.spec.matrix else ()
    return {distance_name(domain, one, other): [sets[one].given, sets[other].given] for domain, one, other in pairs}


def changed_sets(bench: Bench, record: Record, sets: Mapping[str, Source]) -> list[str]:
    """Return ``["sets"]`` where a whole record compares others than the matrix asks for."""
    wanted = compared(bench, sets) if record.status == "ok" else {}
    return ["sets"] if any(record.about.get(name, {}).get("sets") != pair for name, pair in wanted.items()) else []
