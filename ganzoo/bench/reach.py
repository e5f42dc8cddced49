"""When a run reached a value: the first evaluation from which on it stays there, in steps and seconds of training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ganzoo.bench.columns import Reach
from ganzoo.provenance.record import Record
from ganzoo.utils.jsonl import JsonLines


def with_reach(record: Record, folder: Path, reach: Reach) -> Record:
    """Return a record with the values ``steps_to_VALUE`` and ``seconds_to_VALUE``, from the run's metrics.jsonl.

    If the run never reached the level, did not stay there, or was not evaluated on validation images, they are missing,
    and ``about`` has the reason. An untrained run has neither.

    Args:
        record: the record of a run that was measured.
        folder: the run's folder.
        reach: the metric value and its level.
    """
    lines = [*JsonLines(folder / "metrics.jsonl")]
    step = reached_step(lines, reach)
    values, about = dict(record.values), dict(record.about)
    for name in reach.value_names():
        about[name] = {"metric": reach.value, "reach": reach.described()}
    if step is None:
        measured = any(_value(line, reach) is not None for line in lines)
        never = f"{reach.value} did not stay at {reach.at:g} on validation images"
        for name in reach.value_names():
            about[name]["missing"] = never if measured else f"{reach.value} was not measured on validation images"
    else:
        values |= dict(zip(reach.value_names(), (float(step), seconds_until(lines, step)), strict=True))
    return record.model_copy(update={"values": values, "about": about})


def reached_step(lines: Iterable[Mapping[str, Any]], reach: Reach) -> int | None:
    """Return the step of the first evaluation from which on all values are at the level; None if the last is not.

    Evaluations before the first step do not count.
    """
    found = None
    for line in lines:
        value = _value(line, reach)
        if value is None:
            continue
        there = value >= reach.at if reach.better == "more" else value <= reach.at
        found = (found or line["step"]) if there and math.isfinite(value) else None
    return found


def _value(line: Mapping[str, Any], reach: Reach) -> float | None:
    """Return the value in the line of an evaluation on validation images after the first step; None in other lines."""
    values = line.get("values", {}) if line.get("split") == "validation" and line["step"] else {}
    return values.get(reach.name_in(values))


def seconds_until(lines: Iterable[Mapping[str, Any]], step: int) -> float:
    """Return the seconds of training until a step; within an interval of the log, steps count as equally long."""
    before, total = 0, 0.0
    for line in lines:
        if "seconds" in line and before < line["step"]:
            total += line["seconds"] * min(1.0, max(0.0, (step - before) / (line["step"] - before)))
            before = line["step"]
    return total
