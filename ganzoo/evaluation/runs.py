"""Evaluate checkpoints of runs and folders of images after training; for ``ganzoo evaluate``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganzoo.build import Experiment
from ganzoo.data.sampler import image_counts
from ganzoo.engine.checkpoint_files import find_checkpoint, read_progress
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluator, format_evaluation
from ganzoo.evaluation.folders import evaluate_folder
from ganzoo.evaluation.records import load_for_evaluation, make_record
from ganzoo.interfaces import Split
from ganzoo.provenance.fingerprint import cache_code_checksums
from ganzoo.recipe.run_recipe import RESOLVED, read_run_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.console import Console
from ganzoo.utils.jsonl import JsonLines

CHANGEABLE = ("data", "images", "evaluate")
"""The sections of a run's recipe that may be changed for an evaluation."""


def evaluate_targets(
    targets: Sequence[Path],
    *,
    metrics: Sequence[str] = (),
    checkpoint: str = "",
    split: Split | None = None,
    changes: Sequence[str] = (),
    against: Path | None = None,
    out: Path | None = None,
) -> list[dict[str, Any]]:
    """Evaluate each target, print its values, append its records to files; return the records.

    Args:
        targets: runs, checkpoints (``RUN/checkpoints/NAME``), or folders of images.
        metrics: the metrics to compute, written as in a recipe; they replace the run's metrics.
        checkpoint: name of the runs' checkpoint; by default ``last``, and ``best`` if it exists.
        split: the split to measure; by default ``test``, or ``validation`` if ``test`` lacks images of a domain.
        changes: overrides of the run's recipe, ``key.path=value``.
        against: the real images, for folders.
        out: a further file for the records.

    Raises GanzooError when a target is of no such kind, or a metric failed; in that case after all values are recorded.
    """
    if metrics:
        changes = [*changes, f"evaluate.metrics=[{', '.join(metrics)}]"]
    records, failed = [], []
    for target in targets:
        run, name = _run_of(target)
        if run is None:
            results = [evaluate_folder(target, against, metrics)]
        elif against:
            raise GanzooError(f"{target}: a run is evaluated on its own data; --against is for folders of images")
        else:
            results = evaluate_run(run, name or checkpoint, split, changes)
        for record in results:
            failed += [f"{target}: {metric}: {why}" for metric, why in record["failed"].items()]
            if out and os.environ.get("RANK", "0") == "0":
                JsonLines(out).append(**record)
        records += results
    if failed:
        raise GanzooError("\n".join(failed))
    return records


def _run_of(target: Path) -> tuple[Path | None, str]:
    """Return a target's run, or None for a folder of images, and the name of its checkpoint, if it is one."""
    if (target / RESOLVED).is_file():
        return target, ""
    in_a_run = target.parent.name == "checkpoints" and (target.parent.parent / RESOLVED).is_file()
    if in_a_run and find_checkpoint(target):
        return target.parent.parent, target.name
    if not target.is_dir():
        raise GanzooError(f"{target}: not a run, a checkpoint or a folder of images")
    return None, ""


def run_recipe(folder: Path, changes: Sequence[str] = ()) -> Recipe:
    """Return a run's recipe with its original name. Raises GanzooError when it cannot be read or changed."""
    recipe = read_run_recipe(folder, changes)
    place = folder.absolute().parent  # the recipe's name is that of the runs' folder
    return replace(recipe, file=place.with_name(f"{place.name}.yaml"))


def open_run(recipe: Recipe) -> Evaluator:
    """Return a run's evaluator with prepared metrics; the caller loads the weights of a checkpoint.

    Raises GanzooError when a part of the recipe cannot be built.
    """
    cache_code_checksums(recipe)
    experiment = Experiment(recipe)
    metrics = experiment.metrics
    for metric in metrics.values():
        metric.prepare(recipe.train.seed)
    engine, reader = experiment.engine, experiment.reader
    return Evaluator(engine, reader, metrics, seed=recipe.train.seed, batch=recipe.evaluate.batch)


def evaluate_run(folder: Path, checkpoint: str, split: Split | None, changes: Sequence[str]) -> list[dict[str, Any]]:
    """Evaluate checkpoints of a run, append the records to its results.jsonl and return them.

    Arguments as for ``evaluate_targets``. Raises GanzooError for changes to the training, and when metrics or
    checkpoints are missing.
    """
    for change in changes:
        if change.partition(".")[0] not in CHANGEABLE:
            raise GanzooError(
                f"{folder}: --set {change}: the training cannot be changed; data, images and evaluate can be set"
            )
    recipe = run_recipe(folder, changes)
    if not recipe.metrics:
        raise GanzooError(f"{folder}: its recipe names no metrics; add --metric NAME")
    names = [checkpoint] if checkpoint else ["last", "best"]
    names = [name for name in names if find_checkpoint(folder / "checkpoints" / name)]
    if not names:
        raise GanzooError(f"{folder}: the run has no checkpoint {checkpoint or 'last'!r}")
    evaluator = open_run(recipe)
    dataset = evaluator.reader.dataset
    accelerator = evaluator.engine.accelerator
    splits: list[Split] = [split] if split else ["test", "validation"]
    chosen = next((one for one in splits if all(image_counts(dataset, one).values())), splits[0])
    console, records = Console(quiet=not accelerator.is_main_process), []
    last = find_checkpoint(folder / "checkpoints/last")
    reached = int(read_progress(last)["step"]) if last else 0
    for name in names:
        info = load_for_evaluation(folder, name, evaluator.engine)
        result = evaluator.measure(chosen)
        trained = int(info.progress["step"])
        record = make_record(evaluator, recipe, folder, info, max(reached, trained), chosen, result).fields()
        if accelerator.is_main_process:
            JsonLines(folder / "results.jsonl").append(**record)
        console.say(format_evaluation(f"{folder}, {name} of step {trained}, {chosen}", result))
        records.append(record)
    return records
