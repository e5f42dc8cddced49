"""Start Accelerate for a run; refuse launches that would train something else without a warning."""

from __future__ import annotations

import atexit
import os
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs
from torch import nn

from ganzoo.errors import GanzooError, one_line
from ganzoo.utils.device import default_device

PATIENCE = timedelta(hours=6)
"""How long a process waits for another, which may draw samples or send files to a tracker in the meantime."""


def start_accelerator(*, device: str = "", command: str = "run") -> Accelerator:
    """Return the Accelerator of this process.

    Args:
        device: a torch device, such as ``cpu`` or ``cuda:1``; by default the accelerator, if there is one.
        command: the ganzoo command, for advice.

    Raises GanzooError if the number of processes is not the one that the launcher was asked for, for environment
    variables of a launcher with wrong values, for ``accelerate
    launch --mixed_precision``, for FSDP, DeepSpeed, Megatron-LM and tensor parallelism, which split parameters, for
    a device that this machine lacks, and if there are fewer GPUs than processes.
    """
    refuse_single_launch(command)
    _, expected = launched_process()
    with_gpu = select_device(device)
    # Without cpu=True two processes on a machine without a GPU would each run as if it were the only one.
    try:
        waits = InitProcessGroupKwargs(backend=None, timeout=PATIENCE)
        accelerator = Accelerator(cpu=not with_gpu, kwargs_handlers=[waits])
    except (ValueError, RuntimeError) as error:  # Accelerate's own variables; a process that does not answer
        if expected > 1:
            raise unconnected(expected, error) from None
        raise GanzooError(f"Accelerate cannot start: {one_line(error)}") from None
    atexit.register(close_process_group)
    if os.environ.get("ACCELERATE_MIXED_PRECISION", "no") not in ("no", ""):
        raise GanzooError(
            "accelerate launch --mixed_precision has no effect: set the recipe's train.precision to bf16 or fp16"
        )
    if expected != accelerator.num_processes:
        raise GanzooError(
            f"the launcher started {expected} processes, but Accelerate sees {accelerator.num_processes}: "
            f"start with torchrun --nproc_per_node N -m ganzoo {command} …"
        )
    kind = str(accelerator.distributed_type).rpartition(".")[2]
    if kind in ("FSDP", "DEEPSPEED", "MEGATRON_LM", "TP"):
        raise GanzooError(
            f"{kind} is not supported: it splits each network's parameters, but a GAN steps several networks against "
            "one another and each phase averages its own gradients; use plain multi-GPU (accelerate config)"
        )
    return accelerator


def unconnected(count: int, error: Exception) -> GanzooError:
    """Return the error for processes that cannot be connected: a variable is missing, or one does not answer."""
    return GanzooError(
        f"the {count} processes cannot be connected ({one_line(error)}): start them with accelerate launch or torchrun"
    )


