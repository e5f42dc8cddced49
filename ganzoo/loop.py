"""The training loop, read aloud: step, guard, log, evaluate, draw, save; stop when asked, and lose nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganzoo import state
from ganzoo.closing import closing_panel
from ganzoo.data.augment import augment, make_step
from ganzoo.data.loading import evaluation_rows, training_batches
from ganzoo.data.order import picture_counts
from ganzoo.data.pictures import write_picture
from ganzoo.errors import GanzooError
from ganzoo.evaluate import evaluate, evaluation_step
from ganzoo.grid import draw_grid
from ganzoo.interfaces import Split
from ganzoo.step import Step
from ganzoo.stop import Stop, Stopped
from ganzoo.watch import Guard, Tally

if TYPE_CHECKING:
    from ganzoo.runs import Run


def train(run: Run) -> dict[str, float]:
    """Train from the last checkpoint to the end; return the closing evaluation's figures."""
    start, progress, sums = run.start_step()
    tally = Tally(run, sums)
    guard = Guard(run, int(progress.get("bad", 0)))
    best, ended = progress.get("best"), bool(progress.get("ended"))
    settings, total = run.recipe.train, run.total
    announce(run, start, ended)
    run.callbacks.gather()
    run.callbacks.call("start")
    if start == 0 and run.metrics:
        evaluate_now(run, 0)
    step = start
    with Stop() as stop, run.console.progress(total, start) as line:
        waiting = time.perf_counter()
        for index, batches in training_batches(
            run.reader, run.order, start, start if ended else total, settings.workers
        ):
            tally.waited += time.perf_counter() - waiting
            run.engine.set_lr(lr_factor(run, index))
            micros = [prepare(run, make_step(batch, run.engine.device, **about(run, index))) for batch in batches]
            losses, flags = run.engine.step(micros)
            stopping = guard.watch(index, losses, flags, stop.asked)
            tally.add(losses, skipped=guard.skipped)
            step, last = index + 1, index + 1 == total
            line.advance(step)
            if step % settings.log == 0 or last:
                means = tally.write(step, lr_factor(run, index))
                line.report(step, means, tally.images_per_s, tally.waiting, tally.left(step))
                run.callbacks.call("step", step, means)
            if run.metrics and (due(step, run.recipe.evaluate.every) or last):
                figures = evaluate_now(run, step)
                ended = run.callbacks.call("evaluation", step, figures)
                record = improved(run, figures, best)
                if record is not None:
                    best = record
                    save(run, "best", step, guard, best, tally)
            if due(step, settings.sample) or last or ended:
                draw_samples(run, step)
            if due(step, settings.keep):
                save(run, f"step-{step}", step, guard, best, tally)
            if due(step, settings.save) or last or stopping or ended or guard.lost:
                save(run, "last", step, guard, best, tally, ended=ended)
            if guard.lost:
                raise GanzooError(guard.lost)
            if stopping and not last:
                run.write_event("stopped", step=step, signal=stop.name)
                raise Stopped(run.folder, step, stop.name)
            if ended:
                run.write_event("ended-early", step=step)
                break
            waiting = time.perf_counter()
    figures = finish(run, step)
    run.callbacks.call("end")
    return figures


def announce(run: Run, start: int, ended: bool) -> None:
    """Say what is about to happen, and at what cost in pictures a step."""
    train, order = run.recipe.train, run.order
    counts = ", ".join(f"{count} {domain}" for domain, count in order.counts.items())
    length = f"{run.total} steps" + (f" ({train.epochs} epochs)" if train.epochs else "")
    run.console.say(
        f"{run.recipe.method.component.name} on {run.engine.device.type}, {train.precision}: world {order.processes} × "
        f"batch {train.batch} × accumulate {train.accumulate} = {order.global_batch} images/step; {counts}; {length}"
    )
    if start:
        where = "already at its end" if ended or start >= run.total else f"going on from step {start}"
        run.console.say(f"{run.folder}: {where}")
    run.write_event("started", step=start, total=run.total)


def about(run: Run, index: int) -> dict[str, int | float]:
    """Return what a step is told about its place in the run."""
    return {
        "seed": run.recipe.train.seed,
        "index": index,
        "progress": index / run.total,
        "epoch": index // run.order.steps_per_epoch,
    }


def prepare(run: Run, step: Step) -> Step:
    """Vary the pictures, and freeze the result as the step's inputs."""
    augment(step, run.recipe.images, run.dataset.paired)
    return step


