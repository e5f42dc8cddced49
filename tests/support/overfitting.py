"""Train a method on a few patterns, grey in A and tinted in B, to test the effect of its terms."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.interfaces import Method
from ganzoo.step import Step
from tests.support.stand_in_methods import engine_of

SIZE = 16


def patterns(count: int, seed: int) -> Tensor:
    """Return smooth patterns (count, 1, SIZE, SIZE), between −0.9 and 0.9, all different, also from mirrored ones."""
    drawn = torch.randn(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    smooth = F.interpolate(drawn, size=(SIZE, SIZE), mode="bicubic")
    return 0.9 * smooth / smooth.abs().amax((1, 2, 3), keepdim=True)


def grey(pattern: Tensor) -> Tensor:
    """Return patterns as images of A."""
    return pattern.expand(-1, 3, -1, -1)


def tinted(pattern: Tensor) -> Tensor:
    """Return patterns as images of B."""
    return torch.cat([0.9 * pattern, 0.5 * pattern + 0.2, 0.2 * pattern - 0.6], 1)


def trained(
    method: Method,
    networks: Mapping[str, nn.Module],
    images: Mapping[str, Tensor],
    *,
    steps: int,
    lr: float,
    batch: int = 4,
    seed: int = 0,
) -> Step:
    """Train a method on images of A and B, drawn independently; return a step with its outputs for all images."""
    engine = engine_of(method, networks, lr=lr)
    drawn = torch.Generator().manual_seed(seed)
    for index in range(steps):
        rows = {one: torch.randperm(len(those), generator=drawn)[:batch] for one, those in images.items()}
        real = {f"real_{one}": those[rows[one]] for one, those in images.items()}
        engine.step([Step(real, seed=seed, index=index, samples=range(index * batch, (index + 1) * batch))])
    every = {f"real_{one}": those for one, those in images.items()}
    step = Step(every, samples=range(len(every["real_A"])), training=False)
    with engine.evaluating():
        method.forward(step)
    return step


def error(step: Step, kind: str) -> float:
    """Return the mean difference of a step's images and their ``rec`` or ``idt``, over both domains."""
    return sum(float((step[f"{kind}_{one}"] - step[f"real_{one}"]).abs().mean()) for one in "AB") / 2


@torch.no_grad()
def likeness(one: Tensor, other: Tensor) -> float:
    """Return the mean correlation of the images' first channels."""
    a, b = (rows - rows.mean(1, keepdim=True) for rows in (one[:, 0].flatten(1), other[:, 0].flatten(1)))
    return float(F.cosine_similarity(a, b).mean())