def close_process_group() -> None:
    """Close the connections to other processes, if there are any: open ones can abort a process when it exits.

    It is called when the process exits, and not at the end of a run, as the next run of the process needs them too.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def any_process(accelerator: Accelerator, flag: bool) -> bool:
    """Return whether the flag is true on at least one process. Every process must call this."""
    if accelerator.num_processes == 1:
        return flag
    return bool(accelerator.reduce(torch.tensor([float(flag)], device=accelerator.device), "sum").item())


def select_device(device: str) -> bool:
    """Make a device the current one, if it is an accelerator; return whether it is.

    Raises GanzooError for a device that this machine lacks, and for one of several processes that has none of its own.
    """
    number, count = launched_process()
    with_gpu = torch.accelerator.is_available() and not asked_for_cpu()
    if device:
        try:
            chosen = torch.device(device)
            if chosen.type not in ("cpu", default_device().type):
                raise RuntimeError
            if count == 1:  # each of several processes would use memory of the first device
                torch.zeros(1, device=chosen)
        except (RuntimeError, AssertionError):  # torch does not know the device, or this machine lacks it
            raise GanzooError(
                f"--device is {device!r}; this machine has no such torch device (cpu always works)"
            ) from None
        with_gpu = chosen.type != "cpu"
        if with_gpu and chosen.index is not None:
            if count > 1:
                raise GanzooError(f"--device is {device!r}, but each of several processes needs its own: remove it")
            torch.accelerator.set_device_index(chosen.index)
    if with_gpu and count > 1:
        _require_own_device(number)
    earlier = AcceleratorState._shared_state.get("device")
    if earlier is not None and (earlier.type != "cpu") != with_gpu:  # an earlier run of this process, in a notebook
        AcceleratorState._reset_state(reset_partial_state=True)
    return with_gpu


def _require_own_device(number: int) -> None:
    kind, devices = default_device().type, torch.accelerator.device_count()
    if kind == "mps":
        raise GanzooError("several processes cannot use the GPU of a Mac: start one process, or add --device cpu")
    if (launcher_variable("LOCAL_RANK") or 0) >= devices:
        raise GanzooError(
            f"process {number} has no {kind} device of its own: this machine has {devices}; start as many processes, "
            "or use --device cpu"
        )


def launched_process() -> tuple[int, int]:
    """Return the number of this process and how many a launcher started; 0 and 1 without a launcher.

    Raises GanzooError for environment variables of a launcher with wrong values.
    """
    names = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT")
    count, rank, *_ = (launcher_variable(name) for name in names)
    if (rank or 0) >= (count or 1):
        raise GanzooError(f"RANK is {rank}, but WORLD_SIZE is {count or 1}: unset both, or let torchrun set them")
    return rank or 0, count or 1


def launcher_variable(name: str) -> int | None:
    """Return a variable of the launcher, None if it is not set. Raises GanzooError unless it is a number."""
    value = os.environ.get(name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit():
        raise GanzooError(f"the environment variable {name} is {value!r}; it must be a number: unset it")
    return int(value)


def asked_for_cpu() -> bool:
    """Return whether the launcher was told to leave the accelerators alone, as ``accelerate launch --cpu`` does."""
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")


def refuse_single_launch(command: str) -> None:
    """Raise GanzooError for ``accelerate launch --cpu --num_processes 2``, which starts only one process, silently.

    The number may also be in Accelerate's configuration. ``command`` is the ganzoo command, for the advice.
    """
    if "WORLD_SIZE" in os.environ:
        return
    parent = _parent_command()
    requested = launched_processes(parent)
    # For several processes accelerate launch sets the port through which they are to meet, and starts one.
    configured = is_launch(parent) and "MASTER_PORT" in os.environ and "MASTER_PORT" not in _parent_environment()
    if requested > 1 or configured:
        many, number = (requested, requested) if requested > 1 else ("several", "N")
        raise GanzooError(
            f"{many} processes were requested, but accelerate launch started only this one, as it does on CPUs; "
            f"type: torchrun --nproc_per_node {number} -m ganzoo {command} …"
        )


def is_launch(command: list[str]) -> bool:
    """Return whether a command line is one of ``accelerate launch``."""
    names = [os.path.basename(word) for word in command[:4]]
    return any(name.startswith("accelerate") or name == "launch.py" for name in names)


def launched_processes(command: list[str]) -> int:
    """Return the number of processes that an ``accelerate launch`` command line requests; 1 if it requests none.

    >>> launched_processes(["python", "/bin/accelerate", "launch", "--cpu", "--num_processes", "2", "ganzoo"])
    2
    """
    if not is_launch(command):
        return 1
    for i, word in enumerate(command):
        flag, _, value = word.replace("-", "_").partition("=")
        if flag == "__num_processes":
            number = value or (command[i + 1] if i + 1 < len(command) else "")
            return int(number) if number.isdigit() else 1
    return 1


def _parent_command() -> list[str]:
    import psutil  # comes with Accelerate

    try:
        return list(psutil.Process(os.getppid()).cmdline())
    except psutil.Error:
        return []


def _parent_environment() -> dict[str, str]:
    import psutil

    try:
        return dict(psutil.Process(os.getppid()).environ())
    except (psutil.Error, OSError):
        return {}


def synchronize_batch_norm(network: nn.Module, accelerator: Accelerator) -> nn.Module:
    """Return the network with batch norms that normalize over the batches of all processes together.

    The network is returned unchanged if there is one process or no batch norm. Frozen batch norms, in eval mode,
    normalize by saved statistics, so each process can do so alone. Raises GanzooError for others on several CPU
    processes, which torch does not support, and for a layer that adds something to torch's or timm's batch norms.
    """
    if accelerator.num_processes == 1 or not any(
        isinstance(part, nn.modules.batchnorm._BatchNorm) and part.training for part in network.modules()
    ):
        return network
    if accelerator.device.type == "cpu":
        raise GanzooError(
            "batch norm over several CPU processes is not supported by torch: use one process, or another norm"
        )
    for name, part in list(network.named_children()):
        setattr(network, name, synchronize_batch_norm(part, accelerator))
    if isinstance(network, nn.modules.batchnorm._BatchNorm) and network.training:
        from timm.layers.norm_act import BatchNormAct2d, convert_sync_batchnorm  # slow to import

        if type(network) not in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, BatchNormAct2d):
            raise GanzooError(
                f"{type(network).__name__} is a batch norm of its own kind, which cannot be shared by several "
                "processes: use one process, or another norm"
            )
        converted: nn.Module = convert_sync_batchnorm(network)
        return converted
    return network
