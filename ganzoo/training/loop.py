"""The training loop, read aloud: step, guard, log, evaluate, draw, save; stop when asked, and lose nothing."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from torch import Tensor

from ganzoo.data.image_io import write_image
from ganzoo.data.loader import Batch, evaluation_rows, micro_steps, training_batches
from ganzoo.data.sampler import image_counts
from ganzoo.engine.checkpoint import find_checkpoint, save_checkpoint
from ganzoo.engine.distributed import any_process
from ganzoo.errors import GanzooError, catch_out_of_memory
from ganzoo.evaluation.evaluator import evaluation_step
from ganzoo.evaluation.sample_grid import REAL, draw_grid, grid_layout
from ganzoo.training.evaluation import evaluate_now, final_evaluation, first_complete_split
from ganzoo.training.guards import NonFiniteGuard, StopSignal
from ganzoo.training.meters import Meters
from ganzoo.training.progress import Progress

if TYPE_CHECKING:
    from ganzoo.training.run import Run


def train(run: Run) -> dict[str, float]:
    """Train from the last checkpoint to the end; return the closing evaluation's figures.

    With nothing to train, that is one grid of samples, one checkpoint, and the evaluation.
    """
    progress, sums = run.start_step()
    tally, guard = Meters(run, sums), NonFiniteGuard(run, progress)
    settings, start, total = run.recipe.train, progress.step, run.total
    best, patience = run.recipe.evaluate.best, run.recipe.evaluate.patience
    ended = progress.begin(total, best, patience)
    announce(run, start, ended)
    run.callbacks.gather()
    run.callbacks.call("start")
    for metric in run.metrics.values():
        metric.prepare(settings.seed)
    trains = bool(run.engine.method.phases)
    if start == 0 and run.metrics and trains:
        evaluate_now(run, 0)
    stop_at = start if ended else total
    if start < stop_at or not trains:
        run.record_session(start)
    with StopSignal() as stop, run.console.progress(total, start) as line:
        begun = time.perf_counter()
        for index, batches in training_batches(run.reader, run.order, start, stop_at, settings.workers):
            idle = time.perf_counter() - begun
            run.engine.set_lr(lr_factor(run, index))
            losses, flags = train_step(run, index, batches)
            stopping = guard.watch(index, losses, flags, stop.asked)
            tally.add(losses, skipped=guard.skipped, waited=idle, took=time.perf_counter() - begun)
            step, last = index + 1, index + 1 == total
            progress.step = step
            line.advance(step)
            if step % settings.log == 0 or last:
                means = tally.write(step, lr_factor(run, index))
                line.report(step, means, tally.images_per_s, tally.waiting, tally.left(step))
                run.callbacks.call("step", step, means)
            if run.metrics and (due(step, run.recipe.evaluate.every) or last):
                found = evaluate_now(run, step)
                ended = any_process(run.accelerator, run.callbacks.call("evaluation", step, found.values))
                measured = bool(found.values or found.failed)
                if measured and progress.improve(best, found.values, lacking=bool(found.failed)):
                    save(run, "best", progress, tally)
                waited = progress.impatient(best, patience)
                if waited:
                    run.console.say(f"{best} has not improved for {progress.stale} evaluations: the training ends here")
                ended = ended or waited
                progress.ended, progress.waited = total if ended else 0, patience if waited else 0
            if due(step, settings.sample) or last or ended:
                draw_samples(run, step)
            if due(step, settings.keep):
                save(run, f"step-{step}", progress, tally)
            if due(step, settings.save) or last or stopping or ended or guard.lost:
                save(run, "last", progress, tally)
            if guard.lost or (stopping and not last):
                run.write_event("stopped", step=step, signal=stop.name)
                run.report.write()
                run.callbacks.call("end")
                raise GanzooError(guard.lost) if guard.lost else stop.interruption(run.folder, step)
            if ended:
                run.write_event("ended-early", step=step)
                break
            begun = time.perf_counter()
    if not trains and not find_checkpoint(run.checkpoint("last")):
        draw_samples(run, 0)
        save(run, "last", progress, tally)
    values = final_evaluation(run, progress.step)
    run.callbacks.call("end")
    return values


def train_step(run: Run, index: int, batches: list[Batch]) -> tuple[dict[str, Tensor], Tensor]:
    """Bring the micro-batches to the device, vary them there, and run the step; the engine's losses and flags."""
    with catch_out_of_memory(f"{run.folder}: out of memory at step {index + 1}"):
        device, images = run.engine.device, run.recipe.images
        return run.engine.step(micro_steps(batches, device, images, run.paired, **about(run, index)))


