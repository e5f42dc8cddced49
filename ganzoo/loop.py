"""The training loop, read aloud: step, guard, log, evaluate, draw, save; stop when asked, and lose nothing."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo import state
from ganzoo.closing import closing_panel, write_result
from ganzoo.data.augment import augment, make_step
from ganzoo.data.loading import evaluation_rows, training_batches
from ganzoo.data.pictures import write_picture
from ganzoo.errors import GanzooError
from ganzoo.evaluate import evaluate, evaluation_step
from ganzoo.grid import draw_grid
from ganzoo.interfaces import Split
from ganzoo.step import Step

if TYPE_CHECKING:
    from ganzoo.runs import Run


def train(run: Run) -> dict[str, float]:
    """Train from the last checkpoint to the end; return the closing evaluation's figures."""
    start, progress, sums = run.start_step()
    tally = Tally(run, sums)
    guard = Guard(run, int(progress.get("bad", 0)))
    best = progress.get("best")
    settings, total = run.recipe.train, run.total
    announce(run, start)
    run.callbacks.gather()
    run.callbacks.call("start")
    if start == 0 and run.metrics:
        evaluate_now(run, 0)
    with Stop() as stop, run.console.progress(total, start) as line:
        waiting = time.perf_counter()
        for index, batches in training_batches(run.reader, run.order, start, total, settings.workers):
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
                stopping = run.callbacks.call("evaluation", step, figures) or stopping
                record = improved(run, figures, best)
                if record is not None:
                    best = record
                    save(run, "best", step, guard, best, tally)
            if due(step, settings.sample) or last:
                draw_samples(run, step)
            if due(step, settings.keep):
                save(run, f"step-{step}", step, guard, best, tally)
            if due(step, settings.save) or last or stopping or guard.lost:
                save(run, "last", step, guard, best, tally)
            if guard.lost:
                raise GanzooError(guard.lost)
            if stopping and not last:
                run.write_event("stopped", step=step, signal=stop.name)
                raise Stopped(run, step, stop.name)
            waiting = time.perf_counter()
    figures = finish(run)
    run.callbacks.call("end")
    return figures


def announce(run: Run, start: int) -> None:
    """Say what is about to happen, and at what cost in pictures a step."""
    train, order = run.recipe.train, run.order
    counts = ", ".join(f"{count} {domain}" for domain, count in order.counts.items())
    length = f"{run.total} steps" + (f" ({train.epochs} epochs)" if train.epochs else "")
    run.console.say(
        f"{run.recipe.method.component.name} on {run.engine.device.type}, {train.precision}: world {order.processes} × "
        f"batch {train.batch} × accumulate {train.accumulate} = {order.global_batch} images/step; {counts}; {length}"
    )
    if start:
        where = "already at its end" if start >= run.total else f"going on from step {start}"
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
    """Return whether a split has pictures of both domains."""
    return all(run.dataset.count(split, domain) for domain in ("A", "B"))


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
    count = len(evaluation_rows({domain: run.dataset.count(split, domain) for domain in ("A", "B")}))
    shown = sorted({round(i * (count - 1) / 7) for i in range(8)})
    with run.engine.evaluating():
        grid = draw_grid(evaluation_step(run.engine, run.reader, split, shown, run.recipe.train.seed))
    write_picture(grid, run.folder / "samples" / f"step-{step:07}.png")


def save(run: Run, name: str, step: int, guard: Guard, best: float | None, tally: Tally) -> None:
    """Write a checkpoint."""
    progress = {"step": step, "bad": guard.bad, "best": best, "channels": dict(run.dataset.channels)}
    state.save(run.checkpoint(name), run.engine, progress, tally.sums)
    run.callbacks.call("checkpoint", step)


def finish(run: Run) -> dict[str, float]:
    """Evaluate on the test split (or validation, where there is none), write the result, say where things are."""
    figures: dict[str, float] = {}
    earlier = next((one for one in run.results if one["step"] == run.total), None)
    if run.metrics and earlier:
        figures = earlier["figures"]
    elif run.metrics:
        split: Split = "test" if has(run, "test") else "validation"
        settings = run.recipe.evaluate
        figures, counts = evaluate(
            run.engine, run.reader, run.metrics, split, seed=run.recipe.train.seed, batch=settings.batch
        )
        if run.accelerator.is_main_process:
            write_result(run, split, counts, figures)
    run.write_event("finished", step=run.total)
    if run.accelerator.is_main_process:
        closing_panel(run)
    return figures


