"""Save and load checkpoints. A new one replaces the old one by renames, so a killed process leaves a complete one.

A checkpoint is a folder:
    networks/<slot>.safetensors     one file per network
    average/<slot>.safetensors      the moving averages of the networks, if there are any
    optimizers.safetensors          <optim>/<parameter>/<key>
    process-<rank>.safetensors      the method's state (image pools, …) and the running sums of the log, per process
    progress.json                   step, best metric value, loss scale and more; it is written last
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ganzoo.engine.distributed import any_process
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.utils.atomic import find_complete, flush_to_disk, repair_replacement, replace_folder, sibling_path

PROGRESS = "progress.json"


class ArchitectureError(GanzooError):
    """Weights do not fit a network; ``reason`` names the first tensor that differs."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(
            f"{file}: weights of another architecture: {reason}; use the recipe that they were trained with"
        )
        self.reason = reason


def save_checkpoint(folder: Path, engine: Engine, progress: Mapping[str, Any], sums: Mapping[str, Tensor]) -> None:
    """Write a checkpoint to ``folder``; it replaces an existing one only after it is complete.

    Every process must call this. Raises GanzooError, on all processes, if one of them cannot write, for example because
    the disk is full; ``find_checkpoint`` then still returns the old checkpoint.

    Args:
        folder: the checkpoint's folder, such as ``RUN/checkpoints/last``.
        engine: the engine, whose networks, optimizers and method are saved.
        progress: the fields of progress.json; the loss scale is added to them.
        sums: the running sums of this process's log, by name.
    """
    accelerator = engine.accelerator
    new = sibling_path(folder, "new")
    problem = ""
    try:
        if accelerator.is_main_process:
            shutil.rmtree(new, ignore_errors=True)
            for part in ("networks", "average"):
                (new / part).mkdir(parents=True)
    except OSError as error:
        problem = error.strerror or str(error)
    accelerator.wait_for_everyone()  # also after a problem: the other processes wait here
    try:
        state = {f"method/{name}": tensor for name, tensor in engine.method.state_dict().items()}
        state |= {f"sums/{name}": tensor for name, tensor in sums.items()}
        if not problem:
            _write(new / f"process-{accelerator.process_index}.safetensors", state)
        if accelerator.is_main_process and not problem:
            _write_shared(new, engine, progress)
    except (OSError, SafetensorError) as error:
        problem = getattr(error, "strerror", None) or str(error)
    failed = bool(problem)
    if not any_process(accelerator, failed):
        try:
            if accelerator.is_main_process:
                replace_folder(folder, PROGRESS)
        except OSError as error:
            problem = error.strerror or str(error)
    if any_process(accelerator, bool(problem)):
        if accelerator.is_main_process:
            shutil.rmtree(new, ignore_errors=True)
        before = "the previous one is complete; " if find_checkpoint(folder) else ""
        raise GanzooError(
            f"{folder}: the checkpoint cannot be written: {problem or 'another process failed'}; {before}make room, "
            "then run the same command again to resume"
        )