def lr_factor(run: Run, index: int) -> float:
    """Return the learning rate's factor at a step: it moves by epochs if the run is given in epochs, else by steps."""
    train = run.recipe.train
    if train.epochs:
        return run.engine.method.lr_factor(index // run.order.steps_per_epoch, train.epochs, train.decay)
    return run.engine.method.lr_factor(index, run.total, train.decay)


def due(step: int, every: int) -> bool:
    """Return whether something that happens every so many steps (0: never) happens now."""
    return bool(every) and step % every == 0


def evaluate_now(run: Run, step: int) -> dict[str, float]:
    """Evaluate on the validation split, write the figures, return them."""
    settings = run.recipe.evaluate
    split: Split = "validation" if has(run, "validation") else "test"
    figures, counts = evaluate(
        run.engine,
        run.reader,
        run.metrics,
        split,
        seed=run.recipe.train.seed,
        batch=settings.batch,
        limit=settings.limit,
    )
    if run.accelerator.is_main_process:
        run.lines.append(step=step, split=split, pictures=counts, figures=figures)
        run.console.say(f"step {step}, {split}: " + "  ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    return figures


def has(run: Run, split: Split) -> bool:
    """Return whether a split has pictures of every domain."""
    return all(picture_counts(run.dataset, split).values())


def improved(run: Run, figures: Mapping[str, float], best: float | None) -> float | None:
    """Return the value of the figure that ``evaluate.best`` names if it beats the best so far, else None."""
    if not run.recipe.evaluate.best:
        return None
    way, name = run.recipe.evaluate.best.split()
    if name not in figures:
        raise GanzooError(f"evaluate.best: there is no figure {name!r}; there are: {', '.join(figures)}")
    value = figures[name]
    beats = best is None or (value < best if way == "min" else value > best)
    return value if math.isfinite(value) and beats else None


def draw_samples(run: Run, step: int) -> None:
    """Write a grid of up to eight held-out pictures, evenly spaced over the split."""
    if not run.accelerator.is_main_process or not run.engine.method.tensors:
        return
    split: Split = next(one for one in ("validation", "test", "train") if has(run, one))
    count = len(evaluation_rows(picture_counts(run.dataset, split)))
    shown = sorted({round(i * (count - 1) / 7) for i in range(8)})
    with run.engine.evaluating():
        grid = draw_grid(evaluation_step(run.engine, run.reader, split, shown, run.recipe.train.seed))
    write_picture(grid, run.folder / "samples" / f"step-{step:07}.png")


def save(
    run: Run, name: str, step: int, guard: Guard, best: float | None, tally: Tally, *, ended: bool = False
) -> None:
    """Write a checkpoint."""
    progress = {"step": step, "bad": guard.bad, "best": best, "ended": ended, "channels": dict(run.dataset.channels)}
    state.save(run.checkpoint(name), run.engine, progress, tally.sums)
    run.callbacks.call("checkpoint", step)


def finish(run: Run, step: int) -> dict[str, float]:
    """Evaluate ``last`` and ``best`` on the test split (or validation, where there is none); say where things are."""
    if run.metrics and not any(one["step"] == step for one in run.results):
        split: Split = "test" if has(run, "test") else "validation"
        close_with(run, "last", step, split)
        best = run.checkpoint("best")
        if (best / state.PROGRESS).is_file():
            state.load_weights(best, run.engine)
            close_with(run, "best", step, split)
    run.accelerator.wait_for_everyone()
    run.write_event("finished", step=step)
    if run.accelerator.is_main_process:
        closing_panel(run, step)
    return next((dict(one["figures"]) for one in run.results if one["step"] == step), {})


def close_with(run: Run, checkpoint: str, step: int, split: Split) -> None:
    """Evaluate the weights at hand on all pictures of a split, and append the result."""
    settings, seed = run.recipe.evaluate, run.recipe.train.seed
    figures, pictures = evaluate(run.engine, run.reader, run.metrics, split, seed=seed, batch=settings.batch)
    if run.accelerator.is_main_process:
        trained = step if checkpoint == "last" else state.read_progress(run.checkpoint(checkpoint))["step"]
        about = {"checkpoint": checkpoint, "trained": trained, "split": split, "pictures": pictures, "seed": seed}
        run.results.append(step=step, **about, figures=figures)
