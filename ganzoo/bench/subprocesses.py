"""Run ganzoo's commands in child processes that end with this process; runner and cell use it."""

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


def run_command(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command and capture its errors. Raises GanzooError once all commands are asked to stop."""
    command = [sys.executable, "-m", "ganzoo", *words]
    with _mutex:
        check_running()
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


def check_running() -> None:
    """Raise GanzooError once all commands are asked to stop."""
    if _stopping.is_set():
        raise GanzooError("stopped; the same command resumes it")


def stop_all() -> None:
    """Ask running commands to save and stop, and let no other start."""
    with _mutex:
        _stopping.set()
        for child in _running:
            with suppress(OSError):
                child.terminate()


@contextmanager
def terminate_on_exit() -> Iterator[None]:
    """Within the block, SIGTERM ends this process as Ctrl-C does."""

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
