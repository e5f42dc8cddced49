"""Read text, JSON and YAML files that may be damaged or have any content; each problem is a GanzooError of one line."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import yaml

from ganzoo.errors import DamagedError, GanzooError, one_line
from ganzoo.utils.core_yaml import load_yaml

WRONG_CONTENT = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, yaml.YAMLError)
"""What Python raises when plain data have another form than the code expects."""


@contextmanager
def guard_content(file: Path, what: str, advice: str = "") -> Iterator[None]:
    """Raise DamagedError, in one line, if a block fails because a file's content is not what it expects.

    Args:
        file: the file, for the error.
        what: what the file should hold: ``the progress of a run``.
        advice: what to do about it.
    """
    try:
        yield
    except WRONG_CONTENT as error:
        raise damaged(file, f"it does not hold {what} ({_reason(error)})", advice) from None


def open_regular(file: Path) -> BufferedReader:
    """Open a file for reading; a pipe or device, on which reading could wait forever, is refused.

    Raises OSError as ``open`` does, and GanzooError for what is no regular file.
    """
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    raise GanzooError(f"{file}: a pipe or a device, not a file; remove it")


def read_text(file: Path, advice: str = "") -> str:
    """Return the text of a file. Raises DamagedError for a file that is missing, empty, unreadable or not UTF-8."""
    try:
        with open_regular(file) as opened:
            text = opened.read().decode("utf-8")
    except FileNotFoundError:
        raise damaged(file, "it is missing", advice) from None
    except OSError as error:
        raise damaged(file, f"it cannot be read: {error.strerror}", advice) from None
    except UnicodeDecodeError:
        raise damaged(file, "it is not text (UTF-8)", advice) from None
    if not text.strip():
        raise damaged(file, "it is empty", advice)
    return text


def parse_object(text: str, file: Path, what: str, advice: str = "") -> dict[str, Any]:
    """Return the JSON object in a text. Raises DamagedError for any other text; arguments as ``guard_content``."""
    with guard_content(file, what, advice):
        fields = json.loads(text)
    if not isinstance(fields, dict):
        raise damaged(file, f"it does not hold {what} (not a JSON object)", advice)
    return fields


def parse_mapping(text: str, file: Path, what: str, advice: str = "") -> dict[str, Any]:
    """Return the YAML mapping in a text. Raises DamagedError for any other text; arguments as ``guard_content``."""
    with guard_content(file, what, advice):
        fields = load_yaml(text)
    if not isinstance(fields, dict):
        raise damaged(file, f"it does not hold {what} (not a YAML mapping)", advice)
    return fields


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping, else an empty one: for fields that are only shown."""
    return value if isinstance(value, Mapping) else {}


def is_number(value: object) -> bool:
    """Return whether a JSON value is a number, infinity and NaN included."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def damaged(file: Path, problem: str, advice: str = "") -> DamagedError:
    """Return the error for a damaged file.

    >>> str(damaged(Path("env.json"), "it is empty", "restore it"))
    'env.json: damaged: it is empty; restore it'
    """
    return DamagedError(f"{file}: damaged: {problem}{f'; {advice}' if advice else ''}")


def _reason(error: Exception) -> str:
    from pydantic import ValidationError  # slow to import, and needed for errors only

    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return one_line(error)[:200]
