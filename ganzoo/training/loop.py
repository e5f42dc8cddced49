"""The training loop of ``ganzoo run``: step, check, log, evaluate, draw samples, save; stop on a signal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from torch import Tensor

from ganzoo.data.image_io import write_image
from ganzoo.data.loader import Batch, micro_steps, spread_rows, training_batches
from ganzoo.data.sampler import image_counts
from ganzoo.engine.checkpoint import save_checkpoint
from ganzoo.engine.checkpoint_files import find_checkpoint
from ganzoo.engine.distributed import any_process
from ganzoo.errors import GanzooError, RunInterruptedError, catch_out_of_memory, one_line
from ganzoo.evaluation.evaluator import evaluation_steps
from ganzoo.evaluation.sample_grid import REAL, draw_grid, grid_layout, join_steps
from ganzoo.provenance.images import IMAGES, read_image_list, shared_with_training
from ganzoo.training.evaluation import evaluate_now, final_evaluation, first_complete_split, measured_on
from ganzoo.training.guards import StepGuard, StopSignal
from ganzoo.training.lr_policy import is_stretched, lr_factor
from ganzoo.training.meters import Meters
from ganzoo.training.progress import Progress
from ganzoo.training.run import Run
from ganzoo.utils.console import ProgressLine


@dataclass
class Training:
    """The state of a run while it trains.

    Args:
        run: the run.
        progress: its progress, saved with each checkpoint.
        meters: running means of the losses.
        guard: of non-finite steps and damaged images.
        saved: the step of the checkpoint ``last``.
        unannounced: whether a checkpoint was written that callbacks were not called for.
        in_step: whether a step is being computed, logged or evaluated. Before its end the weights may be of two
            different steps, or the best value, the patience and the learning rate lack this step's evaluation.
    """

    run: Run
    progress: Progress
    meters: Meters
    guard: StepGuard
    saved: int
    unannounced: bool = False
    in_step: bool = False


def train(run: Run) -> dict[str, float]:
    """Train from the last checkpoint, or from the beginning, to the end; return the final metric values of ``last``.

    A run of no steps, as of a method without phases, gets one sample grid and one checkpoint, and is evaluated. At the
    end, or after an error, the folder's lock is released.

    Raises:
        SettingsChangedError: an earlier version of ganzoo wrote the checkpoint.
        OutOfMemoryError: a step does not fit into the memory.
        RunInterruptedError: a signal stopped the run, which is saved.
        GanzooError: too many steps in a row were not finite, a metric failed, or a file cannot be read or written.
    """
    try:
        values = _train(run)
        run.accelerator.wait_for_everyone()
        return values
    finally:
        run.files.close()


def _train(run: Run) -> dict[str, float]:
    progress, sums = run.restore()
    start = progress.step
    training = Training(run, progress, Meters(run, sums, progress.interval), StepGuard(run, progress), saved=start)
    stop = start_session(training)
    announces = run.accelerator.is_main_process
    with (
        StopSignal(announces) as signal,
        saving_before_errors(training),
        run.console.progress(run.total, start) as line,
    ):
        training.meters.start()
        for index, batches in training_batches(
            run.reader, run.sampler, start, stop, run.recipe.train.workers, run.total
        ):
            training.meters.batch_arrived()
            run.engine.set_lr(step_lr_factor(training, index))
            training.in_step = True
            losses, flags = train_step(run, index, batches)
            stopped = training.guard.check(index, batches, losses, flags, signal.received)
            training.meters.add(losses, skipped=training.guard.skipped)
            step = progress.step = index + 1
            line.advance(step)
            if is_due(run, step, run.recipe.train.log):
                log(training, line)
            ended = is_due(run, step, run.recipe.evaluate.every) and evaluate(training)
            if ended and training.meters.interval.steps:
                log(training, line)
            training.in_step = False
            if ended or is_due(run, step, run.recipe.train.sample):
                draw_samples(run, step)
            save_due(training, at_once=stopped or ended or bool(training.guard.failure))
            announce_checkpoints(training)
            if training.guard.failure or stopped:
                end_early(training, signal)
            if ended:
                if step != run.total:
                    run.write_event("ended-early", step=step)
                break
            training.meters.start()
        if any_process(run.accelerator, signal.received):  # since the last step's check, as in its evaluation
            end_early(training, signal)
    return finish(training)


@contextmanager
def saving_before_errors(training: Training) -> Iterator[None]:
    """Save ``last`` when an error ends the training; report a Ctrl-C that ends it at once.

    After an error within a step that has updated networks, or in its evaluation, the last checkpoint stays as it is:
    the resumed run computes and evaluates that step again. So it does with several processes, as one of them cannot
    save by itself.
    """
    run = training.run
    try:
        yield
    except KeyboardInterrupt:
        text = f"{run.folder}: stopped at once, without saving; the same command resumes it from step {training.saved}"
        raise RunInterruptedError(text, 130) from None
    except Exception as error:
        step = training.progress.step
        alone = run.accelerator.num_processes == 1
        whole = not (training.in_step and run.engine.stepped)
        if alone and whole and step > training.saved and not isinstance(error, RunInterruptedError):
            with suppress(GanzooError, RuntimeError, MemoryError):  # the first error is the one to report
                save(training, "last")
                run.write_event("stopped", step=step, error=one_line(error))
                run.say(f"{run.folder}: saved at step {step}, as an error ends the training")
        elif training.saved and (training.in_step or step > training.saved):
            run.say(f"{run.folder}: not saved by this stop; the same command resumes it from step {training.saved}")
        raise


def start_session(training: Training) -> int:
    """Start a session: announce it, start callbacks and metrics, and record it; return the step at which training ends.

    That step is the run's length, or the present step if the run ended early before. At step 0 the untrained networks
    are evaluated. A session that trains no further step is not recorded, unless the run has none.
    """
    run, progress, best = training.run, training.progress, training.run.recipe.evaluate.best
    otherwise = progress.measure_on(best, measured_on(run)) if best else False
    ended = progress.begin(run.total, best, run.recipe.evaluate.patience)
    announce(run, progress.step, ended)
    if otherwise and not ended and progress.step < run.total:
        run.say(f"{best} is measured otherwise than before: earlier values are not compared with those from here on")
    if ended and progress.step != run.total:  # a signal may have ended the session before this was written
        run.write_event("ended-early", step=progress.step)
    run.callbacks.gather(run.recipe.train.trackers)
    run.callbacks.call("start")
    run.evaluator.prepare()
    if progress.step == 0 and run.metrics and run.total:
        values = evaluate_now(run, 0).values
        if values:
            Progress().improve(best, values)  # an unknown name fails now, not after hours
    stop = progress.step if ended else run.total
    if progress.step < stop or not run.total:
        run.record_session(progress.step)
    return stop


def train_step(run: Run, index: int, batches: list[Batch]) -> tuple[dict[str, Tensor], Tensor]:
    """Run one training step on the device, with augmented images; return the engine's losses and flags.

    Args:
        run: the run.
        index: the step's index, from 0.
        batches: the images of each micro-batch.

    Returns:
        The loss terms, ``phase/term`` → scalar; and a tensor with one flag for each phase of the step: 1 if the phase
        was not finite, else 0.

    Raises OutOfMemoryError if the step does not fit into the memory.
    """
    with catch_out_of_memory(f"{run.folder}: out of memory at step {index + 1}"), run.compilation:
        device, images, paired = run.engine.device, run.recipe.images, run.reader.paired
        return run.engine.step(micro_steps(batches, device, images, paired, **place_in_run(run, index)))


def is_due(run: Run, step: int, every: int) -> bool:
    """Return whether an action is due: every ``every`` steps (0: never), and at the run's last step."""
    return step == run.total or (bool(every) and step % every == 0)


