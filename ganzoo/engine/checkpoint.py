"""Checkpoints: safetensors and JSON, written aside and renamed, so that a kill at any moment leaves the last one whole.

A checkpoint is a folder:
    networks/<slot>.safetensors     one file a network
    average/<slot>.safetensors      the moving averages, if any
    optimizers.safetensors          <optim>/<parameter>/<key>
    process-<rank>.safetensors      what the method keeps (pools, …) and the running sums of the log
    progress.json                   step, best figure, loss scale
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
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


def save_checkpoint(folder: Path, engine: Engine, progress: Mapping[str, Any], sums: Mapping[str, Tensor]) -> None:
    """Write a checkpoint to ``folder``, replacing the one that is there only once the new one is whole.

    Every process calls this. Raises GanzooError when the disk is full or not writable; the old one then stands.
    """
    accelerator = engine.accelerator
    new = sibling_path(folder, "new")
    trouble = ""
    try:
        if accelerator.is_main_process:
            shutil.rmtree(new, ignore_errors=True)
            for part in ("networks", "average"):
                (new / part).mkdir(parents=True)
    except OSError as error:
        trouble = error.strerror or str(error)
    accelerator.wait_for_everyone()  # whatever went wrong: the others wait here
    try:
        kept = {f"method/{name}": tensor for name, tensor in engine.method.state_dict().items()}
        kept |= {f"sums/{name}": tensor for name, tensor in sums.items()}
        if not trouble:
            _write(new / f"process-{accelerator.process_index}.safetensors", kept)
        if accelerator.is_main_process and not trouble:
            _write_shared(new, engine, progress)
    except (OSError, SafetensorError) as error:
        trouble = getattr(error, "strerror", None) or str(error)
    failed = bool(trouble)
    if not any_process(accelerator, failed):
        try:
            if accelerator.is_main_process:
                replace_folder(folder, PROGRESS)
        except OSError as error:
            trouble = error.strerror or str(error)
    if any_process(accelerator, bool(trouble)):
        if accelerator.is_main_process:
            shutil.rmtree(new, ignore_errors=True)
        before = "the one before it is whole; " if find_checkpoint(folder) else ""
        raise GanzooError(
            f"{folder}: the checkpoint cannot be written: {trouble or 'another process failed'}; {before}make room, "
            "then give the same command again to go on"
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


def load_checkpoint(folder: Path, engine: Engine) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Bring networks, optimizers, averages and the method's state back; return progress and the log's sums."""
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
    kept = _read(folder / f"process-{engine.accelerator.process_index}.safetensors")
    parts: dict[str, dict[str, Tensor]] = {"method": {}, "sums": {}}
    for key, tensor in kept.items():
        part, _, name = key.partition("/")
        parts[part][name] = tensor.to(engine.device)
    engine.method.load_state_dict(parts["method"])
    return progress, parts["sums"]


def load_weights(folder: Path, engine: Engine) -> None:
    """Bring the networks and their averages back, and nothing else."""
    for name, network in engine.networks.items():
        load_network(network, folder / "networks" / f"{name}.safetensors")
    if engine.average:
        for name, network in engine.average.networks.items():
            load_network(network, folder / "average" / f"{name}.safetensors")


def read_progress(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's progress.json. Raises GanzooError when the folder is none."""
    try:
        return dict(json.loads((folder / PROGRESS).read_text()))
    except (OSError, ValueError):
        raise GanzooError(f"{folder}: no checkpoint is there, or it is damaged") from None


def load_network(network: nn.Module, file: Path) -> None:
    """Load one network's weights. Raises GanzooError when the file is missing, damaged or of another architecture."""
    weights = _read(file)
    own = network.state_dict()
    for name in [*own, *weights]:
        ours, theirs = own.get(name), weights.get(name)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            raise GanzooError(
                f"{file}: weights of another architecture: {name} is {_shape(theirs)} there and {_shape(ours)} here; "
                "use the recipe that they were trained with"
            )
    network.load_state_dict(weights)


def find_checkpoint(folder: Path) -> Path | None:
    """Return the folder that holds a checkpoint just now, or None."""
    return find_complete(folder, PROGRESS)


def select_checkpoint(run: Path, name: str = "") -> Path:
    """Return the folder of a run's checkpoint: ``name``, or by default ``best`` if there is one, else ``last``.

    Raises GanzooError, with the checkpoints that there are, where it is missing.
    """
    folder = run / "checkpoints"
    for one in [name] if name else ["best", "last"]:
        found = find_checkpoint(folder / one)
        if found:
            return found
    there = sorted(one.name for one in folder.glob("*") if (one / PROGRESS).is_file())
    raise GanzooError(
        f"{folder}: there is no checkpoint {name or 'yet'}; there are: {', '.join(there) or 'none, train first'}"
    )


def network_file(checkpoint: Path, slot: str) -> Path:
    """Return the file with a network's weights, the averaged ones where the run averaged them."""
    averaged = checkpoint / "average" / f"{slot}.safetensors"
    return averaged if averaged.is_file() else checkpoint / "networks" / f"{slot}.safetensors"


def repair_checkpoint(folder: Path) -> Path | None:
    """Undo a replacement that was cut short; return the checkpoint, or None. For the run that owns the folder."""
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
