"""Find settings with which a training step fits into the memory, after one did not: each is tried, and measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.engine.engine import Engine
from ganzoo.engine.recomputation import recompute_generators
from ganzoo.engine.trial import try_step
from ganzoo.errors import GanzooError
from ganzoo.settings import ImageSettings, TrainSettings
from ganzoo.step import Step
from ganzoo.utils.formatting import format_bytes
from ganzoo.utils.memory import measure_tensors

ADVISED = 3
"""The number of overrides that are named."""
SCALES = (0.75, 0.5)
"""The tried sides of images, as parts of the present one."""


@dataclass(frozen=True)
class Attempt:
    """A change of settings to try.

    Args:
        overrides: the change, as a user types it.
        batch: the images of each domain in a micro-batch; 0: as they are.
        precision: the precision; empty: as it is.
        scale: the part of the side of the images.
        checkpointing: whether with gradient checkpointing.
    """

    overrides: str
    batch: int = 0
    precision: str = ""
    scale: float = 1.0
    checkpointing: bool = False


def fitting_overrides(engine: Engine, step: Step, train: TrainSettings, images: ImageSettings) -> str:
    """Return a sentence with overrides of a recipe with which a step fits, and the memory of each; or usual advice.

    The engine must not be used afterwards: its settings are changed.

    Args:
        engine: the engine of a run that has not started, whose step did not fit.
        step: a micro-batch of that step.
        train, images: the recipe's settings.
    """
    found: list[str] = []
    inputs = {name: step[name] for name in step.batch}
    checkpointing = train.checkpointing
    for attempt in _attempts(engine, train, images):
        if len(found) == ADVISED:
            break
        if attempt.checkpointing and not checkpointing:
            checkpointing = True
            recompute_generators(engine.method, engine.networks)
        peak = _peak(engine, step, inputs, attempt)
        if peak:
            found.append(f"{attempt.overrides} ({format_bytes(peak)})")
    if not found:
        return "neither a smaller batch or image, nor bf16 or checkpointing fits: reduce the networks' width"
    return f"tried, and what each needed at its peak: {'; '.join(found)}"


def _attempts(engine: Engine, train: TrainSettings, images: ImageSettings) -> Iterator[Attempt]:
    """Yield the changes to try, those with gradient checkpointing last, as it cannot be switched off again."""
    parts = [n for n in range(1, train.batch) if train.batch % n == 0 and n % engine.method.group == 0]
    if parts:  # the product stays, so that the training does
        batch = parts[-1]
        smaller = f"train.batch={batch} train.accumulate={train.batch // batch * train.accumulate}"
        yield Attempt(smaller, batch=batch)
    if engine.precision == "fp32":
        yield Attempt("train.precision=bf16", precision="bf16")
    sizes = [Attempt(_size_override(images, scale), scale=scale) for scale in SCALES]
    if images.fit == "none":
        sizes = []
    yield from sizes[:1]
    again = Attempt("train.checkpointing=true", checkpointing=True)
    if train.checkpointing or train.compile:
        yield from sizes[1:]
        return
    yield again
    yield from sizes[1:]
    if sizes:
        yield Attempt(f"{again.overrides} {sizes[-1].overrides}", scale=SCALES[-1], checkpointing=True)


def _size_override(images: ImageSettings, scale: float) -> str:
    size = images.size
    sides = [_scaled(side, scale) for side in (size if isinstance(size, tuple) else (size,))]
    return f"images.size={sides[0]}" if len(sides) == 1 else f"images.size={sides}".replace(" ", "")


def _scaled(side: int, scale: float) -> int:
    return max(4, int(side * scale) // 4 * 4)


def _peak(engine: Engine, step: Step, inputs: dict[str, Tensor], attempt: Attempt) -> int:
    """Return the peak memory of a step with a change, in bytes; 0 if it does not fit or cannot be computed."""
    count = attempt.batch or len(step.samples)
    tensors = {name: _resized(tensor[:count], attempt.scale) for name, tensor in inputs.items()}
    changed = Step(
        tensors,
        seed=step.seed,
        index=step.index,
        samples=step.samples[:count],
        positions=step.positions[:count],
        classes=step.classes,
    )
    before, precision = 0, engine.precision
    if engine.device.type == "cuda":
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated(engine.device)
    engine.precision = attempt.precision or precision
    try:
        return before + measure_tensors(lambda: try_step(engine, [changed]), engine.device)
    except (GanzooError, RuntimeError, MemoryError):  # a smaller image may be too small for a network
        return 0
    finally:
        engine.precision = precision


def _resized(tensor: Tensor, scale: float) -> Tensor:
    """Return images, masks or labels (B, C, H, W) with scaled sides; other tensors as they are."""
    if scale == 1.0 or tensor.ndim != 4:
        return tensor
    size = [_scaled(side, scale) for side in tensor.shape[2:]]
    return F.interpolate(tensor.float(), size, mode="nearest").to(tensor.dtype)
