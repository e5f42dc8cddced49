"""Train a recipe with networks and images in float64, so that rounding differences stay below 1e-9.

In float32 the L1 terms and instance norms of tiny untrained networks enlarge rounding errors within a few steps.
In float64 a real difference between one process and two is larger than any rounding error.
"""

from __future__ import annotations

import sys
from typing import Any

import ganzoo.data.loader
import ganzoo.evaluation.evaluator
from ganzoo.data.loader import make_step
from ganzoo.step import Step
from ganzoo.training.loop import train
from ganzoo.training.run import Run


def make_double_step(*args: Any, **about: Any) -> Step:
    step = make_step(*args, **about)
    step.update({name: tensor.double() for name, tensor in step.items() if tensor.is_floating_point()})
    return step


def main() -> None:
    recipe, root, *overrides = sys.argv[1:]
    run = Run.prepare(recipe, overrides, root=root)
    for module in (ganzoo.data.loader, ganzoo.evaluation.evaluator):
        module.make_step = make_double_step  # type: ignore[attr-defined]
    averages = run.engine.average.networks if run.engine.average else {}
    for network in [*run.engine.networks.values(), *averages.values()]:
        network.double()
    train(run)


if __name__ == "__main__":
    main()
