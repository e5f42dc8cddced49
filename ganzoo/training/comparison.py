"""Compare runs: the settings and versions in which they differ, and their metric values, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.report.run_log import RunLog
from ganzoo.training.inventory import RunSummary, summarize

MISSING = "–"
"""What a run has in the place of a setting or value that it lacks."""


@dataclass(frozen=True)
class Comparison:
    """Runs side by side; each list has one entry a run, None where it has none.

    Args:
        runs: their summaries.
        settings: key path → values, of the settings that differ.
        environment: key → values, of versions, device and others that differ.
        values: metric value → values.
    """

    runs: list[RunSummary]
    settings: dict[str, list[Any]]
    environment: dict[str, list[Any]]
    values: dict[str, list[Any]]

    def fields(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        parts = {"settings": self.settings, "environment": self.environment, "values": self.values}
        return {"runs": [one.fields() for one in self.runs], **parts}


def compare(folders: Sequence[Path]) -> Comparison:
    """Return the comparison of runs. Raises GanzooError for a folder that is no run, or whose recipe is damaged."""
    logs = [RunLog(folder) for folder in folders]
    runs = [summarize(folder) for folder in folders]
    settings = [_leaves(log.recipe) for log in logs]
    environments = [_leaves({key: value for key, value in log.environment.items() if key != "images"}) for log in logs]
    names = dict.fromkeys(name for run in runs for name in run.values)
    values = {name: [run.values.get(name) for run in runs] for name in names}
    return Comparison(runs, _differing(settings), _differing(environments), values)


def _differing(many: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    keys = dict.fromkeys(key for one in many for key in one)
    rows = {key: [one.get(key) for one in many] for key in keys}
    return {key: row for key, row in rows.items() if any(value != row[0] for value in row[1:])}


def _leaves(nested: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by key path; a list is one leaf."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= _leaves(value, f"{path}{key}.") if isinstance(value, Mapping) else {f"{path}{key}": value}
    return flat