def log(training: Training, line: ProgressLine) -> None:
    """Write the means of the logging interval to metrics.jsonl, show them, and pass them to the callbacks."""
    run, meters, step = training.run, training.meters, training.progress.step
    means = meters.write(step, step_lr_factor(training, step - 1))
    line.report(step, means, meters.images_per_s, meters.wait_share, meters.seconds_left(step))
    run.callbacks.call("step", step, means)


def evaluate(training: Training) -> bool:
    """Evaluate the run and save it as ``best`` if it improved; return whether the training must end.

    It ends if a callback ends it, or after ``evaluate.patience`` evaluations without improvement. Without metrics this
    does nothing and returns False. Raises GanzooError if no metric gives the value that ``evaluate.best`` names.
    """
    run, progress, settings = training.run, training.progress, training.run.recipe.evaluate
    if not run.metrics:
        return False
    result = evaluate_now(run, progress.step)
    ended = any_process(run.accelerator, run.callbacks.call("evaluation", progress.step, result.values))
    failed, measured = bool(result.failed), bool(result.values or result.failed)
    if measured and progress.plateau.update(run.recipe.train, settings.best or "", result.values):
        factor = progress.plateau.factor
        run.write_event("lr-reduced", step=progress.step, factor=factor)
        run.say(f"step {progress.step}: {settings.best} has stopped improving: learning rate × {factor:.3g} from here")
    if measured and progress.improve(settings.best, result.values, metric_failed=failed):
        save(training, "best")
    out_of_patience = progress.out_of_patience(settings.best, settings.patience)
    if out_of_patience:
        run.say(f"{settings.best} has not improved for {progress.stale} evaluations: the training ends here")
    ended = ended or out_of_patience
    progress.ended, progress.waited = run.total if ended else 0, settings.patience if out_of_patience else 0
    return ended


