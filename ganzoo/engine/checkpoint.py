"""Save and load checkpoints. A new one replaces the old one by renames, so a killed process leaves a complete one.

``checkpoint_files.py`` lists the files of a checkpoint, finds and verifies them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from safetensors import SafetensorError
from torch import Tensor, nn

from ganzoo.engine.checkpoint_files import PROGRESS, read_progress, remedy, verified_file, write_progress
from ganzoo.engine.distributed import any_process
from ganzoo.engine.engine import Engine
from ganzoo.engine.layout import arrange_state
from ganzoo.errors import GanzooError
from ganzoo.utils.atomic import find_complete, replace_folder, sibling_path
from ganzoo.utils.reading import guard_content
from ganzoo.utils.tensors import read_tensors, write_tensors


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
        progress: the fields of progress.json; those of ``engine_fields`` are added to them.
        sums: the running sums of this process's log, by name.
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
                write_progress(new, {**progress, **engine_fields(engine)}, files)
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


def engine_fields(engine: Engine) -> dict[str, Any]:
    """Return what progress.json holds of the engine: the loss scale, and the state of adaptive augmentation by slot."""
    augment = {name: ada.numbers() for name, ada in engine.adaptive.items()}
    return {"scale": engine.scale.state_dict(), **({"augment": augment} if augment else {})}


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
            arrange_state(optimizer)
    with guard_content(folder / PROGRESS, "the loss scale", advice):
        engine.scale.load_state_dict(progress["scale"])
    with guard_content(folder / PROGRESS, "the state of adaptive augmentation", advice):
        for name, ada in engine.adaptive.items():
            ada.restore(progress["augment"][name])
    names = [process_file(engine.accelerator.process_index)]
    if list(partition) != progress.get("partition"):
        names = sorted(name for name in progress["files"] if name.startswith("process-")) or names
    states = [read_tensors(verified_file(folder, name), advice) for name in names]
    parts: dict[str, dict[str, Tensor]] = {"method": {}, "sums": {}}
    with guard_content(folder / names[0], "the state of this run's method", advice):
        saved = states[0] if len(states) == 1 else _merge(states)
        for key, tensor in saved.items():
            part, _, name = key.partition("/")
            single = engine.device.type == "mps" and tensor.dtype == torch.float64  # Apple's GPUs have no float64
            parts[part][name] = (tensor.float() if single else tensor).to(engine.device)
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
        load_network(network, verified_file(folder, f"networks/{name}.safetensors"))
    if engine.average:
        for name, network in engine.average.networks.items():
            load_network(network, verified_file(folder, f"average/{name}.safetensors"))


def load_network(network: nn.Module, file: Path) -> None:
    """Load a network's weights.

    Raises GanzooError if the file is missing or damaged, ArchitectureError if it is of another architecture.
    """
    weights = read_tensors(file, "use another checkpoint (--checkpoint NAME)")
    own = network.state_dict()
    for name in [*own, *weights]:
        expected, saved = own.get(name), weights.get(name)
        if expected is None or saved is None or expected.shape != saved.shape:
            reason = f"{name} is {_shape(saved)} in the file and {_shape(expected)} in the network"
            raise ArchitectureError(file, reason)
    network.load_state_dict(weights)


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else "×".join(map(str, tensor.shape)) or "one number"
