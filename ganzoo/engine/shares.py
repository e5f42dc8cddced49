"""Divide the files of a command among the processes that a launcher started, and gather what each of them counted."""

from __future__ import annotations

import atexit
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed

from ganzoo.engine.distributed import (
    asked_for_cpu,
    close_process_group,
    launched_process,
    launcher_variable,
    refuse_single_launch,
    select_device,
    unconnected,
)
from ganzoo.utils.device import default_device

LONGEST_WAIT = timedelta(days=30)
"""How long a process waits for the others, which may have larger files."""
T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """The share of this process in work that several processes divide; by default all of it.

    Args:
        number: the number of this process, from 0.
        count: the number of processes.
        device: the torch device of this process; empty: the default one.
        group: the processes, connected; None for a single one.
    """

    number: int = 0
    count: int = 1
    device: str = ""
    group: Any = None

    def of(self, whole: Sequence[T]) -> Sequence[T]:
        """Return the part of a sequence that this process does: every ``count``-th entry.

        >>> Share(number=1, count=3).of("abcdefg")
        'be'
        """
        return whole[self.number :: self.count]

    def gather(self, result: Any) -> list[Any]:
        """Return the results of all processes, in their order; every process must call this, and waits for the others.

        A result is plain data, as JSON has it: keys of mappings are texts.
        """
        own = torch.tensor(list(json.dumps(result).encode()), dtype=torch.uint8)
        texts = [own]
        if self.count > 1:
            sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
            distributed.all_gather(sizes, torch.tensor([len(own)]), group=self.group)
            longest = max(int(size) for size in sizes)
            padded = [torch.zeros(longest, dtype=torch.uint8) for _ in sizes]
            distributed.all_gather(padded, torch.cat([own, own.new_zeros(longest - len(own))]), group=self.group)
            texts = [text[: int(size)] for text, size in zip(padded, sizes, strict=True)]
        return [json.loads(text.numpy().tobytes()) for text in texts]


@contextmanager
def start_share(device: str, command: str) -> Iterator[Share]:
    """Yield the share of this process, with its device; without a launcher it is the whole.

    The processes exchange nothing but a few counts, so they are connected by gloo, on GPUs too.

    Args:
        device: a torch device; with several processes without an index, as each takes its own.
        command: the ganzoo command, for advice.

    Raises:
        GanzooError: the launcher started one process in place of several, its environment variables are wrong, this
            machine lacks the device, or there are fewer GPUs than processes.
    """
    refuse_single_launch(command)
    number, count = launched_process()
    if count == 1:
        yield Share(device=device or ("cpu" if asked_for_cpu() else ""))
        return
    own = f"{default_device().type}:{launcher_variable('LOCAL_RANK') or 0}" if select_device(device) else "cpu"
    try:
        if not distributed.is_initialized():
            distributed.init_process_group("gloo")
            atexit.register(close_process_group)
        group = distributed.new_group(backend="gloo", timeout=LONGEST_WAIT)
    except (ValueError, RuntimeError) as error:  # a variable is missing, or another process does not answer
        raise unconnected(count, error) from None
    yield Share(number, count, own, group)
