"""What a run's folder tells, as it is just now: the run may be training, killed in the midst of a line, or done."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from ganzoo.errors import GanzooError
from ganzoo.utils.atomic import find_complete
from ganzoo.utils.jsonl import JsonLines

Points = list[tuple[float, float]]
"""(step, value), in the order of the log; a value may be infinite or not a number."""


class Log:
    """The files of a run's folder but its weights.

    Args:
        folder: the run's. Raises GanzooError for any other.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "resolved.yaml").is_file():
            raise GanzooError(f"{folder}: not a run's folder; it would hold resolved.yaml and metrics.jsonl")
        self.folder = folder.resolve()
        self.resolved, self.given = self.text("resolved.yaml"), self.text("recipe.yaml")
        self.lines = _steps(JsonLines(folder / "metrics.jsonl"))
        self.events = [one for one in JsonLines(folder / "events.jsonl") if isinstance(one, dict)]
        self.results = [one for one in JsonLines(folder / "results.jsonl") if isinstance(one, dict)]

    def text(self, name: str) -> str:
        """Return a file's text, empty where there is none; bytes that are no text are shown as such."""
        file = self.folder / name
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""

    @property
    def name(self) -> str:
        """The recipe's and the run's name, as the folders are called."""
        return f"{self.folder.parent.name} / {self.folder.name}"

    @cached_property
    def recipe(self) -> Mapping[str, Any]:
        """The resolved recipe."""
        try:
            return _mapping(yaml.safe_load(self.resolved))
        except yaml.YAMLError:
            raise GanzooError(f"{self.folder / 'resolved.yaml'}: not YAML; give the run's command again") from None

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section of the resolved recipe."""
        return _mapping(self.recipe.get(name))

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """What env.json says."""
        return _json(self.folder / "env.json")

    @cached_property
    def losses(self) -> dict[str, Points]:
        """``phase/term`` → its means over the logging intervals."""
        return series(self.lines, "losses")

    @cached_property
    def values(self) -> dict[str, Points]:
        """Figure → its values while training, on the validation images (or test ones, where there are none)."""
        return series(self.lines, "values")

    def column(self, name: str) -> Points:
        """Return a field that is a number, such as ``lr`` or ``images_per_s``."""
        return [(one["step"], one[name]) for one in self.lines if is_number(one.get(name))]

    @property
    def last_step(self) -> float:
        """The step of the last line that was logged."""
        return max((one["step"] for one in self.lines), default=0)

    @cached_property
    def best(self) -> Mapping[str, Any]:
        """The progress that the checkpoint ``best`` was saved with; empty where none is kept (any more)."""
        found = find_complete(self.folder / "checkpoints" / "best", "progress.json")
        progress = _json(found / "progress.json") if found else {}
        wanted = self.section("evaluate").get("best")
        return progress if is_number(progress.get("step")) and wanted and progress.get("best_of") == wanted else {}

    @cached_property
    def samples(self) -> list[tuple[int, Path]]:
        """The sample grids, by step."""
        found = (self.folder / "samples").glob("step-*.png")
        return sorted((int(one.stem[5:]), one) for one in found if one.stem[5:].isdecimal())

    @property
    def session(self) -> list[dict[str, Any]]:
        """The events since the run was started last."""
        starts = [i for i, one in enumerate(self.events) if one.get("event") == "started"]
        return self.events[starts[-1] if starts else 0 :]

    def status(self) -> str:
        """Say whether the run is done, was stopped, or neither."""
        said = {one.get("event"): one for one in self.session}
        if "finished" in said:
            early = "ended early" if "ended-early" in said else "finished"
            return f"{early} at step {said['finished'].get('step')}"
        if "stopped" in said:
            signal = said["stopped"].get("signal")
            return f"stopped at step {said['stopped'].get('step')}" + (f" by {signal}" if signal else "")
        if not self.lines:
            return "begun, nothing logged yet"
        return f"in progress, or cut short: step {self.last_step:g} was logged last"

    def seconds(self) -> float:
        """Return the time spent on the run, all sessions together.

        From each start to its end, or to what was logged last. Results do not count: they may be added days later.
        """
        begun, finished = self._times("started"), self._times("finished")
        written = [when for one in [*self.events, *self.lines] if (when := _time(one))]
        total = 0.0
        for i, start in enumerate(begun):
            within = [when for when in written if when >= start and all(when < one for one in begun[i + 1 : i + 2])]
            ends = [when for when in within if when in finished]
            within = [when for when in within if when <= min(ends, default=when)]
            total += (max(within, default=start) - start).total_seconds()
        return total

    def _times(self, event: str) -> list[datetime]:
        return [when for one in self.events if one.get("event") == event and (when := _time(one))]


def series(lines: Iterable[Mapping[str, Any]], field: str) -> dict[str, Points]:
    """Return the numbers of a field that maps names to numbers, by name.

    >>> series([{"step": 2, "losses": {"g": 0.5}}, {"step": 4, "losses": {"g": 0.4, "d": 1}}], "losses")
    {'g': [(2, 0.5), (4, 0.4)], 'd': [(4, 1)]}
    """
    found: dict[str, Points] = {}
    for line in lines:
        for name, value in _mapping(line.get(field)).items():
            if is_number(value):
                found.setdefault(name, []).append((line["step"], value))
    return found


def is_number(value: object) -> bool:
    """Return whether a value of JSON is a number, infinite and undefined ones included."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def name_of(part: object, kind: str) -> str:
    """Return the name of a component of a resolved recipe, empty where there is none of that kind.

    >>> name_of({"generator": "resnet", "width": 64}, "generator")
    'resnet'
    """
    return str(part.get(kind, "")) if isinstance(part, Mapping) else ""


def _steps(lines: Iterable[Any]) -> list[dict[str, Any]]:
    return [one for one in lines if isinstance(one, dict) and is_number(one.get("step"))]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _json(file: Path) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(file.read_bytes()))
    except (OSError, ValueError):
        return {}


def _time(line: Mapping[str, Any]) -> datetime | None:
    try:
        when = datetime.fromisoformat(line["time"])
        return when if when.tzinfo else when.replace(tzinfo=UTC)
    except (KeyError, TypeError, ValueError):
        return None
