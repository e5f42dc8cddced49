"""Evaluate a run: preferably on validation images during training, and on test images at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganzoo.build import name_parts
from ganzoo.data.sampler import image_counts
from ganzoo.engine.checkpoint import load_weights
from ganzoo.engine.checkpoint_files import find_checkpoint
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluation
from ganzoo.evaluation.printing import failure_lines
from ganzoo.evaluation.records import make_record, read_checkpoint_info
from ganzoo.interfaces import Split
from ganzoo.provenance.fingerprint import portable, recipe_key
from ganzoo.provenance.images import data_key, key_of_split
from ganzoo.provenance.record import is_record
from ganzoo.training.summary import print_summary

if TYPE_CHECKING:
    from ganzoo.training.run import Run


def is_complete(run: Run, split: Split) -> bool:
    """Return whether a split has images of each domain of the data set."""
    return all(image_counts(run.dataset, split).values())


def first_complete_split(run: Run, *splits: Split) -> Split | None:
    """Return the first of the splits that has images of each domain of the data set; None if there is none."""
    return next((split for split in splits if is_complete(run, split)), None)


def measured_on(run: Run) -> dict[str, Any]:
    """Return what the values of ``evaluate_now`` depend on besides the weights, by name.

    That is ``limit``, the checksum of the split's images under its name, and the options of each metric.
    """
    split = first_complete_split(run, "validation", "test")
    images = {str(split): key_of_split(run.dataset, split, run.images)} if split else {}
    metrics = {f"metrics.{name}": portable(part.resolved()) for name, part in name_parts(run.recipe.metrics).items()}
    return {"limit": run.recipe.evaluate.limit, **images, **metrics}


def evaluate_now(run: Run, step: int) -> Evaluation:
    """Measure the present weights, write the values to metrics.jsonl, print them and return the result.

    The split is ``validation``, or ``test`` if ``validation`` lacks images of a domain. If both do, nothing is measured
    or written, and the result is empty. At most ``evaluate.limit`` images of each domain are used. A metric that fails
    during training loses only its own values, and the event ``metric-failed`` is written.

    Raises GanzooError if a metric fails at step 0, or if two metrics give a value of the same name.
    """
    split = first_complete_split(run, "validation", "test")
    if split is None:
        return Evaluation()
    result = run.evaluator.measure(split, run.recipe.evaluate.limit)
    if result.failed and not step:
        raise GanzooError("; ".join(f"evaluate.metrics: {line}" for line in failure_lines(result.failed)))
    for name, why in result.failed.items():
        run.write_event("metric-failed", step=step, metric=name, why=why)
    for line in failure_lines(result.failed):
        run.say(f"step {step}: not measured: {line}")
    values = result.values
    if run.accelerator.is_main_process:
        run.files.metrics.append(step=step, split=split, images=result.images, values=values)
        run.say(f"step {step}, {split}: " + "  ".join(f"{name} {value:.4g}" for name, value in values.items()))
    return result


def final_evaluation(run: Run, step: int) -> dict[str, float]:
    """Evaluate ``last`` and, if it exists, ``best``; print the summary and return the metric values of ``last``.

    The split is ``test``, or ``validation`` if ``test`` lacks images of a domain. Without metrics or such a split,
    nothing is measured, and the returned values are empty. A checkpoint whose values an earlier session recorded
    without failures is not measured again. Records are appended to results.jsonl; the event ``finished``, with the
    values of each checkpoint, and the report are written.

    Raises GanzooError if a metric failed; the other values are recorded first.
    """
    split = first_complete_split(run, "test", "validation") if run.metrics else None
    results: dict[str, Mapping[str, Any]] = {one["checkpoint"]: one for one in results_at(run, step, split)}
    run.accelerator.wait_for_everyone()  # every process reads the file before the main process adds to it
    if split and "last" not in results:
        results["last"] = evaluate_checkpoint(run, "last", step, split)
    if split and "best" not in results and find_checkpoint(run.files.checkpoint("best")):
        load_weights(run.files.checkpoint("best"), run.engine)
        results["best"] = evaluate_checkpoint(run, "best", step, split)
        load_weights(run.files.checkpoint("last"), run.engine)
    run.write_event("finished", step=step, values={name: one["values"] for name, one in results.items()})
    run.reporter.write()
    if run.accelerator.is_main_process:
        print_summary(run, step, results_at(run, step, split))
    if failed := {name: why for one in results.values() for name, why in one["failed"].items()}:
        raise GanzooError(
            f"{run.folder}: the training is complete, but some metrics failed; the failures are recorded, and the "
            f"same command evaluates again: {'; '.join(failure_lines(failed))}"
        )
    return dict(results["last"]["values"]) if "last" in results else {}


def results_at(run: Run, step: int, split: Split | None) -> list[dict[str, Any]]:
    """Return the records of ``last`` and ``best`` in results.jsonl, of each the newest one without failures.

    They must be of this step and recipe, and of the split's present images. Other checkpoints, which ``ganzoo
    evaluate`` measures, are no part of the final evaluation.
    """
    metrics = portable(run.recipe.resolved()["evaluate"]["metrics"])
    wanted = {"step": step, "split": split, "status": "ok", "metrics": metrics, "recipe_key": recipe_key(run.recipe)}
    matching = [one for one in run.files.results if all(one.get(name) == value for name, value in wanted.items())]
    if not split or not (matching := [one for one in matching if is_record(one)]):
        return []
    images, draws = {split: data_key(run.dataset, split, run.recipe.data)}, run.recipe.evaluate.bootstrap
    newest = {
        one["checkpoint"]: one
        for one in matching
        if one["data"].get("keys") == images
        and all(about.get("bootstrap", 0) == draws for about in one["about"].values())
    }
    return [newest[name] for name in ("last", "best") if name in newest]


def evaluate_checkpoint(run: Run, checkpoint: str, step: int, split: Split) -> dict[str, Any]:
    """Measure the loaded weights on all images of a split; append the record to results.jsonl and return it.

    Only the main process writes; the other processes return only the fields ``values`` and ``failed``.

    Args:
        run: the run, with the checkpoint's weights loaded into its engine.
        checkpoint: the checkpoint's name.
        step: the step that the run has reached.
        split: the split to measure.

    Raises GanzooError if the run has no such checkpoint, or the split has no images.
    """
    result = run.evaluator.measure(split, bootstrap=run.recipe.evaluate.bootstrap)
    if not run.accelerator.is_main_process:
        return {"values": result.values, "failed": result.failed}
    info = read_checkpoint_info(run.folder, checkpoint)
    record = make_record(run.evaluator, run.recipe, run.folder, info, step, split, result).fields()
    run.files.results.append(**record)
    return record
