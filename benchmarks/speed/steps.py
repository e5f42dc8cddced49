"""Whole training steps of each method, from the reader's images to stepped optimizers, at its published width."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed.contestants import contestants, prepare
from benchmarks.speed.timing import append
from benchmarks.speed.turns import take_turns


def measure(methods: Sequence[str], sizes: Sequence[int], rounds: int, *, compiled: bool = False) -> None:
    """Measure all contestants of methods at sizes; speeds are compared with the first contestant.

    With ``compiled``, ganzoo's compiled steps are contestants, too.
    """
    for size in sizes:
        for name in methods:
            with TemporaryDirectory() as folder:
                prepare(name, Path(folder), size)
                times, peaks = take_turns(contestants(name, Path(folder), size, compiled=compiled), rounds)
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
                        "peak_mib": round(peaks[contestant] / 2**20),
                        "rounds": rounds,
                    }
                    for contestant, one in times.items()
                ],
            )
