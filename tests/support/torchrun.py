"""Start several processes with PyTorch's launcher, for the tests of distributed runs and evaluations."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def torchrun(count: int, *words: str | Path, cache: Path | None = None) -> Any:
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={count}"]
    launcher += [f"--master_port={free_port()}", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({"GANZOO_CACHE": str(cache)} if cache else {})}
    return subprocess.run(launcher, capture_output=True, text=True, timeout=300, env=environment)
