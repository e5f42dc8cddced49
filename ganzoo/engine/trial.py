"""Try a training step before a run is created: what cannot work fails before there is a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import torch

from ganzoo.contracts.method_results import check_restored, check_state
from ganzoo.engine.compiled import uncompiled
from ganzoo.engine.engine import Engine
from ganzoo.engine.inspection import inspect_components
from ganzoo.step import Step


def try_components(engine: Engine, micro: Step) -> dict[str, str]:
    """Call every component of a training step, check what it returns, and undo the step; see ``inspect_components``.

    Return the input and output shape of each network, as that function does.

    Weights, averages and the method's state are afterwards bit for bit as before.

    Args:
        engine: of a run that has not started.
        micro: a micro-batch of the first step.

    Raises ComponentError if a component fails or returns something wrong.
    """
    engine.arrange(micro)
    with _undone(engine), uncompiled(engine.compile):
        losses = [loss for attached in engine.attached.values() for loss in attached]
        return inspect_components(engine.method, losses, engine.origins, micro, engine.autocast)


def try_step(engine: Engine, micros: Sequence[Step]) -> None:
    """Run one step, forward and backward of every phase that is due in it, and undo it.

    Weights, optimizers, averages and the method's state are afterwards bit for bit as before.

    Args:
        engine: of a run that has not started.
        micros: the micro-batches of the step; their ``index`` decides which phases are due.

    Raises GanzooError, or an error of torch, when the step cannot be computed.
    """
    with _undone(engine):
        engine.step(micros)


@contextmanager
def _undone(engine: Engine) -> Iterator[None]:
    """Undo a step that is run in a ``with`` block; after an error nothing is undone.

    Raises ComponentError if the method does not restore its state.
    """
    method, origin = engine.method, engine.origins["method"]
    averages = engine.average.networks.values() if engine.average else ()
    networks = [*engine.networks.values(), *engine.adaptive.values(), *averages]
    tensors = [tensor for network in networks for tensor in (*network.parameters(), *network.buffers())]
    saved = [tensor.detach().clone() for tensor in tensors]
    optimizers = {name: deepcopy(optimizer.state_dict()) for name, optimizer in engine.optimizers.items()}
    with engine.catching("state_dict"):
        state = {name: tensor.clone() for name, tensor in check_state(method.state_dict(), origin).items()}
    scale = engine.scale.state_dict()
    with torch.random.fork_rng(devices=[]):
        yield
    with engine.catching("undo"):
        method.undo()
    with engine.catching("load_state_dict"):
        method.load_state_dict(state)
    check_restored(state, method.state_dict(), origin)
    engine.scale.load_state_dict(scale)
    for name, optimizer in engine.optimizers.items():
        optimizer.load_state_dict(optimizers[name])
    with torch.no_grad():
        for tensor, before in zip(tensors, saved, strict=True):
            tensor.copy_(before)
