"""Start several processes, with PyTorch's launcher or without, for the tests of distributed runs and evaluations."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

from ganzoo.testing.two_processes import run_two_processes


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
    """Start Python with these words twice, without a launcher; return their joined output.

    The exit code is that of the first process, or, if it is 0, of the second.
    """
    first, second = run_two_processes(*words)
    code = first.returncode or second.returncode
    return CompletedProcess(first.args, code, first.stdout + second.stdout, first.stderr + second.stderr)
