"""Start several processes, with PyTorch's launcher or without, for the tests of distributed runs and evaluations."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def torchrun(count: int, *words: str | Path) -> CompletedProcess[str]:
    """Start Python with these words ``count`` times by PyTorch's launcher, which ends all when one fails."""
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={count}"]
    launcher += [f"--master_port={free_port()}", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(launcher, capture_output=True, text=True, timeout=300, env=environment)


def two_processes(*words: object) -> CompletedProcess[str]:
    """Start Python with these words twice, as a launcher does, which would take seconds; return their joined output.

    The exit code is that of the first process, or, if it is 0, of the second.
    """
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, *map(str, words)]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        (out, error), (other_out, other_error) = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    code = processes[0].returncode or processes[1].returncode
    return CompletedProcess(command, code, out + other_out, error + other_error)
