"""Measure a run: on validation pictures while it trains, on test pictures at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganzoo import state
from ganzoo.closing import closing_panel
from ganzoo.data.order import picture_counts
from ganzoo.evaluate import evaluate
from ganzoo.interfaces import Split

if TYPE_CHECKING:
    from ganzoo.runs import Run


def has(run: Run, split: Split) -> bool:
    """Return whether a split has pictures of every domain."""
    return all(picture_counts(run.dataset, split).values())


def first_of(run: Run, *splits: Split) -> Split | None:
    """Return the first of some splits that has pictures of every domain, or None."""
    return next((split for split in splits if has(run, split)), None)


def measure_now(run: Run, step: int) -> dict[str, float]:
    """Evaluate on validation pictures (or test ones, where there are none), write the figures, return them."""
    settings, seed = run.recipe.evaluate, run.recipe.train.seed
    split = first_of(run, "validation", "test")
    if split is None:
        return {}
    figures, pictures = evaluate(
        run.engine, run.reader, run.metrics, split, seed=seed, batch=settings.batch, limit=settings.limit
    )
    if run.accelerator.is_main_process:
        run.lines.append(step=step, split=split, pictures=pictures, figures=figures)
        run.console.say(f"step {step}, {split}: " + "  ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    return figures


def finish(run: Run, step: int) -> dict[str, float]:
    """Evaluate ``last`` and ``best`` on the test split (or validation, where there is none); say where things are."""
    there = {one["checkpoint"]: one for one in results_at(run, step)}
    run.accelerator.wait_for_everyone()  # every process has read what there is before anything is added
    split = first_of(run, "test", "validation") if run.metrics else None
    if split and "last" not in there:
        there["last"] = close_with(run, "last", step, split)
    best = run.checkpoint("best")
    if split and "best" not in there and state.find(best):
        state.load_weights(best, run.engine)
        close_with(run, "best", step, split)
        state.load_weights(run.checkpoint("last"), run.engine)
    run.write_event("finished", step=step)
    if run.accelerator.is_main_process:
        closing_panel(run, step, results_at(run, step))
    return dict(there["last"]["figures"]) if "last" in there else {}


def results_at(run: Run, step: int) -> list[dict[str, Any]]:
    """Return the closing results of a step, as far as they are of the recipe's present metrics."""
    metrics = run.recipe.resolved()["evaluate"]["metrics"]
    return [one for one in run.results if one["step"] == step and one["metrics"] == metrics]


def close_with(run: Run, checkpoint: str, step: int, split: Split) -> dict[str, Any]:
    """Evaluate the weights at hand on all pictures of a split, append the result, return it."""
    settings, seed = run.recipe.evaluate, run.recipe.train.seed
    figures, pictures = evaluate(run.engine, run.reader, run.metrics, split, seed=seed, batch=settings.batch)
    trained = step if checkpoint == "last" else state.read_progress(run.checkpoint(checkpoint))["step"]
    result = {
        "step": step,
        "checkpoint": checkpoint,
        "trained": trained,
        "split": split,
        "pictures": pictures,
        "seed": seed,
        "metrics": run.recipe.resolved()["evaluate"]["metrics"],
        "figures": figures,
    }
    if run.accelerator.is_main_process:
        run.results.append(**result)
    return result
