"""Append to, read and truncate files of JSON lines; write text files; compare nested settings."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from ganzoo.errors import GanzooError
from ganzoo.utils.atomic import write_atomically
from ganzoo.utils.reading import damaged, is_number, open_regular


class JsonLines:
    """A file with one JSON object per line, such as a run's ``metrics.jsonl``."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def append(self, **fields: Any) -> None:
        """Append one line with these fields and the time (UTC). Raises GanzooError when the disk is full."""
        line = json.dumps({**fields, "time": datetime.now(UTC).isoformat(timespec="seconds")}, ensure_ascii=False)
        try:
            with self.file.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else f"\n{line}"  # end a line that a kill cut short
                file.write(f"{line}\n".encode(errors="replace"))
        except OSError as error:
            raise GanzooError(
                f"{self.file}: cannot be written: {error.strerror}; free some space, then run the same command again "
                "to resume from the last checkpoint"
            ) from None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the objects; lines that are none are left out: a kill cut them short, or the disk damaged them.

        Raises DamagedError when the file cannot be read.
        """
        try:
            with open_regular(self.file) as opened:
                content = opened.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise damaged(self.file, f"it cannot be read: {error.strerror}") from None
        for line in content.split(b"\n"):  # only \n ends a line: texts may contain U+2028
            try:
                fields = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(fields, dict):
                yield fields

    def cut(self, step: int) -> None:
        """Remove the lines after a step, and broken lines: a resumed run writes them again."""
        lines = [json.dumps(fields, ensure_ascii=False) for fields in self if _step_of(fields) <= step]
        write_text(self.file, "".join(line + "\n" for line in lines))


def _step_of(fields: Mapping[str, Any]) -> float:
    step = fields.get("step", 0)
    return float(step) if is_number(step) else math.inf


def write_text(file: Path, text: str) -> None:
    """Write a text file atomically: first a temporary file, then a rename.

    Characters that UTF-8 cannot encode become ``?``. Raises GanzooError when the file cannot be written.
    """
    try:
        write_atomically(file, text.encode("utf-8", errors="replace"))
    except OSError as error:
        raise GanzooError(f"{file}: cannot be written: {error.strerror}") from None


def to_plain(value: Any) -> Any:
    """Return a value in the types of YAML and JSON: paths as texts, tuples as lists, settings as mappings.

    >>> to_plain({"size": (64, 64), "root": Path("photos")})
    {'size': [64, 64], 'root': 'photos'}
    """
    return to_jsonable_python(value, fallback=str)


def differences(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> list[tuple[str, Any, Any]]:
    """Return (key path, value before, value now) for each leaf that differs between two nested mappings.

    A key that one of them lacks counts as None there.

    >>> differences({"train": {"lr": 1}}, {"train": {"lr": 2}})
    [('train.lr', 1, 2)]
    """
    changes = []
    for key in dict.fromkeys([*before, *now]):
        key_path = f"{path}.{key}" if path else str(key)
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes += differences(old, new, key_path)
        elif old != new:
            changes.append((key_path, old, new))
    return changes
