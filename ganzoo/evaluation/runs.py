"""Evaluate checkpoints of runs after training, and folders of images; for ``ganzoo evaluate``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ganzoo.build import Experiment, metric_origins
from ganzoo.data.sampler import image_counts
from ganzoo.engine.checkpoint_files import find_checkpoint, read_progress
from ganzoo.engine.distributed import start_accelerator
from ganzoo.engine.start import is_import
from ganzoo.errors import GanzooError, suggest_path
from ganzoo.evaluation.evaluator import Evaluator
from ganzoo.evaluation.folders import check_folder, evaluate_folder
from ganzoo.evaluation.per_image import PerImageFile
from ganzoo.evaluation.printing import failure_lines, format_evaluation
from ganzoo.evaluation.records import Measured, load_for_evaluation, make_record
from ganzoo.interfaces import Split
from ganzoo.masks.roles import ROLES, TRANSLATION_ROLES
from ganzoo.provenance.fingerprint import cache_code_checksums
from ganzoo.provenance.images import IMAGES, read_image_list, read_images, shared_with_training
from ganzoo.recipe.published import find_run, run_names
from ganzoo.recipe.run_recipe import RESOLVED, read_run_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.recipe.yaml_document import read_value
from ganzoo.utils.console import Console
from ganzoo.utils.core_yaml import flow
from ganzoo.utils.jsonl import JsonLines
from ganzoo.utils.paths import require_file_place
from ganzoo.weights.hub import is_published

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
    device: str = "",
    out: Path | None = None,
    per_image: Path | None = None,
    bootstrap: int | None = None,
) -> list[dict[str, Any]]:
    """Evaluate each target, print its metric values, and return the fields of all records.

    The records of a run are appended to its results.jsonl, unless it is published.

    Args:
        targets: the folders of runs, of checkpoints (``RUN/checkpoints/NAME``), or of images; ``hf:USER/NAME``.
        metrics: the metrics to compute, written as in a recipe; they replace the run's metrics.
        checkpoint: the name of the runs' checkpoint; by default ``last`` and ``best``, if they exist.
        split: the split to measure; by default ``test``, or ``validation`` if ``test`` lacks images of a domain.
        changes: overrides of the run's recipe, each written as ``key.path=value``.
        against: the folder of real images; it is needed for folders of images, and an error for runs.
        device: a torch device; by default the accelerator, if there is one.
        out: a file to which all records are appended, too.
        per_image: a CSV file for the values of single images, which is replaced.
        bootstrap: the number of draws for intervals of the values, 0 for none; by default as the runs' recipes say.

    Raises GanzooError if a target is of no such kind or cannot be evaluated, or an option is not for it; and, after all
    targets are evaluated, if a metric failed or a file cannot be written.
    """
    found = [(target, *_run_of(target)) for target in map(find_run, targets)]
    for target, run, name in found:
        given = {"--checkpoint": checkpoint, "--split": split, "--set": changes, "--against": against}
        _check_options(target, run, name, [option for option, value in given.items() if value])
    if out:
        require_file_place("-o", out)
    if metrics:
        named = [one for text in metrics for one in read_value(text, "--metric", items=True)]
        changes = [*changes, f"evaluate.metrics={flow(named)}"]
    if bootstrap is not None:
        changes = [*changes, f"evaluate.bootstrap={bootstrap}"]
    for target, run, name in found:  # before the first one is measured, which may take an hour
        if run is None:
            check_folder(target, against, metrics)
        else:
            checkpoints_of(run, name or checkpoint)
    table = PerImageFile(per_image) if per_image else None
    records, failed = [], []
    for target, run, name in found:
        try:
            for one in (
                evaluate_run(run, name or checkpoint, split, changes, device)
                if run
                else [evaluate_folder(target, against or Path(), metrics, device, bootstrap or 0)]
            ):
                records.append(one.record)
                failed += [f"{target}: {line}" for line in failure_lines(one.record["failed"])]
                if os.environ.get("RANK", "0") == "0":
                    failed += _write(one, run, out, table)
        except GanzooError as error:
            if not failed:
                raise
            failed.append(str(error))
            break
    if failed:
        raise GanzooError("\n".join(failed))
    return records


def _write(one: Measured, run: Path | None, out: Path | None, table: PerImageFile | None) -> list[str]:
    """Write what was measured to each file; return a line for each file that cannot be written."""
    files = [run / "results.jsonl"] if run and not is_published(run) else []  # it may be in the hub's cache
    writers: list[Callable[[], None]] = [partial(JsonLines(file).append, **one.record) for file in files]
    if out:
        writers.append(partial(JsonLines(out).append, **one.record))
    if table:
        writers.append(partial(table.add, one))
    problems = []
    for write in writers:
        try:
            write()
        except GanzooError as error:
            problems.append(str(error))
    return problems


def _run_of(target: Path) -> tuple[Path | None, str]:
    """Return a target's run, or None for a folder of images; and the checkpoint's name if it is one, else ``""``."""
    if (target / RESOLVED).is_file():
        return target, ""
    place = Path(os.path.abspath(target))  # the target may be a name alone, such as best
    if place.parent.name == "checkpoints" and (place.parents[1] / RESOLVED).is_file() and find_checkpoint(place):
        return (target.parents[1] if target.parent.name == "checkpoints" else place.parents[1]), place.name
    if not target.is_dir():
        raise GanzooError(f"{target}: not a run, a checkpoint or a folder of images{suggest_path(target)}")
    return None, ""


def _check_options(target: Path, run: Path | None, name: str, given: Sequence[str]) -> None:
    """Raise GanzooError if one of the given options is not read for a target.

    Args:
        target: the target.
        run: its run; None: it is a folder of images.
        name: the name of the checkpoint that it is; empty: it is a run.
        given: the names of options.
    """
    if run is None and (unread := [option for option in given if option != "--against"]):
        raise GanzooError(f"{target}: a folder of images; {', '.join(unread)} can only be given for runs")
    if run is not None and "--against" in given:
        raise GanzooError(f"{target}: a run is evaluated on its own data; --against is for folders of images")
    if name and "--checkpoint" in given:
        raise GanzooError(f"{target}: this is a checkpoint; leave --checkpoint out, or name the run, {run}")


def run_recipe(folder: Path, changes: Sequence[str] = ()) -> Recipe:
    """Return a run's recipe with overrides, named after the runs' folder. Raises as ``read_run_recipe`` does."""
    roles = TRANSLATION_ROLES if is_published(folder) else ROLES  # the weights of other maskers are not published
    recipe = read_run_recipe(folder, changes, roles)
    name, _ = run_names(folder)  # that of the runs' folder, which may have dots
    return replace(recipe, file=Path(f"{name or 'runs'}.yaml"))


def open_run(recipe: Recipe, device: str = "") -> Evaluator:
    """Return an evaluator for a run, with prepared metrics; the caller must load the weights of a checkpoint.

    Args:
        recipe: the run's recipe.
        device: a torch device; by default the accelerator, if there is one.

    Raises GanzooError if a part of the recipe cannot be built.
    """
    cache_code_checksums(recipe)
    experiment = Experiment(recipe, start_accelerator(device=device, command="evaluate"), trained=True)
    metrics, engine = experiment.metrics, experiment.engine
    seed, origins = recipe.train.seed, metric_origins(recipe.metrics)
    evaluator = Evaluator(engine, experiment.reader, metrics, seed=seed, batch=recipe.evaluate.batch, origins=origins)
    evaluator.prepare()
    return evaluator


def checkpoints_of(folder: Path, checkpoint: str) -> list[str]:
    """Return the checkpoint to evaluate; if none is named, those of ``last`` and ``best`` that the run has.

    Raises GanzooError if there is none.
    """
    names = [checkpoint] if checkpoint else ["last", "best"]
    names = [name for name in names if find_checkpoint(folder / "checkpoints" / name)]
    if not names:
        raise GanzooError(f"{folder}: the run has no checkpoint {checkpoint or 'last'!r}")
    return names


def evaluate_run(
    folder: Path, checkpoint: str, split: Split | None, changes: Sequence[str], device: str
) -> Iterator[Measured]:
    """Evaluate checkpoints of a run, and print the values of each; nothing is written.

    Args:
        folder: the run's folder.
        checkpoint: the checkpoint's name; empty: ``last`` and ``best``, if they exist.
        split: the split to measure; None: the default of ``evaluate_targets``.
        changes: overrides of the run's recipe, in its sections ``CHANGEABLE``.
        device: a torch device; by default the accelerator, if there is one.

    Yields what was measured of each checkpoint.
    """
    for change in changes:
        if change.partition("=")[0].partition(".")[0] not in CHANGEABLE:
            raise GanzooError(
                f"{folder}: --set {change}: the training cannot be changed; data, images and evaluate can be set"
            )
    of_other_data = any(change.startswith(("data.", "data=")) for change in changes)
    if is_import(folder) and not is_published(folder) and not of_other_data:
        raise GanzooError(f"{folder}: imported networks have no data of their own; add --set data.root=FOLDER")
    recipe = run_recipe(folder, changes)
    if not recipe.metrics:
        raise GanzooError(f"{folder}: its recipe names no metrics; add --metric NAME")
    names = checkpoints_of(folder, checkpoint)
    evaluator = open_run(recipe, device)
    dataset = evaluator.reader.dataset
    accelerator = evaluator.engine.accelerator
    splits: list[Split] = [split] if split else ["test", "validation"]
    chosen = next((one for one in splits if all(image_counts(dataset, one).values())), splits[0])
    console = Console(quiet=not accelerator.is_main_process)
    if of_other_data:
        for line in _training_images(folder, evaluator, recipe, chosen):
            console.say(line)
    last = find_checkpoint(folder / "checkpoints/last")
    reached = int(read_progress(last)["step"]) if last else 0
    for name in names:
        info = load_for_evaluation(folder, name, evaluator)
        if evaluator.lacks:
            measured, lacks = ", ".join(evaluator.directions), ", ".join(evaluator.lacks)
            console.say(f"{folder}, {name}: the checkpoint lacks {lacks}; measured: {measured}")
        collected = evaluator.collect(chosen)
        result = evaluator.compute(collected, chosen, bootstrap=recipe.evaluate.bootstrap)
        trained = int(info.progress["step"])
        record = make_record(evaluator, recipe, folder, info, max(reached, trained), chosen, result).fields()
        console.say(format_evaluation(f"{folder}, {name} of step {trained}, {chosen}", result))
        yield Measured(folder, record, collected, name, chosen)


def _training_images(folder: Path, evaluator: Evaluator, recipe: Recipe, split: Split) -> list[str]:
    """Return a line for each domain of other data with images that the run was trained on."""
    file = folder / IMAGES
    if split == "train" or not file.is_file():
        return []
    dataset, accelerator = evaluator.reader.dataset, evaluator.engine.accelerator
    return shared_with_training(
        read_images(dataset, (split,), recipe.data, accelerator=accelerator), read_image_list(file)
    )