def _write_shared(new: Path, engine: Engine, progress: Mapping[str, Any]) -> None:
    for name, network in engine.networks.items():
        _write(new / "networks" / f"{name}.safetensors", network.state_dict())
    if engine.average:
        for name, network in engine.average.networks.items():
            _write(new / "average" / f"{name}.safetensors", network.state_dict())
    flat = {}
    for name, optimizer in engine.optimizers.items():
        for index, entries in optimizer.state_dict()["state"].items():
            flat.update({f"{name}/{index}/{key}": torch.as_tensor(value) for key, value in entries.items()})
    _write(new / "optimizers.safetensors", flat)
    text = json.dumps({**progress, "scale": engine.scale.state_dict()}, indent=1)
    with (new / PROGRESS).open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def load_checkpoint(
    folder: Path, engine: Engine, partition: Sequence[int] = ()
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load a checkpoint into the engine: networks, averages, optimizers, loss scale and the method's state.

    Args:
        folder: the checkpoint's folder.
        engine: the engine with the networks, the optimizers and the method.
        partition: processes, batch and accumulate. If they differ from those in the checkpoint, each process loads the
            merged states of all, and the mean of their sums.

    Returns:
        The fields of progress.json, and the running sums of this process's log by name.

    Raises GanzooError if a file is missing or damaged, or if weights are of another architecture.
    """
    progress = read_progress(folder)
    load_weights(folder, engine)
    flat = _read(folder / "optimizers.safetensors")
    for name, optimizer in engine.optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in flat.items():
            owner, index, entry = key.rsplit("/", 2)
            if owner == name:
                state.setdefault(int(index), {})[entry] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    engine.scale.load_state_dict(progress["scale"])
    if list(partition) == progress.get("partition"):
        saved = _read(folder / f"process-{engine.accelerator.process_index}.safetensors")
    else:
        saved = _merge([_read(file) for file in sorted(folder.glob("process-*.safetensors"))])
    parts: dict[str, dict[str, Tensor]] = {"method": {}, "sums": {}}
    for key, tensor in saved.items():
        part, _, name = key.partition("/")
        parts[part][name] = tensor.to(engine.device)
    engine.method.load_state_dict(parts["method"])
    return progress, parts["sums"]


def _merge(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the states of all processes as one: image pools are of different positions, sums are averaged."""
    merged = {key: tensor for state in states for key, tensor in state.items()}
    for key in [one for one in merged if one.startswith("sums/")]:
        merged[key] = torch.stack([state[key] for state in states if key in state]).mean(0)
    return merged


def load_weights(folder: Path, engine: Engine) -> None:
    """Load only the weights of the networks and of their averages into the engine. Raises as ``load_network`` does."""
    for name, network in engine.networks.items():
        load_network(network, folder / "networks" / f"{name}.safetensors")
    if engine.average:
        for name, network in engine.average.networks.items():
            load_network(network, folder / "average" / f"{name}.safetensors")


def read_progress(folder: Path) -> dict[str, Any]:
    """Return the fields of a checkpoint's progress.json. Raises GanzooError if it is missing or cannot be read."""
    try:
        return dict(json.loads((folder / PROGRESS).read_text()))
    except (OSError, ValueError):
        raise GanzooError(f"{folder}: not a checkpoint, or a damaged one") from None


def load_network(network: nn.Module, file: Path) -> None:
    """Load a network's weights.

    Raises GanzooError if the file is missing or damaged, ArchitectureError if it is of another architecture.
    """
    weights = _read(file)
    own = network.state_dict()
    for name in [*own, *weights]:
        expected, saved = own.get(name), weights.get(name)
        if expected is None or saved is None or expected.shape != saved.shape:
            reason = f"{name} is {_shape(saved)} in the file and {_shape(expected)} in the network"
            raise ArchitectureError(file, reason)
    network.load_state_dict(weights)


def find_checkpoint(folder: Path) -> Path | None:
    """Return the folder that has the complete checkpoint now: ``folder``, its hidden old copy, or None."""
    return find_complete(folder, PROGRESS)


def select_checkpoint(run: Path, name: str = "") -> Path:
    """Return the folder of a run's checkpoint: ``name``, or by default ``best`` if it exists, else ``last``.

    Raises GanzooError, with the names of the available checkpoints, if there is no such checkpoint.
    """
    folder = run / "checkpoints"
    for candidate in [name] if name else ["best", "last"]:
        checkpoint = find_checkpoint(folder / candidate)
        if checkpoint:
            return checkpoint
    available = sorted(one.name for one in folder.glob("*") if (one / PROGRESS).is_file())
    raise GanzooError(
        f"{folder}: there is no checkpoint {name or 'yet'}; there are: {', '.join(available) or 'none, train first'}"
    )


def network_file(checkpoint: Path, slot: str) -> Path:
    """Return the path of the file with a network's weights: the averaged ones if the checkpoint has them."""
    averaged = checkpoint / "average" / f"{slot}.safetensors"
    return averaged if averaged.is_file() else checkpoint / "networks" / f"{slot}.safetensors"


def repair_checkpoint(folder: Path) -> Path | None:
    """Undo an interrupted replacement; return the checkpoint's folder, or None. Only the training run may call this."""
    return repair_replacement(folder, PROGRESS)


def _write(file: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, file)
    flush_to_disk(file)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise GanzooError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else "×".join(map(str, tensor.shape)) or "one number"
