"""What a run will need: time a step, memory, disk; measured by a few steps of it on this machine."""

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
from ganzoo.errors import catch_out_of_memory
from ganzoo.interfaces import Method, Source
from ganzoo.recipe.schema import Recipe
from ganzoo.step import Step
from ganzoo.utils.formatting import format_bytes, format_duration
from ganzoo.utils.memory import peak_memory

STEPS = 4
"""That are taken at most: the first has indexes to learn and kernels to choose. More where steps take turns."""
LONG = 20.0
"""Seconds after which no further one is begun, once there was one of each kind."""


@dataclass(frozen=True)
class Profile:
    """Seconds and bytes.

    Args:
        seconds: a step, the fastest of those after the first; the mean of the kinds where steps take turns.
        memory: at the most, of the accelerator, or of the process where there is none; 0 where that is not known.
        checkpoint: one, after these steps; what the method keeps, such as image pools, may grow.
        steps: that were taken.
        device: on which it was measured.
    """

    seconds: float
    memory: int
    checkpoint: int
    steps: int
    device: torch.device


def measure_steps(experiment: Experiment) -> Profile:
    """Train a few steps of a recipe's full batch and discard them. Raises GanzooError when they do not fit.

    Args:
        experiment: built for training; its networks are moved and changed.
    """
    recipe, reader, sampler = experiment.recipe, experiment.reader, experiment.sampler
    train, times = recipe.train, []
    with catch_out_of_memory("a step does not fit into the memory"):
        engine = experiment.engine
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
    kept = sum(one.numel() * one.element_size() for one in _kept(engine))
    kinds = [min(times[1:][place::cycle]) for place in range(cycle)]
    return Profile(sum(kinds) / cycle, peak_memory(engine.device), kept, len(times), engine.device)


def _kept(engine: Engine) -> Iterator[Tensor]:
    """Yield what a checkpoint holds."""
    for network in [*engine.networks.values(), *(engine.average.networks.values() if engine.average else ())]:
        yield from network.state_dict().values()
    for optimizer in engine.optimizers.values():
        for entries in optimizer.state.values():
            yield from (one for one in entries.values() if isinstance(one, Tensor))
    yield from engine.method.state_dict().values()


def format_profile(needs: Profile, recipe: Recipe, total: int, images: int, sources: Mapping[str, Source]) -> list[str]:
    """Return what a user should know of it, a line each.

    Args:
        needs: as measured.
        recipe: the run's.
        total: its steps.
        images: bytes of all training images, decoded and scaled.
        sources: what else it reads.
    """
    kind = needs.device.type
    where = {"cpu": f"cpu, {torch.get_num_threads()} threads"}.get(kind, kind)
    there = f", of {format_bytes(psutil.virtual_memory().total)}" if kind == "cpu" else ""
    if kind == "cuda":
        where, there = torch.cuda.get_device_name(), f", of {format_bytes(torch.cuda.mem_get_info()[1])}"
    said = [f"measured by {needs.steps} steps on {where}, {recipe.train.precision}:"]
    said.append(
        f"  time     {needs.seconds:.3g} s a step: {total:,} steps take {format_duration(needs.seconds * total)}"
    )
    if needs.memory:
        said.append(f"  memory   {format_bytes(needs.memory)} at the most{there}")
    said.append(
        f"  images {format_bytes(min(images, recipe.images.cache << 20))} in the end, kept decoded (images.cache)"
    )
    many = 2 + bool(recipe.evaluate.best) + (total // recipe.train.keep if recipe.train.keep else 0)
    free = shutil.disk_usage(Path.cwd()).free
    said.append(
        f"  disk     {format_bytes(many * needs.checkpoint)}: {many} checkpoints of "
        f"{format_bytes(needs.checkpoint)}, one of them only while it is written; {format_bytes(free)} are free here"
    )
    return [*said, *format_sources(sources)]


def profile_forward(method: Method, step: Step) -> list[str]:
    """Return what a run needs of a method that has nothing to train, a line each: its forward is all there is to time.

    Args:
        method: its networks on the device.
        step: an image of each domain.
    """
    begun = time.perf_counter()
    with catch_out_of_memory("one image does not fit into the memory"), torch.no_grad():
        method.forward(step)
    device = next(iter(step.values())).device
    if device.type != "cpu":
        torch.accelerator.synchronize()
    took = time.perf_counter() - begun
    said = [f"measured by one forward on {device.type}:", f"  time     {took:.3g} s for an image of each domain"]
    return said + ([f"  memory   {format_bytes(most)} at the most"] if (most := peak_memory(device)) else [])


def format_sources(sources: Mapping[str, Source]) -> list[str]:
    """Return how large each of what else is read is, a line each."""
    said = []
    for name, source in sources.items():
        held = sum(file.stat().st_size for file in [source.path, *source.path.rglob("*")] if file.is_file())
        said.append(f"  {name}: {format_bytes(held)} on the disk, {source.path}")
    return said
