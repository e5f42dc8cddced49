"""The runs that the studio offers: found below the given folders, newest first; no other folder can be named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganzoo.engine.checkpoint_files import find_checkpoint
from ganzoo.errors import GanzooError
from ganzoo.recipe.published import find_run
from ganzoo.report.run_log import RunLog
from ganzoo.training.inventory import RunSummary, age, find_runs, is_run, summaries
from ganzoo.utils.formatting import format_bytes, format_duration
from ganzoo.utils.reading import is_number, mapping


@dataclass(frozen=True)
class Listed:
    """A run in the list.

    Args:
        name: its name on the page: its path as the user gave it, or found it.
        summary: its state, length and metric values.
    """

    name: str
    summary: RunSummary

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.summary.folder

    @property
    def checkpoints(self) -> list[str]:
        """The names of its complete checkpoints: best and last first."""
        names = [name for name in self.summary.checkpoints if find_checkpoint(self.folder / "checkpoints" / name)]
        return sorted(names, key=lambda name: (name not in ("best", "last"), name != "best", len(name), name))

    @property
    def line(self) -> str:
        """What the list says of it: ``horses/default: cyclegan, 2000 of 4000 steps, training now``."""
        one = self.summary
        steps = f"{one.step} of {one.total} steps" if one.total else f"step {one.step}"
        state = "training now" if one.state == "running" else f"{one.state}, changed {format_duration(age(one))} ago"
        return f"{self.name}: {one.method or 'unknown method'}, {steps}, {state}"

    @property
    def last_grid(self) -> Path | None:
        """The file of its newest sample grid, if it has one."""
        return max((self.folder / "samples").glob("*.png"), key=lambda file: file.stat().st_mtime_ns, default=None)

    def closing_values(self, checkpoint: str) -> dict[str, float]:
        """Return the metric values of a checkpoint's last evaluation after training; empty if there was none."""
        try:
            records = RunLog(self.folder).results
        except GanzooError:
            return {}
        values = [mapping(one.get("values")) for one in records if one.get("checkpoint") == checkpoint]
        return {name: value for name, value in values[-1].items() if is_number(value)} if values else {}

    def facts(self) -> str:
        """Return what the page says of it, as Markdown: method, data, length, size, metric values."""
        one = self.summary
        rows = {
            "state": "training now" if one.state == "running" else one.state,
            "problem": one.problem,
            "method": one.method,
            "data": one.data,
            "steps": f"{one.step} of {one.total}" if one.total else str(one.step),
            "checkpoints": ", ".join(self.checkpoints) or "none yet",
            "size": format_bytes(one.bytes),
            "best": ", ".join(f"{name} {value:.4g}" for name, value in one.best.items()),
        }
        return "\n".join(f"- **{name}**: {plain(text)}" for name, text in rows.items() if text)


class Catalog:
    """Finds the runs of the studio, and refuses all other names.

    Args:
        places: runs, folders of runs, and models on the hub: ``hf:USER/NAME``.
    """

    def __init__(self, places: Sequence[str]) -> None:
        self.places: list[Path] = []
        for place in places:
            folder = find_run(place)
            if not folder.is_dir():
                raise GanzooError(f"{place}: no such folder; name runs, or folders of runs")
            self.places.append(folder)

    def folders(self) -> list[Path]:
        """Return the folders of all runs, each once."""
        found = [run for place in self.places for run in ([place] if is_run(place) else find_runs(place))]
        return list(dict.fromkeys(found))

    def runs(self) -> list[Listed]:
        """Return all runs, newest first."""
        found = [Listed(str(summary.folder), summary) for summary in summaries(self.folders())]
        return sorted(found, key=lambda one: one.summary.changed, reverse=True)

    def find(self, name: str | None) -> Listed:
        """Return the run of this name. Raises GanzooError if the list has none, or none any more."""
        if not name:
            raise GanzooError("choose a run first")
        for summary in summaries([folder for folder in self.folders() if str(folder) == name]):
            return Listed(name, summary)
        raise GanzooError(f"{name}: no such run here, or it was deleted meanwhile; reload the list")


def plain(text: str) -> str:
    """Return a text so that Markdown shows it as it is, in one line.

    >>> plain("a_b<c>")
    'a\\\\_b\\\\<c\\\\>'
    """
    return "".join(f"\\{one}" if one in "\\`*_{}[]<>()#+-!|~$&" else " " if one in "\r\n" else one for one in text)
