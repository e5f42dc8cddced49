"""``ganzoo evaluate``: measure checkpoints of runs, or images in folders, beside any training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganzoo.build import Experiment
from ganzoo.data.sampler import image_counts
from ganzoo.engine.checkpoint import find_checkpoint, read_progress
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluator, format_evaluation
from ganzoo.evaluation.folders import evaluate_folder
from ganzoo.evaluation.records import load_for_evaluation, make_record
from ganzoo.interfaces import Split
from ganzoo.provenance.fingerprint import note_code
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.console import Console
from ganzoo.utils.jsonl import JsonLines

RESOLVED = "resolved.yaml"
MEASURED = ("data", "images", "evaluate")
"""The sections of a recipe that may be other ones when a run is measured than when it was trained."""


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
    """Measure each target, print its figures, append its records; return them.

    Args:
        targets: runs, checkpoints (``RUN/checkpoints/NAME``), or folders of images.
        metrics: as in a recipe, in place of the run's own.
        checkpoint: of runs; by default both ``last`` and ``best``, where there are.
        split: by default ``test``, or ``validation`` where there is none.
        changes: of the run's recipe, ``key.path=value``.
        against: the real images, for folders.
        out: a file of records, besides the runs' own.

    Raises GanzooError where a target is none of these, or a metric failed; what was found is recorded first.
    """
    if metrics:
        changes = [*changes, f"evaluate.metrics=[{', '.join(metrics)}]"]
    records, failed = [], []
    for target in targets:
        run, name = _run_of(target)
        if run is None:
            found = [evaluate_folder(target, against, metrics)]
        elif against:
            raise GanzooError(f"{target}: a run is measured on its own data; --against is for folders of images")
        else:
            found = evaluate_run(run, name or checkpoint, split, changes)
        for record in found:
            failed += [f"{target}: {metric}: {why}" for metric, why in record["failed"].items()]
            if out and os.environ.get("RANK", "0") == "0":
                JsonLines(out).append(**record)
        records += found
    if failed:
        raise GanzooError("\n".join(failed))
    return records


def _run_of(target: Path) -> tuple[Path | None, str]:
    """Return the run of a target, and its checkpoint's name; None for a folder of images."""
    if (target / RESOLVED).is_file():
        return target, ""
    if find_checkpoint(target) and (target.parent.parent / RESOLVED).is_file():
        return target.parent.parent, target.name
    if not target.is_dir():
        raise GanzooError(f"{target}: no run, no checkpoint and no folder of images is there")
    return None, ""


def run_recipe(folder: Path, changes: Sequence[str] = ()) -> Recipe:
    """Return a run's recipe, under its own name. Raises GanzooError."""
    recipe = read_recipe(folder / RESOLVED, changes)
    return replace(recipe, file=folder.parent.with_suffix(".yaml"))  # the recipe's name is that of the runs' folder


def open_run(recipe: Recipe) -> Evaluator:
    """Build what measures a run, its metrics prepared; the caller loads a checkpoint's weights. Raises GanzooError."""
    note_code(recipe)
    experiment = Experiment(recipe)
    metrics = experiment.metrics
    for metric in metrics.values():
        metric.prepare(recipe.train.seed)
    engine, reader = experiment.engine, experiment.reader
    return Evaluator(engine, reader, metrics, seed=recipe.train.seed, batch=recipe.evaluate.batch)


def evaluate_run(folder: Path, checkpoint: str, split: Split | None, changes: Sequence[str]) -> list[dict[str, Any]]:
    """Measure checkpoints of a run, append the records to its results.jsonl, return them. Raises GanzooError."""
    for one in changes:
        if one.partition(".")[0] not in MEASURED:
            raise GanzooError(f"{folder}: --set {one}: it was trained as it was; data, images and evaluate can be set")
    recipe = run_recipe(folder, changes)
    if not recipe.metrics:
        raise GanzooError(f"{folder}: its recipe names no metrics; give some: --metric NAME")
    names = [checkpoint] if checkpoint else ["last", "best"]
    names = [name for name in names if find_checkpoint(folder / "checkpoints" / name)]
    if not names:
        raise GanzooError(f"{folder}: there is no checkpoint {checkpoint or 'last'!r} of it")
    evaluator = open_run(recipe)
    dataset = evaluator.reader.dataset
    accelerator = evaluator.engine.accelerator
    splits: list[Split] = [split] if split else ["test", "validation"]
    chosen = next((one for one in splits if all(image_counts(dataset, one).values())), splits[0])
    console, records = Console(quiet=not accelerator.is_main_process), []
    last = find_checkpoint(folder / "checkpoints/last")
    reached = int(read_progress(last)["step"]) if last else 0
    for name in names:
        taken = load_for_evaluation(folder, name, evaluator.engine)
        found = evaluator.measure(chosen)
        trained = int(taken.progress["step"])
        record = make_record(evaluator, recipe, folder, taken, max(reached, trained), chosen, found).fields()
        if accelerator.is_main_process:
            JsonLines(folder / "results.jsonl").append(**record)
        console.say(format_evaluation(f"{folder}, {name} of step {trained}, {chosen}", found))
        records.append(record)
    return records
