"""Commands of ganzoo, each in a process of its own, which end with this one."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

from ganzoo.errors import GanzooError

_running: set[subprocess.Popen[str]] = set()
_stopping = threading.Event()
_mutex = threading.Lock()


def call(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command, its output unread but for the errors. Raises GanzooError where all are asked to stop."""
    command = [sys.executable, "-m", "ganzoo", *words]
    with _mutex:
        require_going()
        child = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        _running.add(child)
    try:
        said = child.communicate()[1]
    except BaseException:
        child.terminate()
        child.wait()
        raise
    finally:
        _running.discard(child)
    return subprocess.CompletedProcess(command, child.returncode, "", said)


def require_going() -> None:
    """Raise GanzooError where all are asked to stop."""
    if _stopping.is_set():
        raise GanzooError("stopped; the same command goes on")


def stop() -> None:
    """Ask the commands that run to save and stop, and let no other begin."""
    with _mutex:
        _stopping.set()
        for child in _running:
            with suppress(OSError):
                child.terminate()


@contextmanager
def ended_with_us() -> Iterator[None]:
    """While it lasts, SIGTERM ends this process as Ctrl-C does."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, end) if ours else None
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, before)
        _stopping.clear()
