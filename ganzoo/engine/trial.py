"""Try a training step before a run is created: what cannot work fails before there is a folder."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch

from ganzoo.engine.engine import Engine
from ganzoo.step import Step


def try_step(engine: Engine, micros: Sequence[Step]) -> None:
    """Run one step, forward and backward of every phase that is due in it, and undo it.

    Weights, optimizers, averages and the method's state are afterwards bit for bit as before.

    Args:
        engine: of a run that has not started.
        micros: the micro-batches of the step; their ``index`` decides which phases are due.

    Raises GanzooError, or an error of torch, when the step cannot be computed.
    """
    averages = engine.average.networks.values() if engine.average else ()
    networks = [*engine.networks.values(), *engine.adaptive.values(), *averages]
    tensors = [tensor for network in networks for tensor in (*network.parameters(), *network.buffers())]
    saved = [tensor.detach().clone() for tensor in tensors]
    optimizers = {name: deepcopy(optimizer.state_dict()) for name, optimizer in engine.optimizers.items()}
    state = {name: tensor.clone() for name, tensor in engine.method.state_dict().items()}
    scale = engine.scale.state_dict()
    with torch.random.fork_rng(devices=[]):
        engine.step(micros)
    engine.method.undo()
    engine.method.load_state_dict(state)
    engine.scale.load_state_dict(scale)
    for name, optimizer in engine.optimizers.items():
        optimizer.load_state_dict(optimizers[name])
    with torch.no_grad():
        for tensor, before in zip(tensors, saved, strict=True):
            tensor.copy_(before)
