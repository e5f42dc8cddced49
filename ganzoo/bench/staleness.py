"""Decide whether a record is outdated: its recipe, plugins, images or sets have changed since it was written.

``ganzoo bench`` runs outdated cells again, and ``ganzoo table`` marks their rows. The second half of this module
compares the sets of a matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganzoo.bench.matrix import distance_name
from ganzoo.bench.spec import Bench, Places
from ganzoo.data.sampler import image_counts
from ganzoo.data.types import SPLITS
from ganzoo.engine.start import SETTING as START
from ganzoo.engine.start import find_start
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Metric, Split
from ganzoo.masks.roles import mask_role
from ganzoo.provenance.fingerprint import plugins_of, portable, recipe_key, weights_key
from ganzoo.provenance.images import data_key
from ganzoo.provenance.record import Code, Record, Session
from ganzoo.provenance.sessions import evaluation_settings, selection_settings, training_plugins
from ganzoo.recipe.named_parts import read_masker
from ganzoo.recipe.schema import Part, Recipe
from ganzoo.utils.core_yaml import flow, load_yaml


class ImageChecksums:
    """Computes checksums of the images of data sets, and remembers them, and which data sets have test images."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[dict[str, str], bool]] = {}

    def of(self, recipe: Recipe) -> dict[str, str]:
        """Return the checksum of a recipe's images in each split; empty if they cannot be read on this machine."""
        return self._read(recipe)[0]

    def has_test_images(self, recipe: Recipe) -> bool:
        """Return whether there are test images of each domain; False if they cannot be read on this machine."""
        return self._read(recipe)[1]

    def _read(self, recipe: Recipe) -> tuple[dict[str, str], bool]:
        where = str(recipe.data.resolved())
        if where not in self._found:
            try:
                dataset = recipe.data.make()
                keys: dict[str, str] = {split: data_key(dataset, split, recipe.data) for split in SPLITS}
                self._found[where] = keys, all(image_counts(dataset, "test").values())
            except Exception:  # a plugin's data set may raise anything; unreadable images count as missing
                self._found[where] = {}, False
        return self._found[where]


def stale(
    bench: Bench, record: Record, recipe: Recipe, sets: Mapping[str, SetSource], checksums: ImageChecksums
) -> list[str]:
    """Return what has changed since a record was written; empty if nothing has.

    The words are ``recipe``, ``preparation``, ``metrics``, ``checkpoint``, ``sets``, ``reach``, ``curves``,
    ``evaluations``, ``plugin NAME``, ``images`` and ``train.start``.

    Args:
        bench: the table.
        record: the record of one of the table's cells.
        recipe: the cell's recipe, as it is now.
        sets: the sets of the table's matrix, by name.
        checksums: the checksums of the images of data sets.
    """
    changes = [] if record.recipe_key == recipe_key(recipe) else ["recipe"]
    if record.cell.get("prepared", "") != bench.prepared:
        changes.append("preparation")
    if record.status == "ok" and (record.metrics != metrics_of(recipe) or _other_draws(record, recipe)):
        changes.append("metrics")
    if record.status == "ok" and record.checkpoint != shown_checkpoint(bench, recipe):
        changes.append("checkpoint")
    changes += changed_sets(bench, record, sets) + changed_courses(bench, record)
    if record.status == "ok" and _other_values_logged(bench, record.trained_by, recipe):
        changes.append("evaluations")
    now, trained = plugin_code(recipe, sets), training_plugins(recipe)
    plugins = [name for one in record.trained_by for name in _changed_plugins(one.plugins, trained)]
    changes += [f"plugin {name}" for name in dict.fromkeys([*_changed_plugins(record.plugins, now), *plugins])]
    trained_on_others = any(_images_changed(one.images, checksums.of(recipe)) for one in record.trained_by)
    changes += ["images"] if trained_on_others or _measured_on_others(record, recipe, checksums) else []
    return [*changes, *([START] if _start_changed(record.trained_by, recipe) else [])]


def shown_checkpoint(bench: Bench, recipe: Recipe) -> str:
    """Return the checkpoint that a table measures: ``last`` for a run of no steps, which has no best one."""
    return bench.spec.checkpoint if recipe.train.epochs or recipe.train.steps else "last"


def same_training(bench: Bench, sessions: Sequence[Session], recipe: Recipe, checksums: ImageChecksums) -> bool:
    """Return whether a run was trained as it would be now: plugins' code, images, length, networks that it began with.

    A run of another length counts as different, as its learning rate followed another schedule. If the table shows the
    best checkpoint, or early stopping or the learning rate depends on its value, the settings that choose it must be
    the same too; if it shows values of evaluations during training, those that were logged must be measured as now.

    Args:
        bench: the table.
        sessions: the run's sessions so far; without any, the run counts as the same.
        recipe: the cell's recipe, as it is now.
        checksums: the checksums of the images of data sets.
    """
    length = (recipe.train.epochs, recipe.train.steps)
    follows = recipe.evaluate.patience or recipe.train.lr_policy == "plateau"
    selects = shown_checkpoint(bench, recipe) == "best" or follows
    if _other_values_logged(bench, sessions, recipe) or _start_changed(sessions, recipe):
        return False
    return not any(
        (one.epochs, one.steps) != length
        or _changed_plugins(one.plugins, training_plugins(recipe))
        or _images_changed(one.images, checksums.of(recipe))
        or (selects and one.chosen_by != selection_settings(recipe))
        for one in sessions
    )


def same_measurement(record: Record, recipe: Recipe, checksums: ImageChecksums) -> bool:
    """Return whether a record was measured as it would be now: with the same plugins' code, images and intervals."""
    return not (
        _changed_plugins(record.plugins, plugin_code(recipe, {}))
        or _measured_on_others(record, recipe, checksums)
        or _other_draws(record, recipe)
    )


