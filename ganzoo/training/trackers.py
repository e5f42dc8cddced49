"""Send a run's log, sample grids and settings to a tracker; a resumed run continues its run there.

The run's own files are the source: metrics.jsonl, results.jsonl and ``samples/``. So a tracker that was added later or
that failed in an earlier session gets what it lacks, and none gets a step twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganzoo.engine.checkpoint_files import find_checkpoint, read_progress
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Callback, RunInfo
from ganzoo.provenance.fingerprint import portable
from ganzoo.training.tracker_kinds import WHOLE, Position, Tracker
from ganzoo.utils.jsonl import JsonLines, parse_line, to_json, write_text
from ganzoo.utils.reading import is_number, mapping, open_regular, parse_object, read_text

TRACKERS = "trackers.json"
"""The file in a run's folder with the id of its run in each tracker, and how far each was sent."""
MIB = 1024 * 1024


class TrackerCallback(Callback):
    """Sends a run to one tracker, on the main process. What it raises is handled as for any callback.

    Args:
        tracker: the tracker.
        folder: the run's folder.
    """

    def __init__(self, tracker: Tracker, folder: Path) -> None:
        self.tracker, self.folder = tracker, folder
        self.open = False
        self.start = -1
        self.read = 0
        self.at: Position = (-1, 0)
        self.sent: Position = (-1, 0)
        self.image = -1
        self.state: dict[str, Any] = {}

    def on_start(self, run: RunInfo) -> None:
        """Open the run in the tracker, and send what it lacks; nothing for a run that has ended already."""
        progress = _progress_of(self.folder)
        self.start, ended = int(progress.get("step", -1)), progress.get("ended")
        self.state = read_state(self.folder).get(self.tracker.name, {})
        of = {"project": self.tracker.project, "run": _name_of(run)}
        if any(self.state.get(key) not in (None, now) for key, now in of.items()):
            self.state = {}  # another project, or a copy of another run's folder: it begins there anew
        if self.start < 0 or (self.start < run.total and ended != run.total):
            self.ensure_open(run)
            self.send(run, self.start)

    def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
        """Send the new lines of the log, and the sample grids of earlier steps."""
        self.send(run, step)

    def on_evaluation(self, run: RunInfo, step: int, values: Mapping[str, float]) -> bool:
        """Send the metric values; return False, as a tracker does not end the training."""
        self.send(run, step)
        return False

    def on_checkpoint(self, run: RunInfo, step: int) -> None:
        """Send what is new, the sample grid of this step included."""
        self.send(run, step)

    def on_end(self, run: RunInfo) -> None:
        """Send the rest and the final values, and close the run in the tracker."""
        step = int(_progress_of(self.folder).get("step", 0))
        final = mapping(self.state.get("final"))
        sent = set(final["names"]) if final.get("step") == step else set()
        values = {name: value for name, value in final_values(self.folder, step).items() if name not in sent}
        if values or self.open:
            self.ensure_open(run)
            self.send(run, step)
            self.tracker.finish(step, values)
            if values:
                self.remember(final={"step": step, "names": sorted(sent | set(values))})

    def ensure_open(self, run: RunInfo) -> None:
        """Open the run in the tracker, unless it is open."""
        if self.open:
            return
        self.sent = self.tracker.open(self.state, self.start, flatten(portable(run.settings)))
        self.image = min(self.state.get("image", -1), self.sent[0])
        self.open = True
        self.remember(project=self.tracker.project, run=_name_of(run))

    def send(self, run: RunInfo, step: int) -> None:
        """Send the lines of the log and the sample grids up to a step that were not sent yet, in the order of steps."""
        items: list[tuple[Position, Mapping[str, float] | Path]] = [
            (at, values) for at, values in self.new_lines() if self.sent < at
        ]
        images = {number: file for file in (self.folder / "samples").glob("*.png") if (number := _step_of(file)) >= 0}
        items += [((number, WHOLE), file) for number, file in images.items() if self.image < number <= step]
        for at, item in sorted(items, key=lambda one: one[0]):
            self.ensure_open(run)
            if isinstance(item, Path):
                self.tracker.show(at[0], "samples", item)
                self.image = at[0]
            else:
                self.tracker.log(at[0], item)
                self.sent = at
        if items:
            self.remember()

    def new_lines(self) -> Iterator[tuple[Position, dict[str, float]]]:
        """Yield the position and the values of each line that was added to metrics.jsonl since the last call."""
        with suppress(FileNotFoundError), open_regular(self.folder / "metrics.jsonl") as file:
            file.seek(self.read)
            for text in file:
                self.read += len(text)
                line = parse_line(text)
                if line is not None and isinstance(step := line.get("step"), int):
                    self.at = (step, self.at[1] + 1 if self.at[0] == step else 1)
                    yield self.at, tracked_values(line)

    def remember(self, **fields: Any) -> None:
        """Write to trackers.json how far the tracker has the run."""
        self.state |= {"step": self.sent[0], "lines": self.sent[1], "image": self.image, **fields}
        everything = read_state(self.folder) | {self.tracker.name: self.state}
        write_text(self.folder / TRACKERS, to_json(everything, indent=1) + "\n")


