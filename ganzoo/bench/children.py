"""Run commands of ganzoo in child processes, which end together with this one; ``ganzoo.bench.runner`` uses it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from ganzoo.errors import BusyError, GanzooError
from ganzoo.utils.atomic import lock_file
from ganzoo.utils.parent import FOLLOWS

PAUSE = 1.0
"""Seconds between two looks at a lock."""


class ChildProcesses:
    """Runs ganzoo's commands in child processes, from several threads, until all are asked to stop."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._stopping = threading.Event()
        self._starting = threading.Lock()

    def run(self, words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command and capture its errors. Raises GanzooError once all commands are asked to stop.

        If this process is killed, the command saves and stops too.
        """
        command = [sys.executable, "-m", "ganzoo", *words]
        with self._starting:
            self.check_running()
            for_child, for_us = os.pipe()  # the system closes our end when this process ends: the child then stops
            child = subprocess.Popen(
                command,
                env={**environment, FOLLOWS: "1"},
                stdin=for_child,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
            os.close(for_child)
            self._running.add(child)
        try:
            errors = child.communicate()[1]
        except BaseException:
            child.terminate()
            child.wait()
            raise
        finally:
            self._running.discard(child)
            os.close(for_us)
        return subprocess.CompletedProcess(command, child.returncode, "", errors)

    def wait_for(self, lock: Path, note: Callable[[], None]) -> bool:
        """Wait until no process holds a lock; return whether one did.

        Args:
            lock: the lock's file.
            note: called once if there is something to wait for.

        Raises GanzooError once all commands are asked to stop.
        """
        waited = False
        while True:
            try:
                lock_file(lock, "").release()
                return waited
            except BusyError:
                if not waited:
                    note()
                waited = True
                self._stopping.wait(PAUSE)
                self.check_running()

    def check_running(self) -> None:
        """Raise GanzooError once all commands are asked to stop."""
        if self._stopping.is_set():
            raise GanzooError("stopped; the same command resumes it")

    def stop_all(self) -> None:
        """Ask the running commands to save and stop, and let no other start."""
        with self._starting:
            self._stopping.set()
            for child in [*self._running]:
                with suppress(OSError):
                    child.terminate()
