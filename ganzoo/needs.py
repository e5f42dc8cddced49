"""What a run will need: time a step, memory, disk; measured by two steps of it on this machine, nothing written."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # comes with Accelerate
import torch
from torch import Tensor

from ganzoo import processes
from ganzoo.assemble import Attached
from ganzoo.data.augment import augment, make_step
from ganzoo.data.loading import Reader
from ganzoo.data.order import Order
from ganzoo.engine import Engine
from ganzoo.errors import GanzooError, is_out_of_memory
from ganzoo.interfaces import Method, Source
from ganzoo.recipe import Recipe


@dataclass(frozen=True)
class Needs:
    """Seconds and bytes.

    Args:
        seconds: a step, the second one: the first has indexes to learn and kernels to choose.
        memory: at the most, of the accelerator, or of the process where there is none; 0 where that is not known.
        checkpoint: one, after two steps; what the method keeps, such as image pools, may grow.
        device: on which it was measured.
    """

    seconds: float
    memory: int
    checkpoint: int
    device: torch.device


def measure(
    recipe: Recipe, method: Method, losses: Sequence[Attached], reader: Reader, order: Order, paired: bool
) -> Needs:
    """Train two steps of a recipe's full batch and throw them away. Raises GanzooError when they do not fit.

    Args:
        recipe: the checked recipe.
        method: built for it; its networks are moved and changed.
        losses: attached ones; they are moved.
        reader: of the data.
        order: likewise.
        paired: whether pictures come in pairs.
    """
    accelerator, train = processes.start(), recipe.train
    for one in losses:
        one.loss.to(accelerator.device)
    engine = Engine(method, accelerator, losses=losses, lr=train.lr, precision=train.precision, ema=train.ema)
    seconds = 0.0
    for index in (0, 1):
        batches = [reader.training_batch(rows, index, train.seed) for rows in order.micro_batches(index)]
        begun = time.perf_counter()
        try:
            micros = [make_step(batch, engine.device, seed=train.seed, index=index) for batch in batches]
            for micro in micros:
                augment(micro, recipe.images, paired)
            engine.step(micros)
            if engine.device.type != "cpu":
                torch.accelerator.synchronize()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise GanzooError(
                "a step does not fit into the memory: lower train.batch (and raise train.accumulate), or images.size, "
                "or the networks' width"
            ) from None
        seconds = time.perf_counter() - begun
    kept = sum(one.numel() * one.element_size() for one in _kept(engine))
    return Needs(seconds, _peak(engine.device), kept, engine.device)


def _kept(engine: Engine) -> Iterator[Tensor]:
    """Yield what a checkpoint holds."""
    for network in [*engine.networks.values(), *(engine.average.networks.values() if engine.average else ())]:
        yield from network.state_dict().values()
    for optimizer in engine.optimizers.values():
        for entries in optimizer.state.values():
            yield from (one for one in entries.values() if isinstance(one, Tensor))
    yield from engine.method.state_dict().values()


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    if device.type == "cpu":
        with suppress(ImportError):  # Windows
            import resource

            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return most if sys.platform == "darwin" else most * 1024
    return 0


def lines(needs: Needs, recipe: Recipe, total: int, pictures: int, sources: Mapping[str, Source]) -> list[str]:
    """Return what a user should know of it, a line each.

    Args:
        needs: as measured.
        recipe: the run's.
        total: its steps.
        pictures: bytes of all training pictures, decoded and scaled.
        sources: what else it reads.
    """
    cpu = needs.device.type == "cpu"
    where = f"cpu, {torch.get_num_threads()} threads" if cpu else torch.cuda.get_device_name()
    said = [f"measured by two steps on {where}, {recipe.train.precision}:"]
    said.append(f"  time     {needs.seconds:.3g} s a step: {total:,} steps take {duration(needs.seconds * total)}")
    there = psutil.virtual_memory().total if cpu else torch.cuda.mem_get_info()[1]
    if needs.memory:
        said.append(f"  memory   {size(needs.memory)} at the most, of {size(there)}")
    said.append(f"  pictures {size(min(pictures, recipe.images.cache << 20))} in the end, kept decoded (images.cache)")
    many = 2 + bool(recipe.evaluate.best) + (total // recipe.train.keep if recipe.train.keep else 0)
    free = shutil.disk_usage(Path.cwd()).free
    said.append(
        f"  disk     {size(many * needs.checkpoint)}: {many} checkpoints of {size(needs.checkpoint)}, one of them only "
        f"while it is written; {size(free)} are free here"
    )
    for name, source in sources.items():
        held = sum(file.stat().st_size for file in [source.path, *source.path.rglob("*")] if file.is_file())
        said.append(f"  {name}: {size(held)} on the disk, {source.path}")
    return said


def size(count: float) -> str:
    """Return bytes as a reader takes them in.

    >>> size(471_000_000), size(64 * 2**30), size(900)
    ('449 MiB', '64 GiB', '0.00086 MiB')
    """
    return f"{count / 2**30:.3g} GiB" if count >= 2**30 else f"{count / 2**20:.3g} MiB"


def duration(seconds: float) -> str:
    """Return a time as a reader takes it in.

    >>> [duration(one) for one in (9, 130, 7300, 8_000_000)]
    ['9 s', '2 min', '2 h', '93 days']
    """
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
