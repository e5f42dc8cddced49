"""The training loop of ``ganzoo run``: step, check, log, evaluate, draw samples, save; stop on a signal."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from torch import Tensor

from ganzoo.data.image_io import write_image
from ganzoo.data.loader import Batch, evaluation_rows, micro_steps, training_batches
from ganzoo.data.sampler import image_counts
from ganzoo.engine.checkpoint import save_checkpoint
from ganzoo.engine.checkpoint_files import find_checkpoint
from ganzoo.engine.distributed import any_process, close_process_group
from ganzoo.errors import GanzooError, catch_out_of_memory
from ganzoo.evaluation.evaluator import evaluation_step
from ganzoo.evaluation.sample_grid import REAL, draw_grid, grid_layout
from ganzoo.training.evaluation import evaluate_now, final_evaluation, first_complete_split
from ganzoo.training.guards import NonFiniteGuard, StopSignal
from ganzoo.training.meters import Meters
from ganzoo.training.progress import Progress
from ganzoo.training.run import Run
from ganzoo.utils.console import ProgressLine


@dataclass
class Training:
    """The state of a run while it trains: progress, running means of the losses, and the non-finite guard."""

    run: Run
    progress: Progress
    meters: Meters
    guard: NonFiniteGuard


def train(run: Run) -> dict[str, float]:
    """Train from the last checkpoint to the end; return the values of the final evaluation.

    A method without phases is not trained: its run has one sample grid, one checkpoint and the evaluation.
    """
    try:
        values = _train(run)
        run.accelerator.wait_for_everyone()
        return values
    finally:
        close_process_group()
        run.files.close()


def _train(run: Run) -> dict[str, float]:
    progress, sums = run.restore()
    training = Training(run, progress, Meters(run, sums), NonFiniteGuard(run, progress))
    start = progress.step
    stop = start_session(training)
    with StopSignal() as signal, run.console.progress(run.total, start) as line:
        training.meters.start()
        for index, batches in training_batches(run.reader, run.sampler, start, stop, run.recipe.train.workers):
            training.meters.batch_arrived()
            run.engine.set_lr(lr_factor(run, index))
            losses, flags = train_step(run, index, batches)
            stopped = training.guard.check(index, losses, flags, signal.received)
            training.meters.add(losses, skipped=training.guard.skipped)
            step = progress.step = index + 1
            line.advance(step)
            if is_due(run, step, run.recipe.train.log):
                log(training, line)
            ended = is_due(run, step, run.recipe.evaluate.every) and evaluate(training)
            if ended or is_due(run, step, run.recipe.train.sample):
                draw_samples(run, step)
            save_due(training, at_once=stopped or ended or bool(training.guard.failure))
            if training.guard.failure or (stopped and step != run.total):
                end_early(training, signal)
            if ended:
                run.write_event("ended-early", step=step)
                break
            training.meters.start()
    return finish(training)


def start_session(training: Training) -> int:
    """Prepare callbacks and metrics, announce and record the session; return the step at which training ends."""
    run, progress = training.run, training.progress
    ended = progress.begin(run.total, run.recipe.evaluate.best, run.recipe.evaluate.patience)
    announce(run, progress.step, ended)
    run.callbacks.gather(run.recipe.train.trackers)
    run.callbacks.call("start")
    for metric in run.metrics.values():
        metric.prepare(run.recipe.train.seed)
    trains = bool(run.engine.method.phases)
    if progress.step == 0 and run.metrics and trains:
        evaluate_now(run, 0)
    stop = progress.step if ended else run.total
    if progress.step < stop or not trains:
        run.record_session(progress.step)
    return stop


def train_step(run: Run, index: int, batches: list[Batch]) -> tuple[dict[str, Tensor], Tensor]:
    """Move the micro-batches to the device, augment them and run the step; return the engine's losses and flags.

    Raises OutOfMemoryError when the step does not fit into the memory.
    """
    with catch_out_of_memory(f"{run.folder}: out of memory at step {index + 1}"):
        device, images, paired = run.engine.device, run.recipe.images, run.reader.paired
        return run.engine.step(micro_steps(batches, device, images, paired, **place_in_run(run, index)))


def is_due(run: Run, step: int, every: int) -> bool:
    """Return whether an action is due at a step: every ``every`` steps (0: never), and at the end."""
    return step == run.total or (bool(every) and step % every == 0)


def log(training: Training, line: ProgressLine) -> None:
    """Write and print the means of the logging interval."""
    run, meters, step = training.run, training.meters, training.progress.step
    means = meters.write(step, lr_factor(run, step - 1))
    line.report(step, means, meters.images_per_s, meters.wait_share, meters.seconds_left(step))
    run.callbacks.call("step", step, means)


def evaluate(training: Training) -> bool:
    """Evaluate, save a better checkpoint as ``best``; return whether patience or a callback ends the training."""
    run, progress, settings = training.run, training.progress, training.run.recipe.evaluate
    if not run.metrics:
        return False
    result = evaluate_now(run, progress.step)
    ended = any_process(run.accelerator, run.callbacks.call("evaluation", progress.step, result.values))
    failed, measured = bool(result.failed), bool(result.values or result.failed)
    if measured and progress.improve(settings.best, result.values, metric_failed=failed):
        save(training, "best")
    out_of_patience = progress.out_of_patience(settings.best, settings.patience)
    if out_of_patience:
        run.say(f"{settings.best} has not improved for {progress.stale} evaluations: the training ends here")
    ended = ended or out_of_patience
    progress.ended, progress.waited = run.total if ended else 0, settings.patience if out_of_patience else 0
    return ended


def save_due(training: Training, at_once: bool) -> None:
    """Save the checkpoints that are due at this step; with ``at_once`` save ``last`` in any case."""
    run, step, settings = training.run, training.progress.step, training.run.recipe.train
    if settings.keep and step % settings.keep == 0:
        save(training, f"step-{step}")
    if at_once or is_due(run, step, settings.save):
        save(training, "last")


def save(training: Training, name: str) -> None:
    """Write the checkpoint ``name``: ``last``, ``best`` or ``step-N``."""
    run, progress = training.run, training.progress
    saved = {**asdict(progress), "channels": dict(run.dataset.channels), "classes": dict(run.dataset.classes)}
    saved["sessions"] = run.sessions
    save_checkpoint(run.files.checkpoint(name), run.engine, saved, training.meters.sums)
    run.callbacks.call("checkpoint", progress.step)
    run.reporter.write_if_due()


def end_early(training: Training, signal: StopSignal) -> None:
    """Record that the run stops before its end; raise the error with the reason. The checkpoint is already saved."""
    run, step = training.run, training.progress.step
    run.write_event("stopped", step=step, signal=signal.name)
    run.reporter.write()
    run.callbacks.call("end")
    raise GanzooError(training.guard.failure) if training.guard.failure else signal.interruption(run.folder, step)


def finish(training: Training) -> dict[str, float]:
    """Run the final evaluation; return its values."""
    run = training.run
    if not run.engine.method.phases and not find_checkpoint(run.files.checkpoint("last")):
        draw_samples(run, 0)
        save(training, "last")
    values = final_evaluation(run, training.progress.step)
    run.callbacks.call("end")
    return values


def announce(run: Run, start: int, ended: bool) -> None:
    """Print the session's plan: device, precision, images per step, length and starting point."""
    train, sampler = run.recipe.train, run.sampler
    counts = ", ".join(f"{count} {domain}" for domain, count in sampler.counts.items())
    length = f"{run.total} steps" + (f" ({train.epochs} epochs)" if train.epochs else "")
    pace = (
        f"world {sampler.processes} × batch {train.batch} × accumulate {train.accumulate} = {sampler.global_batch} "
        f"images/step; {counts}; {length}"
    )
    plan = pace if run.engine.method.phases else f"nothing to train; {counts}"
    run.say(f"{run.recipe.method.component.name} on {run.engine.device.type}, {train.precision}: {plan}")
    if start:
        where = f"already at step {start}, beyond {run.total}" if start > run.total else "already at its end"
        where = where if ended or start >= run.total else f"resumed from step {start}"
        run.say(f"{run.folder}: {where}")
    if run.metrics and first_complete_split(run, "validation", "test") is None:
        run.say("no held-out images, so metrics are not measured; add test images, or raise data.validation")
    run.write_event("started", step=start, total=run.total)


