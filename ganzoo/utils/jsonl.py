"""Append to, read and shorten files of JSON lines; write text files; compare nested settings."""

from __future__ import annotations

import errno
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

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""The texts that stand for these numbers in JSON."""


class JsonLines:
    """A file with one JSON object per line, such as a run's ``metrics.jsonl``.

    Iterating over it yields the objects as dictionaries, without broken lines; none if the file does not exist.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def append(self, **fields: Any) -> None:
        """Append a line with these fields and ``time``, the present time (UTC); create the file if it does not exist.

        Raises GanzooError if the file cannot be written, for example because the disk is full.
        """
        line = to_json({**fields, "time": present_time()})
        try:
            with self.file.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read(1) == b"\n" else f"\n{line}"  # end a line that a kill cut short
                file.write(f"{line}\n".encode(errors="replace"))
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            advice = "; free some space, then run the same command again" if full else ""
            raise GanzooError(f"{self.file}: cannot be written: {error.strerror}{advice}") from None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the objects; lines that are none are left out: a kill cut them short, or the disk damaged them.

        Raises DamagedError when the file cannot be read.
        """
        try:
            with open_regular(self.file) as opened:
                for line in opened:  # in binary mode only \n ends a line: texts may contain U+2028
                    if (fields := parse_line(line)) is not None:
                        yield fields
        except FileNotFoundError:
            return
        except OSError as error:
            raise damaged(self.file, f"it cannot be read: {error.strerror}") from None

    def cut(self, step: int) -> None:
        """Remove the lines whose ``step`` is larger than ``step``, which a resumed run writes again, and broken lines.

        Raises GanzooError if the file cannot be written.
        """
        lines = [to_json(fields) for fields in self if _step_of(fields) <= step]
        write_text(self.file, "".join(line + "\n" for line in lines))


def present_time() -> str:
    """Return the present time (UTC), in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a line of a file; None for a line that a kill cut short, or that is none."""
    try:
        fields = json.loads(line)
        return {key: _numbers(value) for key, value in fields.items()} if isinstance(fields, dict) else None
    except (ValueError, RecursionError):
        return None


def _step_of(fields: Mapping[str, Any]) -> float:
    step = fields.get("step", 0)
    return step if is_number(step) else math.inf


def to_json(value: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return JSON that every program can read: JSON has no NaN and no infinity, so they become texts.

    >>> to_json({"losses": {"g": math.nan, "d": -math.inf}})
    '{"losses": {"g": "NaN", "d": "-Infinity"}}'
    """
    return json.dumps(_finite(value), ensure_ascii=ascii_only, allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return next(text for text, number in NOT_FINITE.items() if str(number) == str(value))
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _numbers(value: Any) -> Any:
    """Return a value of a field with the numbers that ``to_json`` wrote as texts, where it maps names to numbers."""
    if isinstance(value, dict):
        return {
            key: NOT_FINITE.get(item, item) if isinstance(item, str) else _numbers(item) for key, item in value.items()
        }
    return value


def write_text(file: Path, text: str) -> None:
    """Write a text file, which replaces an existing one only when it is complete.

    Characters that UTF-8 cannot encode become ``?``. Raises GanzooError if the file cannot be written.
    """
    try:
        write_atomically(file, text.encode("utf-8", errors="replace"))
    except OSError as error:
        raise GanzooError(f"{file}: cannot be written: {error.strerror}") from None


def to_plain(value: Any) -> Any:
    """Return a value as plain data for YAML and JSON: paths become texts, tuples lists, and settings mappings.

    >>> to_plain({"size": (64, 64), "root": Path("photos")})
    {'size': [64, 64], 'root': 'photos'}
    """
    return to_jsonable_python(value, fallback=str)


def differences(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> list[tuple[str, Any, Any]]:
    """Return (key path, value before, value now) for each value that differs between two nested mappings.

    If one of them lacks a key, its value there counts as None. Two lists of mappings are compared item by item,
    and the number of an item is its key.

    Args:
        before: the earlier mapping.
        now: the present mapping.
        path: the key path of both mappings, to which their keys are appended.

    >>> differences({"train": {"lr": 1}}, {"train": {"lr": 2}})
    [('train.lr', 1, 2)]
    """
    changes = []
    for key in dict.fromkeys([*before, *now]):
        key_path = f"{path}.{key}" if path else str(key)
        old, new = before.get(key), now.get(key)
        one, other = _keyed(old), _keyed(new)
        if one is not None and other is not None:
            changes += differences(one, other, key_path)
        elif old != new:
            changes.append((key_path, old, new))
    return changes


def _keyed(value: Any) -> Mapping[str, Any] | None:
    """Return a mapping, or a list of mappings by their numbers; None for anything else."""
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        return {str(number): one for number, one in enumerate(value)}
    return value if isinstance(value, Mapping) else None