def metrics_of(recipe: Recipe) -> object:
    """Return a recipe's metrics as records store them."""
    return portable(recipe.resolved()["evaluate"]["metrics"])


def _changed_plugins(before: Mapping[str, Code], now: Mapping[str, Code]) -> list[str]:
    """Return the names of the plugins whose code differs, or that only one of the two mappings has."""
    return [
        name
        for name in sorted({*before, *now})
        if name not in before or name not in now or before[name].code != now[name].code
    ]


def _other_values_logged(bench: Bench, sessions: Iterable[Session], recipe: Recipe) -> bool:
    """Return whether a table shows values of evaluations during training that were not measured as they would be now.

    Sessions that do not say how they were measured count as equal.
    """
    if not (bench.spec.reach or bench.spec.curves) or not (recipe.train.epochs or recipe.train.steps):
        return False
    now = evaluation_settings(recipe)
    return any(one.evaluations and one.evaluations != now for one in sessions)


def _start_changed(sessions: Iterable[Session], recipe: Recipe) -> bool:
    """Return whether ``train.start`` has other networks now; False if they are not on this machine."""
    before = {one.sources[START] for one in sessions if START in one.sources}
    if not before or recipe.train.start is None:
        return False
    try:
        return before != {weights_key(find_start(recipe.train.start))}
    except (GanzooError, OSError):
        return False


def _images_changed(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Return whether the checksum of a split differs; False if the images are not on this machine."""
    return any(now and now.get(split) != key for split, key in before.items())


def _measured_on_others(record: Record, recipe: Recipe, checksums: ImageChecksums) -> bool:
    """Return whether a record is of images that were changed, or of validation images and there are test images now."""
    by_validation = record.split == "validation" and checksums.has_test_images(recipe)
    return by_validation or _images_changed(record.data.keys, checksums.of(recipe))


def _other_draws(record: Record, recipe: Recipe) -> bool:
    """Return whether the intervals of metric values are of another number of draws; 0 means that there are none."""
    measured = [one for one in record.about.values() if "sets" not in one and "reach" not in one]
    return any(one.get("bootstrap", 0) != recipe.evaluate.bootstrap for one in measured)


@dataclass(frozen=True)
class SetSource:
    """The source of the images of a matrix's set.

    Args:
        split: the split that real images come from; None for translations.
        masker: the masker that translations are made with; None for real images.
        described: the set as the spec describes it and records store it.
    """

    split: Split | None
    masker: Part | None
    described: dict[str, Any]

    def __post_init__(self) -> None:
        assert (self.split is None) != (self.masker is None)


def read_sets(bench: Bench, recipe: Recipe, places: Places) -> dict[str, SetSource]:
    """Return the sources of the sets of a table's matrix, by name; empty if the table has columns.

    Raises GanzooError if the metric reads no real images, the method does not translate into one of the domains, or a
    masker is wrong.
    """
    matrix = bench.spec.matrix
    if matrix is None:
        return {}
    where = f"{bench.file}: matrix"
    (metric,) = recipe.metrics
    if metric.component.load().reference_rows is Metric.reference_rows:  # type: ignore[attr-defined]
        name = metric.component.name
        raise GanzooError(f"{where}.metric: {name!r} reads no real images; take one that does, such as fid or swd")
    directions = recipe.method.make().directions
    for domain in matrix.domains:
        if domain not in {direction[1] for direction in directions}:
            raise GanzooError(f"{where}.domains: the method translates {', '.join(directions)}, not into {domain}")
    sources = {}
    for name, one in matrix.sets.items():
        if one.real:
            sources[name] = SetSource(one.real, None, {"real": one.real})
            continue
        text = bench.filled(flow(one.masker), places)
        part = read_masker(text, mask_role(recipe.maskers), f"{where}.sets.{name}")
        sources[name] = SetSource(None, part, {"masker": portable(load_yaml(text))})
    return sources


def plugin_code(recipe: Recipe, sets: Mapping[str, SetSource]) -> dict[str, Code]:
    """Return the version and code of the plugins of a recipe's parts and of the sets' maskers, by plugin."""
    maskers = [one.masker for one in sets.values() if one.masker]
    return {name: Code(**code) for name, code in plugins_of(recipe, maskers).items()}


def compared_sets(bench: Bench, sets: Mapping[str, SetSource]) -> dict[str, list[dict[str, Any]]]:
    """Return the two sets that each value of a matrix compares, as records store them, by the value's name."""
    pairs = bench.spec.matrix.pairs() if bench.spec.matrix else ()
    return {
        distance_name(domain, one, other): [sets[one].described, sets[other].described] for domain, one, other in pairs
    }


def changed_sets(bench: Bench, record: Record, sets: Mapping[str, SetSource]) -> list[str]:
    """Return ``["sets"]`` if a complete record compares other sets than the matrix does, else an empty list."""
    wanted = compared_sets(bench, sets) if record.status == "ok" else {}
    return ["sets"] if any(record.about.get(name, {}).get("sets") != pair for name, pair in wanted.items()) else []


def changed_courses(bench: Bench, record: Record) -> list[str]:
    """Return what a complete record lacks of the course of its training: ``reach``, ``curves``, both or neither."""
    if record.status != "ok":
        return []
    reach, changes = bench.spec.reach, []
    if reach:
        found = [record.about.get(name, {}).get("reach") for name in reach.value_names()]
        changes += [] if found == 2 * [reach.described()] else ["reach"]
    if any(curve.name_in(record.history) not in record.history for curve in bench.spec.curves):
        changes.append("curves")
    return changes
