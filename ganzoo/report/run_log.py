"""Read the log of a run from its folder, for the report. The run may be training, killed while writing, or finished."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ganzoo.errors import DamagedError, GanzooError
from ganzoo.utils.atomic import find_complete
from ganzoo.utils.jsonl import JsonLines
from ganzoo.utils.reading import is_number, mapping, parse_mapping
from ganzoo.utils.sealed import read_sealed_object, read_sealed_text

Points = list[tuple[float, float]]
"""(step, value), in the order of the log; a value may be infinite or not a number."""


class RunLog:
    """The files of a run's folder, except its weights.

    Args:
        folder: the run's folder. Raises GanzooError for any other.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "resolved.yaml").exists():
            raise GanzooError(f"{folder}: not a run's folder; it would hold resolved.yaml and metrics.jsonl")
        self.folder = folder.resolve()
        self.resolved_text, self.recipe_text = read_sealed_text(folder / "resolved.yaml"), self.text("recipe.yaml")
        self.lines = _with_step(JsonLines(folder / "metrics.jsonl"))
        self.events = [*JsonLines(folder / "events.jsonl")]
        self.results = [*JsonLines(folder / "results.jsonl")]

    def text(self, name: str) -> str:
        """Return a file's text, empty where it cannot be read; bytes that are not UTF-8 are replaced."""
        try:
            return (self.folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    @property
    def name(self) -> str:
        """The names of the recipe and of the run: those of their folders."""
        return f"{self.folder.parent.name} / {self.folder.name}"

    @cached_property
    def recipe(self) -> Mapping[str, Any]:
        """The resolved recipe."""
        return parse_mapping(self.resolved_text, self.folder / "resolved.yaml", "a recipe")

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section of the resolved recipe."""
        return mapping(self.recipe.get(name))

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """The content of env.json; empty where it is missing or damaged."""
        return _read_object(self.folder / "env.json")

    @cached_property
    def losses(self) -> dict[str, Points]:
        """``phase/term`` → its means over the logging intervals, weights included."""
        return series(self.lines, "losses")

    @cached_property
    def values(self) -> dict[str, Points]:
        """Metric value → its course while training, on the validation images (test images where there are none)."""
        return series(self.lines, "values")

    def column(self, name: str) -> Points:
        """Return the course of a field that is a number, such as ``lr`` or ``images_per_s``."""
        return [(line["step"], line[name]) for line in self.lines if is_number(line.get(name))]

    @property
    def last_step(self) -> float:
        """The last logged step."""
        return max((line["step"] for line in self.lines), default=0)

    @cached_property
    def best(self) -> Mapping[str, Any]:
        """The progress saved with the checkpoint ``best``; empty without one, or if the recipe has another rule now."""
        checkpoint = find_complete(self.folder / "checkpoints" / "best", "progress.json")
        progress = _read_object(checkpoint / "progress.json") if checkpoint else {}
        rule = self.section("evaluate").get("best")
        return progress if is_number(progress.get("step")) and rule and progress.get("best_of") == rule else {}

    @cached_property
    def samples(self) -> list[tuple[int, Path]]:
        """The files of the sample grids with their steps, in the order of steps."""
        files = (self.folder / "samples").glob("step-*.png")
        return sorted((int(file.stem[5:]), file) for file in files if file.stem[5:].isdecimal())

    @property
    def last_session(self) -> list[dict[str, Any]]:
        """The events since the last start."""
        starts = [i for i, event in enumerate(self.events) if event.get("event") == "started"]
        return self.events[starts[-1] if starts else 0 :]

    def status(self) -> str:
        """Return whether the run is finished, was stopped, or neither, in words."""
        events = {str(event.get("event")): event for event in self.last_session}
        if "finished" in events:
            how = "ended early" if "ended-early" in events else "finished"
            return f"{how} at step {events['finished'].get('step')}"
        if "stopped" in events:
            signal = events["stopped"].get("signal")
            return f"stopped at step {events['stopped'].get('step')}" + (f" by {signal}" if signal else "")
        if not self.lines:
            return "started, nothing logged yet"
        return f"in progress, or cut short: step {self.last_step:g} was logged last"

    def seconds(self) -> float:
        """Return the time spent on the run, all sessions together.

        Each session counts from its start to its end, or to its last line of the log. Results do not count: they may
        be added days later.
        """
        starts, ends = self._times("started"), self._times("finished")
        written = [time for line in [*self.events, *self.lines] if (time := _read_time(line))]
        total = 0.0
        for i, start in enumerate(starts):
            within = [
                time for time in written if time >= start and all(time < after for after in starts[i + 1 : i + 2])
            ]
            end = min((time for time in within if time in ends), default=None)
            last = max((time for time in within if end is None or time <= end), default=start)
            total += (last - start).total_seconds()
        return total

    def _times(self, event: str) -> list[datetime]:
        return [time for line in self.events if line.get("event") == event and (time := _read_time(line))]


def series(lines: Iterable[Mapping[str, Any]], field: str) -> dict[str, Points]:
    """Return the courses of a field that maps names to numbers: name → its points. Other values are left out.

    >>> series([{"step": 2, "losses": {"g": 0.5}}, {"step": 4, "losses": {"g": 0.4, "d": 1}}], "losses")
    {'g': [(2, 0.5), (4, 0.4)], 'd': [(4, 1)]}
    """
    points: dict[str, Points] = {}
    for line in lines:
        for name, value in mapping(line.get(field)).items():
            if is_number(value):
                points.setdefault(name, []).append((line["step"], value))
    return points


def component_name(part: object, kind: str) -> str:
    """Return the name of a component of a resolved recipe, empty where it has none of that kind.

    >>> component_name({"generator": "resnet", "width": 64}, "generator")
    'resnet'
    """
    return str(part.get(kind, "")) if isinstance(part, Mapping) else ""


def _with_step(lines: Iterable[Any]) -> list[dict[str, Any]]:
    return [line for line in lines if is_number(line.get("step")) and math.isfinite(line["step"])]


def _read_object(file: Path) -> Mapping[str, Any]:
    try:
        return read_sealed_object(file, "a JSON object")
    except DamagedError:
        return {}


def _read_time(line: Mapping[str, Any]) -> datetime | None:
    try:
        time = datetime.fromisoformat(line["time"])
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    except (KeyError, TypeError, ValueError):
        return None
