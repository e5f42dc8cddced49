"""Read metrics.jsonl into columns of numbers, and later only the lines that were added; for reports of long runs."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, overload

from ganzoo.utils.jsonl import parse_line
from ganzoo.utils.reading import damaged, is_number, mapping, open_regular

Point = tuple[float, float]
Points = Sequence[Point]
"""(step, value), in the order of the log; a value may be infinite or not a number."""


class Course(Sequence[Point]):
    """The points of one number of the log, in 16 bytes each.

    >>> course = Course()
    >>> course.append(3, 0.5)
    >>> list(course), course == [(3, 0.5)]
    ([(3, 0.5)], True)
    """

    def __init__(self) -> None:
        self._steps, self._values = array("d"), array("d")

    def append(self, step: float, value: float) -> None:
        """Add a point."""
        self._steps.append(step)
        self._values.append(value)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Point]:
        return map(_point, self._steps, self._values)

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> list[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | list[Point]:
        steps, values = self._steps[index], self._values[index]
        if isinstance(steps, float) and isinstance(values, float):
            return _point(steps, values)
        assert isinstance(steps, array)
        assert isinstance(values, array)
        return list(map(_point, steps, values))

    def __eq__(self, other: object) -> bool:
        return list(self) == (list(other) if isinstance(other, Sequence) else other)

    __hash__ = None  # type: ignore[assignment]


class MetricsLog:
    """The lines of a metrics.jsonl, read so far.

    Args:
        file: the file; it may be missing, or end in a line that is not complete.

    ``losses`` and ``values`` map names to their courses, ``columns`` the other numbers of a line. ``evaluations`` are
    the lines with metric values, ``times`` the step of each line and its time in seconds since 1970, ``last_step`` the
    largest step.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._forget()

    def _forget(self) -> None:
        self._read, self._inode = 0, 0
        self.losses: dict[str, Course] = {}
        self.values: dict[str, Course] = {}
        self.columns: dict[str, Course] = {}
        self.evaluations: list[Mapping[str, Any]] = []
        self.times = Course()
        self.lines = 0
        self.last_step: float = 0

    def update(self) -> None:
        """Read the complete lines that were added since the last call; all lines if the file is another one.

        Raises DamagedError if the file cannot be read.
        """
        try:
            with open_regular(self.file) as file:
                stat = os.fstat(file.fileno())
                if stat.st_ino != self._inode or stat.st_size < self._read:
                    self._forget()
                    self._inode = stat.st_ino
                file.seek(self._read)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._read += len(line)
                    self._add(parse_line(line))
        except FileNotFoundError:
            self._forget()
        except OSError as error:
            raise damaged(self.file, f"it cannot be read: {error.strerror}") from None

    def _add(self, line: Mapping[str, Any] | None) -> None:
        step = _step_of(line) if line else None
        if line is None or step is None:
            return
        self.lines += 1
        self.last_step = max(self.last_step, step)
        if (time := read_time(line)) is not None:
            self.times.append(step, time)
        for name, value in line.items():
            if name != "step":
                _append(self.columns, name, step, value)
        for courses, field in ((self.losses, "losses"), (self.values, "values")):
            for name, value in mapping(line.get(field)).items():
                _append(courses, name, step, value)
        if isinstance(line.get("values"), Mapping):
            self.evaluations.append(line)


def _step_of(line: Mapping[str, Any]) -> float | None:
    """Return the step of a line; None for a line without a finite one."""
    step = line.get("step")
    try:
        return step if is_number(step) and math.isfinite(step) else None  # type: ignore[arg-type]
    except OverflowError:  # an integer that no float holds
        return None


def read_time(line: Mapping[str, Any]) -> float | None:
    """Return the time of a line in seconds since 1970; None for one without a valid time."""
    try:
        time = datetime.fromisoformat(line["time"])
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _append(courses: dict[str, Course], name: str, step: float, value: object) -> None:
    if isinstance(value, int | float) and is_number(value):
        with suppress(OverflowError):  # an integer that no float holds
            courses.setdefault(name, Course()).append(step, float(value))


def _point(step: float, value: float) -> Point:
    return (int(step) if step.is_integer() else step), value