def tracked_values(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a line of metrics.jsonl by the names that they have in trackers.

    >>> tracked_values({"step": 50, "losses": {"generator/cycle_A": 0.5}, "lr": 2e-4, "memory": 1048576})
    {'train/generator/cycle_A': 0.5, 'lr': 0.0002, 'memory/peak_mib': 1.0}
    >>> tracked_values({"step": 50, "values": {"fid": 31.0}})
    {'eval/fid': 31.0}
    """
    values = {f"train/{name}": value for name, value in mapping(line.get("losses")).items()}
    values |= {f"eval/{name}": value for name, value in mapping(line.get("values")).items()}
    names = {"lr": "lr", "epoch": "epoch", "images_per_s": "speed/images_per_s", "data_wait": "speed/wait_share"}
    values |= {names[name]: line[name] for name in names if name in line}
    if memory := line.get("memory"):
        values["memory/peak_mib"] = memory / MIB
    return {name: value for name, value in values.items() if is_number(value)}


def final_values(folder: Path, step: int) -> dict[str, float]:
    """Return the metric values of a run's final evaluation at a step, as ``final/CHECKPOINT/NAME``."""
    events = JsonLines(folder / "events.jsonl")
    ends = [mapping(one.get("values")) for one in events if (one.get("event"), one.get("step")) == ("finished", step)]
    return {
        f"final/{checkpoint}/{name}": value
        for checkpoint, values in (ends[-1] if ends else {}).items()
        for name, value in mapping(values).items()
        if is_number(value)
    }


def flatten(settings: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return nested settings by key path; a list becomes a text.

    >>> flatten({"train": {"lr": 2e-4, "trackers": ["wandb"]}, "losses": {}})
    {'train.lr': 0.0002, 'train.trackers': "['wandb']"}
    """
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{path}{key}.")
        else:
            flat[f"{path}{key}"] = value if value is None or isinstance(value, bool | int | float | str) else str(value)
    return flat


def read_state(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the content of a run's trackers.json; empty if it is missing or damaged: each tracker then begins anew."""
    file = folder / TRACKERS
    with suppress(GanzooError):
        fields = parse_object(read_text(file), file, "the trackers of a run")
        return {name: dict(value) for name, value in fields.items() if isinstance(value, Mapping)}
    return {}


def _progress_of(folder: Path) -> Mapping[str, Any]:
    """Return the fields of progress.json in a run's checkpoint ``last``; empty if there is none."""
    last = find_checkpoint(folder / "checkpoints/last")
    return read_progress(last) if last else {}


def _name_of(run: RunInfo) -> str:
    return f"{run.name}/{run.folder.name}"


def _step_of(file: Path) -> int:
    match = re.fullmatch(r"step-(\d+)", file.stem)
    return int(match[1]) if match else -1
