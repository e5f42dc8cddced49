"""Run contestants in turn, each in a process of its own: so each has its own settings and peak memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection

import torch

from benchmarks.speed.timing import Times
from ganzoo.utils.memory import peak_process_memory

Builder = Callable[[], Callable[[], object]]
"""Builds a contestant, which is then called for each turn; it can be pickled."""


def take_turns(builders: Mapping[str, Builder], rounds: int) -> tuple[dict[str, Times], dict[str, int]]:
    """Run all contestants once unmeasured, then all of them in turn, ``rounds`` times.

    Returns:
        The times of each contestant, and the peak resident memory of its process, in bytes.
    """
    wall: dict[str, list[float]] = {name: [] for name in builders}
    process: dict[str, list[float]] = {name: [] for name in builders}
    context, lines = get_context("spawn"), {}
    with ExitStack() as stack:
        for name, build in builders.items():
            mine, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(theirs, build, torch.get_num_threads()), daemon=True)
            worker.start()
            theirs.close()  # so that the end of the worker ends the waiting for it
            lines[name] = stack.enter_context(mine)
            mine.recv()  # built, and warm
        for _ in range(rounds):
            for name, line in lines.items():
                line.send(True)
                seconds, cores = line.recv()
                wall[name].append(seconds)
                process[name].append(cores)
        peaks = {}
        for name, line in lines.items():
            line.send(False)
            peaks[name] = line.recv()
    return {name: Times(wall[name], process[name]) for name in builders}, peaks


def _work(line: Connection, build: Builder, threads: int) -> None:
    """Build a contestant; run it at each True that arrives, and report times; at False report the peak memory."""
    torch.set_num_threads(threads)
    run = build()
    run()
    line.send(None)
    while line.recv():
        clock, cores = time.perf_counter(), time.process_time()
        run()
        line.send((time.perf_counter() - clock, time.process_time() - cores))
    line.send(peak_process_memory())
