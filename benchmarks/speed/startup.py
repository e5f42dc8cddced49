"""Start-up: seconds of the command line until a mistake is reported, and until the first training step is done."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed.timing import append

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = str(ROOT / "recipes/quickstart.yaml")
COMMANDS = {
    "help": ["--help"],
    "a missing recipe": ["run", "nothere.yaml"],
    "a misspelt key": ["run", QUICKSTART, "trian.steps=1"],
    "a misspelt option": ["run", QUICKSTART, "train.stepps=1"],
    "a misspelt component": ["run", QUICKSTART, "method=cyclgan"],
    "a missing folder of images": ["run", str(ROOT / "recipes/cyclegan.yaml"), "data.root=nothere"],
    "a missing run to start from": ["run", QUICKSTART, "train.start=nothere", "--fresh"],
    "a run of one step": ["run", QUICKSTART, "train.steps=1", "evaluate={metrics: [], every: 0}", "--fresh"],
}


def measure(rounds: int) -> None:
    """Run each command in a new process, in an empty folder."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, words in COMMANDS.items():
                times[name].append(_seconds(words, folder))
    append(
        "startup",
        [
            {
                "command": name,
                "seconds": round(statistics.median(wall for wall, _ in some), 2),
                "process_seconds": round(statistics.median(process for _, process in some), 2),
                "rounds": rounds,
            }
            for name, some in times.items()
        ],
    )


def _seconds(words: list[str], folder: str) -> tuple[float, float]:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "ganzoo", *words], cwd=folder, capture_output=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