def announce(run: Run, start: int, ended: bool) -> None:
    """Say what is about to happen, and at what cost in images a step."""
    train, order = run.recipe.train, run.order
    counts = ", ".join(f"{count} {domain}" for domain, count in order.counts.items())
    length = f"{run.total} steps" + (f" ({train.epochs} epochs)" if train.epochs else "")
    pace = (
        f"world {order.processes} × batch {train.batch} × accumulate {train.accumulate} = {order.global_batch} "
        f"images/step; {counts}; {length}"
    )
    said = pace if run.engine.method.phases else f"nothing to train; {counts}"
    run.console.say(f"{run.recipe.method.component.name} on {run.engine.device.type}, {train.precision}: {said}")
    if start:
        where = f"already at step {start}, beyond {run.total}" if start > run.total else "already at its end"
        where = where if ended or start >= run.total else f"going on from step {start}"
        run.console.say(f"{run.folder}: {where}")
    if run.metrics and first_complete_split(run, "validation", "test") is None:
        run.console.say("no held-out images: nothing is measured; add test images, or raise data.validation")
    run.write_event("started", step=start, total=run.total)


def about(run: Run, index: int) -> dict[str, int | float]:
    """Return what a step is told about its place in the run."""
    return {
        "seed": run.recipe.train.seed,
        "index": index,
        "progress": index / run.total,
        "epoch": index // run.order.steps_per_epoch,
    }


def lr_factor(run: Run, index: int) -> float:
    """Return the learning rate's factor at a step: it moves by epochs if the run is given in epochs, else by steps."""
    train = run.recipe.train
    if train.epochs:
        return run.engine.method.lr_factor(index // run.order.steps_per_epoch, train.epochs, train.decay, index)
    return run.engine.method.lr_factor(index, run.total, train.decay, index)


def due(step: int, every: int) -> bool:
    """Return whether something that happens every so many steps (0: never) happens now."""
    return bool(every) and step % every == 0


def draw_samples(run: Run, step: int) -> None:
    """Write a grid of up to eight held-out images, evenly spaced over the split, with every mask that is used."""
    if not run.accelerator.is_main_process or not run.engine.method.tensors:
        return
    split = first_complete_split(run, "validation", "test") or "train"
    rows = evaluation_rows(image_counts(run.dataset, split))
    shown = [rows[i] for i in sorted({round(i * (len(rows) - 1) / 7) for i in range(8)})]
    masks = run.engine.method.masks
    with run.engine.evaluating():
        made = evaluation_step(run.engine, run.reader, split, shown, run.recipe.train.seed)
        outputs = run.engine.method.tensors
        images = [name for name in made if name in REAL or (name in outputs and outputs[name].is_translation)]
        masks.mask_generated(made, images)  # the losses compute these masks, and a grid computes no losses
    note = {"places": json.dumps(grid_layout(made, outputs))}
    write_image(draw_grid(made, outputs), run.folder / "samples" / f"step-{step:07}.png", note)


def save(run: Run, name: str, progress: Progress, tally: Meters) -> None:
    """Write a checkpoint."""
    saved = {**asdict(progress), "channels": dict(run.dataset.channels), "classes": dict(run.dataset.classes)}
    saved["sessions"] = run.sessions
    save_checkpoint(run.checkpoint(name), run.engine, saved, tally.sums)
    run.callbacks.call("checkpoint", progress.step)
    run.report.keep()
