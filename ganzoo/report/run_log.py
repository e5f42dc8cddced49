"""Read the log of a run from its folder, for the report. The run may be training, killed while writing, or finished."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ganzoo.errors import DamagedError, GanzooError, suggest_path
from ganzoo.report.metrics_log import MetricsLog, Points, read_time
from ganzoo.utils.atomic import find_complete
from ganzoo.utils.jsonl import JsonLines
from ganzoo.utils.reading import is_number, mapping, parse_mapping
from ganzoo.utils.sealed import read_sealed_object, read_sealed_text

BEFORE_START = ("best-deleted", "begins-with", "resumed", "data")
"""Events that a session writes before ``started``."""


class RunLog:
    """What the files of a run's folder contain, except its weights. Files that are missing count as empty.

    Args:
        folder: the run's folder.
        metrics: its metrics.jsonl, as far as it was read before; the rest is read now.

    Raises GanzooError if the folder has no resolved.yaml, and DamagedError if that or a log is damaged.
    """

    def __init__(self, folder: Path, metrics: MetricsLog | None = None) -> None:
        if not (folder / "resolved.yaml").exists():
            similar = "" if folder.exists() else suggest_path(folder)
            raise GanzooError(f"{folder}: not a run's folder, which holds resolved.yaml and metrics.jsonl{similar}")
        self.folder = folder.resolve()
        self.resolved_text, self.recipe_text = read_sealed_text(folder / "resolved.yaml"), self.text("recipe.yaml")
        self.metrics = metrics or MetricsLog(folder / "metrics.jsonl")
        self.metrics.update()
        self.events = [*JsonLines(folder / "events.jsonl")]
        self.results = [*JsonLines(folder / "results.jsonl")]

    def text(self, name: str) -> str:
        """Return the text of a file in the run's folder; empty if it cannot be read.

        Bytes that are not UTF-8 are replaced.
        """
        try:
            return (self.folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    @property
    def name(self) -> str:
        """The names of the recipe and of the run, ``RECIPE / RUN``, taken from their folders."""
        return f"{self.folder.parent.name} / {self.folder.name}"

    @cached_property
    def recipe(self) -> Mapping[str, Any]:
        """The resolved recipe. Raises DamagedError if resolved.yaml is not a YAML mapping."""
        return parse_mapping(self.resolved_text, self.folder / "resolved.yaml", "a recipe")

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section of the resolved recipe; empty if the recipe does not have it as a mapping."""
        return mapping(self.recipe.get(name))

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """The content of env.json; empty if it is missing or damaged."""
        return _read_object(self.folder / "env.json")

    @property
    def losses(self) -> Mapping[str, Points]:
        """``phase/term`` → the term's means over the logging intervals, multiplied by its weight."""
        return self.metrics.losses

    @property
    def values(self) -> Mapping[str, Points]:
        """Metric value → its points in the evaluations during training, on validation images (else on test images)."""
        return self.metrics.values

    def column(self, name: str) -> Points:
        """Return the points of a field of metrics.jsonl that is a number, such as ``lr`` or ``images_per_s``."""
        return self.metrics.columns.get(name, [])

    @property
    def last_step(self) -> float:
        """The last logged step; 0 if nothing is logged."""
        return self.metrics.last_step

    @cached_property
    def best(self) -> Mapping[str, Any]:
        """The fields of progress.json in the checkpoint ``best``.

        Empty if there is no such checkpoint, or if the recipe now has another rule ``evaluate.best``.
        """
        checkpoint = find_complete(self.folder / "checkpoints" / "best", "progress.json")
        progress = _read_object(checkpoint / "progress.json") if checkpoint else {}
        rule = self.section("evaluate").get("best")
        return progress if is_number(progress.get("step")) and rule and progress.get("best_of") == rule else {}

    @cached_property
    def samples(self) -> list[tuple[int, Path]]:
        """The sample grids, each (step, file), in the order of steps."""
        files = (self.folder / "samples").glob("step-*.png")
        return sorted((int(file.stem[5:]), file) for file in files if file.stem[5:].isdecimal())

    @property
    def last_session(self) -> list[dict[str, Any]]:
        """The events from the last start of the run on; all events if no start is logged."""
        starts = [i for i, event in enumerate(self.events) if event.get("event") == "started"]
        return self.events[starts[-1] if starts else 0 :]

    def status(self) -> str:
        """Return in words whether the run is finished, was stopped or may be in progress, and its step."""
        events = {str(event.get("event")): event for event in self.last_session}
        if "finished" in events:
            how = "ended early" if "ended-early" in events else "finished"
            return f"{how} at step {events['finished'].get('step')}"
        if "stopped" in events:
            signal = events["stopped"].get("signal")
            return f"stopped at step {events['stopped'].get('step')}" + (f" by {signal}" if signal else "")
        if not self.metrics.lines:
            return "started, nothing logged yet"
        return f"in progress, or cut short: step {self.last_step:g} was logged last"

    def seconds(self) -> float:
        """Return the time spent on the run in seconds, all sessions together.

        Each session counts from its start to its end, or if that is missing, to its last line of metrics.jsonl or
        events.jsonl. Lines of results.jsonl do not count: they may be added days later. A line belongs to a session by
        its place in events.jsonl, or by its step in metrics.jsonl: the clock may have been set back between sessions.
        """
        starts = [i for i, event in enumerate(self.events) if event.get("event") == "started"]
        total, lines = 0.0, self.metrics.times[:]
        for i, after in reversed([*zip(starts, [*starts, len(self.events)][1:], strict=True)]):
            events = [one for one in self.events[i:after] if one.get("event") not in BEFORE_START]
            ends = [number for number, event in enumerate(events) if event.get("event") == "finished"]
            times = [read_time(one) for one in events[: ends[0] + 1 if ends else None]]
            step = events[0].get("step")  # a first session also has the line of step 0
            own = bisect_right(lines, (step, math.inf)) if is_number(step) and step else 0
            if lines[own:] and not ends:
                times.append(lines[-1][1])
            del lines[own:]
            if times[0] is not None:
                total += max(time for time in times if time is not None) - times[0]
        return total


def component_name(part: object, kind: str) -> str:
    """Return the name of the component of a kind in a part of a resolved recipe; empty if the part names none.

    >>> component_name({"generator": "resnet", "width": 64}, "generator")
    'resnet'
    """
    return str(part.get(kind, "")) if isinstance(part, Mapping) else ""


def _read_object(file: Path) -> Mapping[str, Any]:
    try:
        return read_sealed_object(file, "a JSON object")
    except DamagedError:
        return {}
