"""Commands of ganzoo, each in a process of its own, which end with this one."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

_running: set[subprocess.Popen[str]] = set()


def call(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command, its output unread but for the errors."""
    command = [sys.executable, "-m", "ganzoo", *words]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as child:
        _running.add(child)
        try:
            said = child.communicate()[1]
        finally:
            _running.discard(child)
    return subprocess.CompletedProcess(command, child.returncode, "", said)


@contextmanager
def ended_with_us() -> Iterator[None]:
    """While it lasts, SIGTERM ends this process as Ctrl-C does; either asks the children to save and stop."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, end) if ours else None
    try:
        yield
    except BaseException:
        for child in list(_running):
            with suppress(OSError):
                child.terminate()
        raise
    finally:
        if ours:
            signal.signal(signal.SIGTERM, before)
