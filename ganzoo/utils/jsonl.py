"""A run's JSON lines: appended as things happen, cut back to the checkpoint when the run resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError


class JsonLines:
    """A file of one JSON object a line."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def append(self, **fields: Any) -> None:
        """Write one line, with the time. Raises GanzooError when the disk is full."""
        line = json.dumps({**fields, "time": datetime.now(UTC).isoformat(timespec="seconds")}, ensure_ascii=False)
        try:
            with self.file.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else f"\n{line}"  # one that a kill cut short ends here
                file.write(f"{line}\n".encode(errors="replace"))
        except OSError as error:
            raise GanzooError(
                f"{self.file}: cannot be written: {error.strerror}; make room, then give the same command again to go "
                "on from the last checkpoint"
            ) from None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if not self.file.is_file():
            return
        for line in self.file.read_bytes().split(b"\n"):  # no other character ends a line: texts may hold U+2028
            try:
                yield json.loads(line)
            except ValueError:  # a line cut short by a kill
                continue

    def cut(self, step: int) -> None:
        """Drop the lines past a step, and a broken last one: the resumed run writes them again."""
        lines = [json.dumps(one, ensure_ascii=False) for one in self if one.get("step", 0) <= step]
        write_text(self.file, "".join(line + "\n" for line in lines))


def write_text(file: Path, text: str) -> None:
    """Write a small file aside, then rename it into place; what is no character becomes ``?``. Raises GanzooError."""
    aside = file.with_name(f".{file.name}.new")
    try:
        aside.write_text(text, encoding="utf-8", errors="replace")
        os.replace(aside, file)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise GanzooError(f"{file}: cannot be written: {error.strerror}") from None


def differences(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> list[tuple[str, Any, Any]]:
    """Return (key path, before, now) for everything in which two nested mappings differ.

    >>> differences({"train": {"lr": 1}}, {"train": {"lr": 2}})
    [('train.lr', 1, 2)]
    """
    found = []
    for key in dict.fromkeys([*before, *now]):
        here = f"{path}.{key}" if path else str(key)
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, here)
        elif old != new:
            found.append((here, old, new))
    return found
