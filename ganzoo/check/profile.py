"""Measure what a run needs (time per step, memory, disk) with a few steps on this machine, for ``ganzoo check``."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil  # comes with Accelerate
import torch
from torch import Tensor

from ganzoo.build import Experiment
from ganzoo.data.loader import micro_steps
from ganzoo.engine.engine import Engine
from ganzoo.engine.fitting import fitting_overrides
from ganzoo.errors import catch_out_of_memory
from ganzoo.interfaces import Method, Source
from ganzoo.recipe.schema import Recipe
from ganzoo.step import Step
from ganzoo.utils.formatting import format_bytes, format_duration
from ganzoo.utils.memory import peak_memory

STEPS = 4
"""Number of steps to train; the first one is not timed, as it builds indexes and selects kernels.

For a method whose steps follow a cycle of n different kinds it is 1 + 3n.
"""
LONG = 20.0
"""Seconds after which no further step starts, once each kind of step has been timed."""


@dataclass(frozen=True)
class Profile:
    """The measured cost of a run.

    Args:
        seconds: time of the fastest step after the first; if steps differ in kind, the mean of the fastest of each
            kind.
        memory: peak memory in bytes, of the accelerator if there is one, else of the process; 0 if it is unknown.
        checkpoint: size of a checkpoint after these steps, in bytes; the method's state, such as image pools, may grow.
        steps: number of steps that were trained.
        device: the device that they ran on.
        precision: the precision in which they ran.
    """

    seconds: float
    memory: int
    checkpoint: int
    steps: int
    device: torch.device
    precision: str


def measure_steps(experiment: Experiment) -> Profile:
    """Train a few steps with the recipe's full batch, and return their cost.

    Args:
        experiment: the recipe's parts, built for training; its networks are moved to the device, and their weights
            change.

    Raises:
        OutOfMemoryError: a step does not fit into the memory.
    """
    recipe, reader, sampler = experiment.recipe, experiment.reader, experiment.sampler
    train, times = recipe.train, []
    engine = experiment.engine

    def advise() -> str:
        batch = reader.training_batch(sampler.micro_batches(0)[0], 0, train.seed)
        micros = micro_steps([batch], engine.device, recipe.images, experiment.paired, seed=train.seed, index=0)
        return fitting_overrides(engine, micros[0], train, recipe.images)

    with catch_out_of_memory("a step does not fit into the memory", advise):
        cycle = engine.cycle
        for index in range(1 + (STEPS - 1) * cycle):
            batches = [reader.training_batch(rows, index, train.seed) for rows in sampler.micro_batches(index)]
            started = time.perf_counter()
            micros = micro_steps(batches, engine.device, recipe.images, experiment.paired, seed=train.seed, index=index)
            engine.step(micros)
            if engine.device.type != "cpu":
                torch.accelerator.synchronize()
            times.append(time.perf_counter() - started)
            if index >= cycle and sum(times) > LONG:
                break
    checkpoint = sum(tensor.numel() * tensor.element_size() for tensor in _checkpoint_tensors(engine))
    kinds = [min(times[1:][place::cycle]) for place in range(cycle)]
    return Profile(
        sum(kinds) / cycle, peak_memory(engine.device), checkpoint, len(times), engine.device, engine.precision
    )


def _checkpoint_tensors(engine: Engine) -> Iterator[Tensor]:
    """Yield the tensors that a checkpoint contains: of networks, averages, optimizers and the method."""
    for network in [*engine.networks.values(), *(engine.average.networks.values() if engine.average else ())]:
        yield from network.state_dict().values()
    for optimizer in engine.optimizers.values():
        for entries in optimizer.state.values():
            yield from (entry for entry in entries.values() if isinstance(entry, Tensor))
    yield from engine.method.state_dict().values()


def format_profile(needs: Profile, recipe: Recipe, total: int, images: int, sources: Mapping[str, Source]) -> list[str]:
    """Return lines of text that report a profile to the user, with the sizes of other files that the run reads.

    Args:
        needs: the measured profile.
        recipe: the run's recipe.
        total: number of steps of the whole run.
        images: bytes of all training images, decoded and scaled.
        sources: files and folders that the run reads besides recipe and data, by name.
    """
    kind = needs.device.type
    where = {"cpu": f"cpu, {torch.get_num_threads()} threads"}.get(kind, kind)
    available = f", of {format_bytes(psutil.virtual_memory().total)}" if kind == "cpu" else ""
    if kind == "cuda":
        where, available = torch.cuda.get_device_name(), f", of {format_bytes(torch.cuda.mem_get_info()[1])}"
    lines = [f"measured with {needs.steps} steps on {where}, {needs.precision}:"]
    lines.append(
        f"  time     {needs.seconds:.3g} s per step: {total:,} steps take {format_duration(needs.seconds * total)}"
    )
    if needs.memory:
        lines.append(f"  memory   {format_bytes(needs.memory)} at peak{available}")
    lines.append(
        f"  images   {format_bytes(min(images, recipe.images.cache << 20))} of memory for decoded images (images.cache)"
    )
    count = 2 + bool(recipe.evaluate.best) + (total // recipe.train.keep if recipe.train.keep else 0)
    free = shutil.disk_usage(Path.cwd()).free
    lines.append(
        f"  disk     {format_bytes(count * needs.checkpoint)}: {count} checkpoints of "
        f"{format_bytes(needs.checkpoint)}, one of them temporary, while it is written; {format_bytes(free)} free here"
    )
    return [*lines, *format_sources(sources)]


def profile_forward(method: Method, step: Step) -> list[str]:
    """Return lines of text that report the time and memory of one forward, for a method that has nothing to train.

    Args:
        method: the method, with its networks on the device.
        step: a step with the images of one batch on the device; the method adds its tensors to it.

    Raises:
        OutOfMemoryError: the images do not fit into the memory.
    """
    started = time.perf_counter()
    with catch_out_of_memory("one image does not fit into the memory"), torch.no_grad():
        method.forward(step)
    device = next(iter(step.values())).device
    if device.type != "cpu":
        torch.accelerator.synchronize()
    seconds = time.perf_counter() - started
    lines = [f"measured with one forward on {device.type}:", f"  time     {seconds:.3g} s for an image of each domain"]
    return lines + ([f"  memory   {format_bytes(peak)} at peak"] if (peak := peak_memory(device)) else [])


def format_sources(sources: Mapping[str, Source]) -> list[str]:
    """Return a line for each file or folder that the run reads besides recipe and data: name, size on disk and path."""
    lines = []
    for name, source in sources.items():
        size = sum(file.stat().st_size for file in [source.path, *source.path.rglob("*")] if file.is_file())
        lines.append(f"  {name}: {format_bytes(size)} on disk, {source.path}")
    return lines
