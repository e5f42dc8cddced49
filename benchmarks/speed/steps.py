"""Whole training steps of each method, from the reader's images to stepped optimizers, at its published width."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.speed.contestants import contestants, prepare
from benchmarks.speed.timing import alternate, append
from ganzoo.utils.memory import peak_process_memory


def measure(methods: Sequence[str], sizes: Sequence[int], rounds: int) -> None:
    """Measure all contestants of methods at sizes; speeds are compared with the first contestant."""
    for size in sizes:
        for name in methods:
            with TemporaryDirectory() as folder:
                prepare(name, Path(folder), size)
                builders = contestants(name, Path(folder), size)
                peaks = {contestant: _peak_of_process(name, contestant, folder, size) for contestant in builders}
                times = alternate({contestant: build() for contestant, build in builders.items()}, rounds)
            reference = next(iter(times.values()))
            append(
                "steps",
                [
                    {
                        "method": name,
                        "size": size,
                        "contestant": contestant,
                        "seconds": round(statistics.median(one.wall), 4),
                        "process_seconds": round(statistics.median(one.process), 4),
                        "times_as_fast": round(one.ratio(reference), 3),
                        "peak_mib": peaks[contestant],
                        "rounds": rounds,
                    }
                    for contestant, one in times.items()
                ],
            )


def print_peak(name: str, contestant: str, folder: Path, size: int) -> None:
    """Run two steps of a contestant, and print the peak resident memory of this process, in MiB."""
    step = contestants(name, folder, size)[contestant]()
    for _ in range(2):
        step()
    print(round(peak_process_memory() / 2**20))


def _peak_of_process(name: str, contestant: str, folder: str, size: int) -> int:
    """Return what ``print_peak`` prints in a process of its own."""
    threads = str(torch.get_num_threads())
    words = [str(Path(__file__).parent), "peak", name, contestant, folder, str(size), "--threads", threads]
    done = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.split()[-1])