def save_due(training: Training, at_once: bool) -> None:
    """Save the checkpoints that are due: ``step-N`` by ``train.keep``, and ``last`` by ``train.save`` and at the end.

    With ``at_once``, ``last`` is saved in any case.
    """
    run, step, settings = training.run, training.progress.step, training.run.recipe.train
    if settings.keep and step % settings.keep == 0:
        save(training, f"step-{step}")
    if at_once or is_due(run, step, settings.save):
        save(training, "last")


def save(training: Training, name: str) -> None:
    """Write a checkpoint, call the callbacks, and write the report if it is due.

    Every process must call this. Raises GanzooError if the checkpoint cannot be written.

    Args:
        training: the state of the run.
        name: the checkpoint's name: ``last``, ``best`` or ``step-N``.
    """
    run, progress = training.run, training.progress
    progress.interval = training.meters.interval
    data = run.dataset
    saved = {**asdict(progress), "channels": dict(data.channels), "classes": dict(data.classes)}
    saved |= {"ranges": dict(data.ranges), "sessions": run.sessions, "partition": run.partition}
    save_checkpoint(run.files.checkpoint(name), run.engine, saved, training.meters.sums)
    training.unannounced = True
    training.saved = progress.step if name == "last" else training.saved


def announce_checkpoints(training: Training) -> None:
    """Call the callbacks once if checkpoints were written at this step, and update the report."""
    if training.unannounced:
        training.unannounced = False
        training.run.callbacks.call("checkpoint", training.progress.step)
        training.run.reporter.write_if_due()


def end_early(training: Training, signal: StopSignal) -> None:
    """Write the event ``stopped`` and the report, call the callbacks, and raise the error with the reason.

    The checkpoint must be saved before. Raises GanzooError after too many non-finite steps, else RunInterruptedError.
    """
    run, step = training.run, training.progress.step
    run.write_event("stopped", step=step, signal=signal.name)
    run.reporter.write()
    run.callbacks.call("end")
    raise GanzooError(training.guard.failure) if training.guard.failure else signal.interruption(run.folder, step)


def finish(training: Training) -> dict[str, float]:
    """Run the final evaluation and call the callbacks; return the metric values of ``last``.

    In a run of no steps, first write a sample grid and the checkpoint, unless the checkpoint exists.
    """
    run = training.run
    if not run.total and not find_checkpoint(run.files.checkpoint("last")):
        draw_samples(run, 0)
        save(training, "last")
        announce_checkpoints(training)
    values = final_evaluation(run, training.progress.step)
    run.callbacks.call("end")
    return values


