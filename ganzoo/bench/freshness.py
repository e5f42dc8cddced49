"""Whether what a record was made with is what there is now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ganzoo.bench.sets import Source, changed_sets, code_of
from ganzoo.bench.spec import Bench
from ganzoo.provenance.fingerprint import data_key, portable, recipe_key
from ganzoo.provenance.record import Code, Record, Sitting
from ganzoo.provenance.sessions import chosen_by, trainers
from ganzoo.recipe.schema import Recipe


class Seen:
    """The checksums of data sets' pictures, each read once."""

    def __init__(self) -> None:
        self._keys: dict[str, dict[str, str]] = {}

    def of(self, recipe: Recipe) -> dict[str, str]:
        """Return split → checksum of a recipe's pictures; nothing where they are not on this machine."""
        where = str(recipe.data.resolved())
        if where not in self._keys:
            try:
                dataset = recipe.data.make()
                self._keys[where] = {split: data_key(dataset, split) for split in ("train", "validation", "test")}
            except Exception:  # a plugin's data set may do anything; not to be read is not to be here
                self._keys[where] = {}
        return self._keys[where]


def stale(bench: Bench, record: Record, recipe: Recipe, sets: Mapping[str, Source], seen: Seen) -> list[str]:
    """Return what a record follows from and is no more what it was: ``recipe``, ``plugin NAME``, ``pictures``, ….

    Args:
        bench: the table.
        record: of one of its cells.
        recipe: the cell's, as it is now.
        sets: of the table's matrix.
        seen: reads pictures.
    """
    changed = [] if record.recipe_key == recipe_key(recipe) else ["recipe"]
    if record.cell.get("prepared", "") != bench.prepared:
        changed.append("what is prepared")
    if record.status == "ok" and record.metrics != metrics_of(recipe):
        changed.append("metrics")
    changed += changed_sets(bench, record, sets)
    now, trained = code_of(recipe, sets), trainers(recipe)
    plugins = [name for one in record.trained_by for name in _others(one.plugins, trained)]
    changed += [f"plugin {name}" for name in dict.fromkeys([*_others(record.plugins, now), *plugins])]
    read = [record.data.keys, *(one.pictures for one in record.trained_by)]
    return [*changed, *(["pictures"] if any(_other_pictures(one, seen.of(recipe)) for one in read) else [])]


def trained_alike(sittings: Iterable[Sitting], recipe: Recipe, seen: Seen, checkpoint: str) -> bool:
    """Return whether a run was trained as it would be now: by the same code, on the same pictures, to the same length.

    One that was stretched to its length is another: its learning rate went another way. Where the best checkpoint is
    asked for, or its want ends the training, it has to have been chosen by the same.
    """
    length = (recipe.train.epochs, recipe.train.steps)
    chosen = checkpoint == "best" or recipe.evaluate.patience
    return not any(
        (one.epochs, one.steps) != length
        or _others(one.plugins, trainers(recipe))
        or _other_pictures(one.pictures, seen.of(recipe))
        or (chosen and one.chosen_by != chosen_by(recipe))
        for one in sittings
    )


def measured_alike(record: Record, recipe: Recipe, seen: Seen) -> bool:
    """Return whether a checkpoint was measured as it would be now, by the same code, on the same pictures."""
    return not (_others(record.plugins, code_of(recipe, {})) or _other_pictures(record.data.keys, seen.of(recipe)))


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


def _other_pictures(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    return any(now and now.get(split) != key for split, key in before.items())
