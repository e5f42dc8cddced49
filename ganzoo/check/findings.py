"""What a check of ``ganzoo doctor`` finds; and the text without secrets or the path of the user's home folder."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganzoo.errors import one_line

SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|COOKIE", re.IGNORECASE)
"""Names of environment variables whose values are never printed."""
SHORTEST_SECRET = 6
"""Secrets of fewer characters are not searched for in other texts: they are words, such as ``true``."""
HIDDEN = "***"


@dataclass
class Finding:
    """What a check found.

    Args:
        check: the check's name.
        facts: what is there, by name: texts, numbers, lists, mappings.
        problems: what is wrong, one line each, with what to do.
        notes: what may surprise, one line each.
        seconds: how long the check took.
    """

    check: str
    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def examine(name: str, check: Callable[[Finding], None]) -> Finding:
    """Run a check, which fills in a finding; what it raises becomes a problem. Raises KeyboardInterrupt only."""
    finding, started = Finding(name), time.monotonic()
    try:
        check(finding)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a package may even call sys.exit() when it is imported
        finding.problems.append(one_line(error))
    finding.seconds = round(time.monotonic() - started, 2)
    return finding


def redact(value: Any) -> Any:
    """Return plain data with the home folder as ``~``, and without secrets: values of variables, passwords in URLs."""
    if isinstance(value, Mapping):
        return {redact(key): redact(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redact(one) for one in value]
    if not isinstance(value, str):
        return value
    for name, secret in os.environ.items():
        if SECRET.search(name) and len(secret) >= SHORTEST_SECRET:
            value = value.replace(secret, HIDDEN)
    value = re.sub(r"(\w://)[^/\s]+@|(?<![\w/.@-])[\w.%+-]+:[^\s/@]+@(?=[\w\[])", rf"\1{HIDDEN}@", value)
    for home in _homes():
        value = re.sub(rf"{re.escape(home)}(?=$|[^\w.-])", "~", value)
    return value


def _homes() -> list[str]:
    """Return the paths of the user's home folder, the longest first; the root of the file system is none."""
    try:
        home = Path.home()
        paths = {str(home), str(home.resolve())}
    except (OSError, RuntimeError):  # a user without a home folder
        return []
    return sorted((path for path in paths if len(Path(path).parts) > 1), key=len, reverse=True)