def announce(run: Run, start: int, ended: bool) -> None:
    """Print the session's plan: device, precision, images per step and length; write the event ``started``.

    If the run does not start at step 0, also print where it continues.

    Args:
        run: the run.
        start: number of steps that are finished already.
        ended: whether the run ended early in an earlier session and does not continue.
    """
    train, sampler = run.recipe.train, run.sampler
    counts = ", ".join(f"{count} {domain}" for domain, count in sampler.counts.items())
    length = f"{run.total} steps" + (f" ({train.epochs} epochs)" if train.epochs else "")
    pace = (
        f"world {sampler.processes} × batch {train.batch} × accumulate {train.accumulate} = {sampler.global_batch} "
        f"images/step; {counts}; {length}"
    )
    plan = pace if run.total else f"nothing to train; {counts}"
    run.say(f"{run.recipe.method.component.name} on {run.engine.device.type}, {run.engine.precision}: {plan}")
    if start:
        where = f"already at step {start}, beyond {run.total}" if start > run.total else "already at its end"
        where = where if ended or start >= run.total else f"resumed from step {start}"
        run.say(f"{run.folder}: {where}")
        if not ended and start < run.total and has_other_schedule(run, start):
            run.say("the learning rate's schedule is stretched to the new length")
    held_out = first_complete_split(run, "test", "validation") if run.metrics else "test"
    if held_out is None:
        run.say("no held-out images, so metrics are not measured; add test images, or raise data.validation")
    elif held_out == "validation":
        run.say("no test images, which are optional: the metrics are measured on the validation images")
    if run.accelerator.is_main_process:  # it has written the file
        trained_on = read_image_list(run.folder / IMAGES)
        for note in [*run.dataset.notes(), *shared_with_training(run.images, trained_on)]:
            run.say(note)
            run.write_event("data", note=note)
    run.write_event("started", step=start, total=run.total, epochs=train.epochs)


def has_other_schedule(run: Run, start: int) -> bool:
    """Return whether the run's length has changed since it was last started, and with it the rate from a step on.

    Only the main process reads the log; the others return False.
    """
    if not run.accelerator.is_main_process:
        return False
    *_, last = {}, *(one for one in run.files.events if one.get("event") == "started")
    epochs, total = last.get("epochs"), last.get("total")
    if type(epochs) is not int or type(total) is not int or not 0 <= epochs <= total:
        return False  # as in a damaged log
    lengths = (epochs, total), (run.recipe.train.epochs, run.total)
    return is_stretched(run.recipe.train, run.engine.method, start, *lengths, run.engine.origins["method"])


def place_in_run(run: Run, index: int) -> dict[str, int | float]:
    """Return the arguments of ``make_step`` that say where in the run a step is; ``index`` counts from 0."""
    return {
        "seed": run.recipe.train.seed,
        "index": index,
        "progress": index / run.total,
        "epoch": index // run.sampler.steps_per_epoch,
    }


def step_lr_factor(training: Training, index: int) -> float:
    """Return the factor of the learning rate at a step of the run; ``index`` counts from 0."""
    run, plateau = training.run, training.progress.plateau
    engine, steps = run.engine, run.sampler.steps_per_epoch
    return lr_factor(run.recipe.train, engine.method, plateau, index, steps, engine.origins["method"])


def draw_samples(run: Run, step: int) -> None:
    """Write a grid of up to eight images of each domain, their translations and masks, to ``samples/step-N.png``.

    The images are spread evenly over the first of the splits ``validation``, ``test`` and ``train`` that has images of
    each domain. Only the main process writes, and only if the method has tensors to show.
    """
    outputs = run.engine.method.tensors
    if not run.accelerator.is_main_process or not outputs:
        return
    split = first_complete_split(run, "validation", "test") or "train"
    shown = spread_rows(image_counts(run.dataset, split), 8)
    with run.engine.evaluating():
        try:
            with catch_out_of_memory("a grid of samples does not fit into the memory", lambda: "lower images.size"):
                steps = list(evaluation_steps(run.engine, run.reader, split, shown, run.recipe.train.seed))
        except GanzooError as error:  # an image that became unreadable: samples are not worth a run
            run.write_event("samples-failed", step=step, why=str(error))
            run.say(f"step {step}: no samples: {error}")
            return
        for part in steps:
            images = [name for name in part if name in REAL or (name in outputs and outputs[name].is_translation)]
            run.engine.method.masks.mask_generated(part, images)  # in training the losses compute these masks
    tensors = join_steps(steps)
    layout = grid_layout(tensors, outputs)
    note = {"places": json.dumps(layout if len(steps) == 1 else {**layout, "translations": {}})}
    write_image(draw_grid(tensors, outputs), run.folder / "samples" / f"step-{step:07}.png", note)
