"""Run contestants in turn and time each; append what was measured to a CSV file named after the hardware."""

from __future__ import annotations

import csv
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from ganzoo.utils.device import bf16_instructions

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Times:
    """What a contestant took.

    Args:
        wall: seconds on the clock, one number for each round.
        process: seconds of all processor cores, likewise.
    """

    wall: Sequence[float]
    process: Sequence[float]

    def ratio(self, reference: Times) -> float:
        """Return how many times as fast as ``reference`` it was: the median over all rounds, by the clock."""
        return statistics.median(theirs / mine for mine, theirs in zip(self.wall, reference.wall, strict=True))


def alternate(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Run all contestants once unmeasured, then all of them in turn, ``rounds`` times."""
    for run in contestants.values():
        run()
    wall: dict[str, list[float]] = {name: [] for name in contestants}
    process: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            clock, cores = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - clock)
            process[name].append(time.process_time() - cores)
    return {name: Times(wall[name], process[name]) for name in contestants}


def hardware() -> str:
    """Return a name for this machine's processor: ``intel-xeon-amx-2-cores``."""
    fast = next((name.partition("_")[0] for name in bf16_instructions()), "")
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not have it
    words = [str(known.get("cpu_name") or platform.machine()), fast, str(os.cpu_count() or 1), "cores"]
    return "-".join("-".join(word.lower().split()) for word in words if word)


def append(command: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Append rows to COMMAND-HARDWARE.csv, with time, number of threads and version of torch; print them."""
    file = FOLDER / f"{command}-{hardware()}.csv"
    common = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
    }
    full = [{**row, **common} for row in rows]
    new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(full[0]), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(full)
    for row in full:
        print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)


def newest(command: str, machine: str, *keys: str) -> list[dict[str, str]]:
    """Return the rows of COMMAND-MACHINE.csv, of those equal in ``keys`` the last one; none without the file."""
    file = FOLDER / f"{command}-{machine}.csv"
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as opened:
        return list({tuple(row[key] for key in keys): row for row in csv.DictReader(opened)}.values())
