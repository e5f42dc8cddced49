"""Examine this machine for ``ganzoo doctor``: each check by itself, those that may crash in a process of their own."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ganzoo.check.findings import Finding, examine
from ganzoo.check.machine import CHECKS

ROOT = Path(__file__).resolve().parents[2]
"""The folder that contains the package ``ganzoo``."""
IN_CHILD = ("plugins", "torch", "devices", "precision", "processes")
"""The checks in ``ganzoo.check.compute``: what they import may crash, or never return."""
LIMIT = 90.0
"""Seconds after which a check in a child process counts as failed."""
START = "from ganzoo.check.compute import main; main()"


def diagnose(report: Callable[[Finding], None] = lambda finding: None) -> list[Finding]:
    """Run all checks; return their findings. No error of a check is raised.

    Args:
        report: called with each finding when it is there.
    """
    findings = []
    for name, check in CHECKS.items():
        findings.append(examine(name, check))
        report(findings[-1])
    for finding in in_children(IN_CHILD):
        findings.append(finding)
        report(finding)
    return findings


def in_children(names: Sequence[str], code: str = START, limit: float = LIMIT) -> Iterator[Finding]:
    """Run checks in a child process, and in another one from the next check on if a check ends it; yield the findings.

    Args:
        names: the names of the checks.
        code: the Python program of the child; it writes a line of JSON for each of the checks in its arguments.
        limit: seconds after which a check counts as failed.
    """
    left = list(names)
    while left:
        for finding in _one_child(tuple(left), code, limit):
            left.remove(finding.check)
            yield finding


def _one_child(names: Sequence[str], code: str, limit: float) -> Iterator[Finding]:
    """Run checks in one child process; yield their findings, up to that of the check that ended it."""
    started, lines, errors = time.monotonic(), queue.Queue[str | None](), list[str]()
    child = subprocess.Popen(
        [sys.executable, "-c", code, *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *_python_path()])},
    )
    assert child.stdout is not None
    assert child.stderr is not None
    readers = [_follow(child.stdout, lines.put), _follow(child.stderr, lambda line: errors.append(line or ""))]
    problem = ""
    for name in names:
        try:
            line = lines.get(timeout=limit)
        except queue.Empty:
            line, problem = None, f"no answer within {limit:.0f} s"
        if line is None:
            child.kill()  # it has ended already, or never answers
            ended = child.wait()
            for reader in readers:
                reader.join(timeout=5)
            last = next((text.strip() for text in reversed(errors) if text.strip()), "no message")
            problem = problem or f"the process ended with {_ending(ended)}: {last}"
            yield Finding(name, {}, [problem], [], round(time.monotonic() - started, 1))
            return
        yield Finding(**json.loads(line))
        started = time.monotonic()
    try:
        child.wait(timeout=limit)
    except subprocess.TimeoutExpired:  # all checks have answered, but a library's thread keeps the process
        child.kill()
        child.wait()


def _python_path() -> list[str]:
    return [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]


def _follow(stream: IO[str], put: Callable[[str | None], object]) -> threading.Thread:
    def read() -> None:
        with stream:
            for line in stream:
                put(line)
        put(None)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def as_text(findings: Iterable[Finding]) -> str:
    """Return findings as text: a heading for each check, then a line for each fact, problem and note."""
    lines = []
    for finding in findings:
        state = "PROBLEM" if finding.problems else "note" if finding.notes else "ok"
        lines.append(f"{finding.check}: {state}")
        lines += [f"  {line}" for key, value in finding.facts.items() for line in _fact_lines(key, value)]
        lines += [f"  note: {text}" for text in finding.notes]
        lines += [f"  PROBLEM: {text}" for text in finding.problems]
    return "\n".join(lines)


def _fact_lines(key: str, value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key}: {', '.join(f'{name} {one}'.rstrip() for name, one in value.items()) or 'none'}"]
    if isinstance(value, list):
        return [f"{key}: {', '.join(map(str, value)) or 'none'}"]
    return [f"{key}: {value}"]