class Stopped(GanzooError):  # noqa: N818
    """The run was asked to stop, and saved; ``code`` is what the command exits with."""

    def __init__(self, run: Run, step: int, name: str) -> None:
        self.code = 128 + getattr(signal, name, 0) if name else 0
        super().__init__(f"{run.folder}: stopped at step {step} and saved; the same command goes on from here")


class Stop:
    """While it lasts, SIGTERM and Ctrl-C ask for a stop after the step; a second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.name = ""

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return bool(self.name)

    def __enter__(self) -> Stop:
        self.before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            for one in self.before:
                signal.signal(one, self._handle)
        except ValueError:  # not in the main thread (a notebook's executor): then signals are not ours
            self.before = {}
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.name == "SIGINT" and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name

    def __exit__(self, *problem: object) -> None:
        for one, handler in self.before.items():
            signal.signal(one, handler)


class Guard:
    """Counts steps that were not finite (the engine has skipped them), names the term, and ends a lost run."""

    def __init__(self, run: Run, bad: int) -> None:
        self.run = run
        self.bad = bad
        self.skipped = False
        self.lost = ""

    def watch(self, index: int, losses: Mapping[str, Tensor], flags: Tensor, stop: bool) -> bool:
        """Look at a step's flags; return whether to stop. The step's one read from the device happens here."""
        verdict = torch.cat([flags, torch.tensor([float(stop)], device=flags.device)])
        verdict = self.run.accelerator.reduce(verdict, "sum")
        *bad, asked = verdict.tolist()
        self.skipped = any(bad)
        self.bad = self.bad + 1 if self.skipped else 0
        if self.skipped:
            self.run.engine.method.undo()
            phase = next(one for one, flag in zip(self.run.engine.due(index), bad, strict=True) if flag)
            self._tell(index + 1, phase.name, losses)
        return bool(asked)

    def _tell(self, step: int, phase: str, losses: Mapping[str, Tensor]) -> None:
        terms = {name: float(value) for name, value in losses.items() if name.startswith(f"{phase}/")}
        term = next((name for name, value in terms.items() if not math.isfinite(value)), f"{phase}: a gradient")
        self.run.write_event("not-finite", step=step, term=term, in_a_row=self.bad)
        self.run.console.say(f"step {step} skipped: {term} is not finite ({self.bad} in a row)")
        if self.bad >= self.run.recipe.train.patience:
            self.lost = (
                f"{self.run.folder}: stopped at step {step}: {term} was not finite {self.bad} times in a row. The "
                "weights from before are saved as checkpoint last; begin another run with a lower train.lr, or in fp32"
            )


class Tally:
    """Means of the terms over a logging interval, and how fast it went."""

    def __init__(self, run: Run, sums: Mapping[str, Tensor]) -> None:
        self.run = run
        self.sums = dict(sums)
        self.waited = 0.0
        self.waiting = 0.0
        self.images_per_s = 0.0
        self.begun = time.perf_counter()
        self.steps = 0

    def add(self, losses: Mapping[str, Tensor], *, skipped: bool) -> None:
        """Add a step's terms, on the device; a skipped step counts for nothing."""
        self.steps += 1
        for name, value in {} if skipped else losses.items():
            for key, one in (
                (name, value.double()),
                (f"#{name}", torch.ones_like(value, dtype=torch.float64)),
            ):
                self.sums[key] = self.sums[key] + one if key in self.sums else one

    def write(self, step: int, factor: float) -> dict[str, float]:
        """Write the interval's line to metrics.jsonl, start the next, return the means over all processes."""
        names = [name for name in self.sums if not name.startswith("#")]
        means: dict[str, float] = {}
        if names:
            stacked = torch.stack([self.sums[name] / self.sums[f"#{name}"] for name in names])
            means = dict(zip(names, self.run.accelerator.reduce(stacked, "mean").tolist(), strict=True))
        self.sums = {}
        took = time.perf_counter() - self.begun
        self.images_per_s = self.steps * self.run.order.global_batch / took
        self.waiting = min(1.0, self.waited / took)
        if self.run.accelerator.is_main_process:
            self.run.lines.append(
                step=step,
                epoch=round(step / self.run.order.steps_per_epoch, 4),
                lr=self.run.recipe.train.lr * factor,
                losses=means,
                images_per_s=round(self.images_per_s, 2),
                data_wait=round(self.waiting, 4),
            )
        self.begun, self.steps, self.waited = time.perf_counter(), 0, 0.0
        return means

    def left(self, step: int) -> float:
        """Return the seconds left at this interval's speed."""
        return (self.run.total - step) * self.run.order.global_batch / max(self.images_per_s, 1e-9)
