"""Measure a run: on validation images while it trains, on test images at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganzoo.data.sampler import image_counts
from ganzoo.engine.checkpoint import find_checkpoint, load_weights
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluation
from ganzoo.evaluation.records import make_record, read_checkpoint_info
from ganzoo.interfaces import Split
from ganzoo.provenance.fingerprint import portable, recipe_key
from ganzoo.training.summary import print_summary

if TYPE_CHECKING:
    from ganzoo.training.run import Run


def is_complete(run: Run, split: Split) -> bool:
    """Return whether a split has images of every domain."""
    return all(image_counts(run.dataset, split).values())


def first_complete_split(run: Run, *splits: Split) -> Split | None:
    """Return the first of some splits that has images of every domain, or None."""
    return next((split for split in splits if is_complete(run, split)), None)


def evaluate_now(run: Run, step: int) -> Evaluation:
    """Evaluate on validation images (or test ones, where there are none), write the figures, return what was found.

    A metric that fails costs its own figures, no more; before the first step it is an error, a GanzooError.
    """
    split = first_complete_split(run, "validation", "test")
    if split is None:
        return Evaluation()
    found = run.evaluator.measure(split, run.recipe.evaluate.limit)
    if found.failed and not step:
        raise GanzooError("; ".join(f"evaluate.metrics: {name}: {why}" for name, why in found.failed.items()))
    for name, why in found.failed.items():
        run.write_event("metric-failed", step=step, metric=name, why=why)
        run.say(f"step {step}: the metric {name} failed: {why}")
    values = found.values
    if run.accelerator.is_main_process:
        run.files.metrics.append(step=step, split=split, images=found.images, values=values)
        run.say(f"step {step}, {split}: " + "  ".join(f"{name} {value:.4g}" for name, value in values.items()))
    return found


def final_evaluation(run: Run, step: int) -> dict[str, float]:
    """Evaluate ``last`` and ``best`` on the test split (or validation, where there is none); say where things are."""
    split = first_complete_split(run, "test", "validation") if run.metrics else None
    there: dict[str, Mapping[str, Any]] = {one["checkpoint"]: one for one in results_at(run, step, split)}
    run.accelerator.wait_for_everyone()  # every process has read what there is before anything is added
    if split and "last" not in there:
        there["last"] = evaluate_checkpoint(run, "last", step, split)
    if split and "best" not in there and find_checkpoint(run.files.checkpoint("best")):
        load_weights(run.files.checkpoint("best"), run.engine)
        there["best"] = evaluate_checkpoint(run, "best", step, split)
        load_weights(run.files.checkpoint("last"), run.engine)
    run.write_event("finished", step=step)
    run.reporter.write()
    if run.accelerator.is_main_process:
        print_summary(run, step, results_at(run, step, split))
    if failed := {name: why for one in there.values() for name, why in one["failed"].items()}:
        raise GanzooError(
            f"{run.folder}: trained to its end, but not all could be measured; what went wrong is recorded, and the "
            f"same command measures again: {'; '.join(f'{name}: {why}' for name, why in failed.items())}"
        )
    return dict(there["last"]["values"]) if "last" in there else {}


def results_at(run: Run, step: int, split: Split | None) -> list[dict[str, Any]]:
    """Return the closing records of a step, as far as they are whole and of the recipe as it is, metrics and data."""
    metrics = portable(run.recipe.resolved()["evaluate"]["metrics"])
    wanted = {"step": step, "split": split, "status": "ok", "metrics": metrics, "recipe_key": recipe_key(run.recipe)}
    return [one for one in run.files.results if all(one[name] == value for name, value in wanted.items())]


def evaluate_checkpoint(run: Run, checkpoint: str, step: int, split: Split) -> dict[str, Any]:
    """Evaluate the weights at hand on all images of a split, append the record, return it."""
    found = run.evaluator.measure(split)
    if not run.accelerator.is_main_process:
        return {"values": found.values, "failed": found.failed}
    info = read_checkpoint_info(run.folder, checkpoint)
    record = make_record(run.evaluator, run.recipe, run.folder, info, step, split, found).fields()
    run.files.results.append(**record)
    return record