def place_in_run(run: Run, index: int) -> dict[str, int | float]:
    """Return the arguments of a step that describe its place in the run."""
    return {
        "seed": run.recipe.train.seed,
        "index": index,
        "progress": index / run.total,
        "epoch": index // run.sampler.steps_per_epoch,
    }


def lr_factor(run: Run, index: int) -> float:
    """Return the learning rate's factor at a step: by epochs if the run's length is in epochs, else by steps."""
    train, method = run.recipe.train, run.engine.method
    if train.epochs:
        return method.lr_factor(index // run.sampler.steps_per_epoch, train.epochs, train.decay, index)
    return method.lr_factor(index, run.total, train.decay, index)


def draw_samples(run: Run, step: int) -> None:
    """Write a sample grid of up to eight held-out images, evenly spaced over the split, with their masks."""
    outputs = run.engine.method.tensors
    if not run.accelerator.is_main_process or not outputs:
        return
    split = first_complete_split(run, "validation", "test") or "train"
    rows = evaluation_rows(image_counts(run.dataset, split))
    shown = [rows[i] for i in sorted({round(i * (len(rows) - 1) / 7) for i in range(8)})]
    with run.engine.evaluating():
        tensors = evaluation_step(run.engine, run.reader, split, shown, run.recipe.train.seed)
        images = [name for name in tensors if name in REAL or (name in outputs and outputs[name].is_translation)]
        run.engine.method.masks.mask_generated(tensors, images)  # in training the losses compute these masks
    note = {"places": json.dumps(grid_layout(tensors, outputs))}
    write_image(draw_grid(tensors, outputs), run.folder / "samples" / f"step-{step:07}.png", note)
