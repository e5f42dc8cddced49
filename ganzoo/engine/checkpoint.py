"""Save and load checkpoints: a new one replaces the old one by a rename, so a killed process leaves a complete one.

``checkpoint_files.py`` lists the files of a checkpoint, finds and verifies them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from safetensors import SafetensorError
from torch import Tensor, nn

from ganzoo.engine.checkpoint_files import PROGRESS, read_progress, remedy, verified_file, write_progress
from ganzoo.engine.distributed import any_process
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.utils.atomic import find_complete, replace_folder, sibling_path
from ganzoo.utils.reading import guard_content
from ganzoo.utils.tensors import read_tensors, write_tensors


def save_checkpoint(folder: Path, engine: Engine, progress: Mapping[str, Any], sums: Mapping[str, Tensor]) -> None:
    """Write a checkpoint to ``folder``; it replaces an existing one only when it is complete.

    Every process must call this. Raises GanzooError when the disk is full or not writable; the old checkpoint is then
    unchanged.

    Args:
        folder: the checkpoint's folder, such as ``RUN/checkpoints/last``.
        engine: has the networks, the optimizers and the method.
        progress: fields of progress.json.
        sums: running sums of the log, by name.
    """
    accelerator = engine.accelerator
    new = sibling_path(folder, "new")
    problem = ""
    files: dict[str, str] = {}
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
            name = process_file(accelerator.process_index)
            files[name] = write_tensors(new / name, state)
        if accelerator.is_main_process and not problem:
            files |= _write_shared(new, engine)
    except (OSError, SafetensorError) as error:
        problem = getattr(error, "strerror", None) or str(error)
    if accelerator.num_processes > 1:
        files = {name: checksum for own in gather_object([files]) for name, checksum in own.items()}
    if not any_process(accelerator, bool(problem)):
        try:
            if accelerator.is_main_process:
                write_progress(new, {**progress, "scale": engine.scale.state_dict()}, files)
                replace_folder(folder, PROGRESS)
        except OSError as error:
            problem = error.strerror or str(error)
    if any_process(accelerator, bool(problem)):
        if accelerator.is_main_process:
            shutil.rmtree(new, ignore_errors=True)
        before = "the previous one is complete; " if find_complete(folder, PROGRESS) else ""
        raise GanzooError(
            f"{folder}: the checkpoint cannot be written: {problem or 'another process failed'}; {before}make room, "
            "then run the same command again to resume"
        )


def process_file(rank: int) -> str:
    """Return the name of the file with the state of a process."""
    return f"process-{rank}.safetensors"


def _write_shared(new: Path, engine: Engine) -> dict[str, str]:
    """Write the files that all processes share, but progress.json; return the checksum of each."""
    files = {}
    for name, network in engine.networks.items():
        file = f"networks/{name}.safetensors"
        files[file] = write_tensors(new / file, network.state_dict())
    if engine.average:
        for name, network in engine.average.networks.items():
            file = f"average/{name}.safetensors"
            files[file] = write_tensors(new / file, network.state_dict())
    flat = {}
    for name, optimizer in engine.optimizers.items():
        for index, entries in optimizer.state_dict()["state"].items():
            flat.update({f"{name}/{index}/{key}": torch.as_tensor(value) for key, value in entries.items()})
    files["optimizers.safetensors"] = write_tensors(new / "optimizers.safetensors", flat)
    return files


def load_checkpoint(folder: Path, engine: Engine) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load networks, optimizers, averages and the method's state; return progress and the running sums of the log.

    Raises GanzooError when a file is missing, damaged or of another architecture.
    """
    progress, advice = read_progress(folder), remedy(folder)
    load_weights(folder, engine)
    file = verified_file(folder, "optimizers.safetensors")
    flat = read_tensors(file, advice)
    with guard_content(file, "the state of this run's optimizers", advice):
        for name, optimizer in engine.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, tensor in flat.items():
                owner, index, entry = key.rsplit("/", 2)
                if owner == name:
                    state.setdefault(int(index), {})[entry] = tensor
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    with guard_content(folder / PROGRESS, "the loss scale", advice):
        engine.scale.load_state_dict(progress["scale"])
    file = verified_file(folder, process_file(engine.accelerator.process_index))
    saved = read_tensors(file, advice)
    parts: dict[str, dict[str, Tensor]] = {"method": {}, "sums": {}}
    with guard_content(file, "the state of this run's method", advice):
        for key, tensor in saved.items():
            part, _, name = key.partition("/")
            parts[part][name] = tensor.to(engine.device)
        engine.method.load_state_dict(parts["method"])
    return progress, parts["sums"]


def load_weights(folder: Path, engine: Engine) -> None:
    """Load the weights of the networks and of their averages only. Raises GanzooError as ``load_checkpoint`` does."""
    for name, network in engine.networks.items():
        load_network(network, verified_file(folder, f"networks/{name}.safetensors"))
    if engine.average:
        for name, network in engine.average.networks.items():
            load_network(network, verified_file(folder, f"average/{name}.safetensors"))


def load_network(network: nn.Module, file: Path) -> None:
    """Load one network's weights. Raises GanzooError when the file is missing, damaged or of another architecture."""
    weights = read_tensors(file, "use another checkpoint (--checkpoint NAME)")
    own = network.state_dict()
    for name in [*own, *weights]:
        expected, saved = own.get(name), weights.get(name)
        if expected is None or saved is None or expected.shape != saved.shape:
            raise GanzooError(
                f"{file}: weights of another architecture: {name} is {_shape(saved)} in the file and "
                f"{_shape(expected)} in the network; use the recipe that they were trained with"
            )
    network.load_state_dict(weights)


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else "×".join(map(str, tensor.shape)) or "one number"
