"""Create the record of one cell, that is, one run of a table: train, resume or evaluate the run.

``ganzoo.bench.runner`` uses it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ganzoo.bench.spec import Bench, Cell, Places
from ganzoo.bench.staleness import ImageChecksums, metrics_of, same_measurement, same_training, shown_checkpoint
from ganzoo.engine.checkpoint_files import find_checkpoint, read_progress
from ganzoo.errors import BusyError, GanzooError, SettingsChangedError
from ganzoo.provenance.fingerprint import code_key, recipe_key
from ganzoo.provenance.record import Record, Session, parse_record
from ganzoo.recipe.schema import Recipe
from ganzoo.report.run_log import RunLog
from ganzoo.utils.core_yaml import flow
from ganzoo.utils.jsonl import JsonLines

STOPPED = {*(-number for number in (1, 2, 15)), *(128 + number for number in (1, 2, 15))}
"""Exit codes of a command that SIGHUP, Ctrl-C or SIGTERM stopped; any other signal counts as a failure."""

RunCommand = Callable[[list[str], Mapping[str, str]], subprocess.CompletedProcess[str]]
"""A function that runs a command of ganzoo and waits for its end.

Its arguments are the words of the command without the first, and all environment variables; it returns the ended
process.
"""


def folder_of(bench: Bench, cell: Cell, recipe: Recipe, places: Places) -> Path:
    """Return the folder of a cell's run."""
    return places.root / bench.name / recipe.name / cell.name


def record_cell(
    bench: Bench,
    cell: Cell,
    recipe: Recipe,
    places: Places,
    checksums: ImageChecksums,
    *,
    run_command: RunCommand,
    wait_for: Callable[[Path], bool],
    say: Callable[[str], None],
    variables: Mapping[str, str],
) -> Record:
    """Run a cell and return its record; if the run fails, the record says why.

    An existing run is resumed. If it was trained with other code, settings or images, it is renamed and trained again
    from the start; if it was only measured differently, it is measured again. A run trained where the precision
    ``auto`` meant another one is measured if it is finished; else it fails, and stays as it is.

    Args:
        bench: the table.
        cell: the cell to run.
        recipe: the cell's recipe.
        places: the folders of the runs and of the data.
        checksums: the checksums of the images of data sets.
        run_command: a function that runs a command of ganzoo in a child process.
        wait_for: a function that waits until no process holds a lock, and returns whether one did.
        say: a function that prints a line.
        variables: environment variables besides this process's own.

    Raises GanzooError if a signal stopped the run, and BusyError if another process trains it; both leave no record.
    """
    folder, checkpoint = folder_of(bench, cell, recipe, places), shown_checkpoint(bench, recipe)
    name = ["--name", cell.name, "--root", str(folder.parents[1])]
    train = ["run", str(bench.recipe(cell)), *bench.changes(cell, places), *name]
    # A run that was not resumed has the settings of evaluations of a time before.
    settings = flow(recipe.resolved()["evaluate"])
    measure = ["evaluate", str(folder), "--checkpoint", checkpoint, "--set", f"evaluate={settings}"]
    environment = {**os.environ, **variables}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        joined = False
        while True:
            done = run_command([*words], environment)
            if done.returncode in STOPPED:
                raise GanzooError(f"{cell.name}: stopped by a signal; the same command resumes it")
            # Another process may train this run, such as one that an earlier bench has started: join it.
            if done.returncode != BusyError.exit_code:
                return done
            if not wait_for(folder / ".lock") and joined:
                raise BusyError(f"{cell.name}: {last_line(done)}")
            joined = True

    code_key.cache_clear()  # a plugin's code may have changed while other cells were run
    sessions = _trained_sessions(folder)
    resumes = sessions is not None and same_training(bench, sessions, recipe, checksums)
    results = JsonLines(folder / "results.jsonl")
    earlier = [*results]
    again = f"{cell.name}: put aside and trained again from the start"
    if not resumes:
        say(f"{again}: its length, plugins, images or evaluations have changed, or it is of another version of ganzoo")
    done = run(*train) if resumes else run(*train, "--fresh")
    if done.returncode == SettingsChangedError.exit_code:
        log = RunLog(folder)
        if not _has_other_precision(log, recipe, last_line(done)):
            say(f"{again}: {last_line(done)}")
            done = run(*train, "--fresh")
        elif any(one.get("event") == "finished" for one in log.last_session):
            done = run(*measure)
    record = _matching_record(results, checkpoint, recipe)
    if done.returncode == 0 and not (record and same_measurement(record, recipe, checksums)):
        earlier = [*results]
        done = run(*measure)
        record = _matching_record(_new_lines(earlier, results), checkpoint, recipe)
    if done.returncode:  # an earlier record does not say what failed now; a new one has the reason, or is complete
        record = _matching_record(_new_lines(earlier, results), checkpoint, recipe)
    place = {"spec": bench.file.stem, "scale": bench.scale, "row": cell.row, "data": cell.data}
    place |= {"prepared": bench.prepared} if bench.prepared else {}
    if record:
        return record.model_copy(update={"cell": place})
    why = last_line(done) if done.returncode else "its recipe was edited while the table was run; run it again"
    return Record.of_failure(recipe, cell.name, why, place)


def _has_other_precision(log: RunLog, recipe: Recipe, refused: str) -> bool:
    """Return whether nothing changed since a run was trained but what ``train.precision: auto`` means on the machine.

    Args:
        log: the run's log.
        recipe: the cell's recipe.
        refused: why the run cannot be resumed, which names all that changed.
    """
    same_setting = log.section("train").get("precision") == recipe.train.precision
    return same_setting and bool(re.search(r": train\.precision: \w+ \S+ \w+ \(", refused))


def _trained_sessions(folder: Path) -> list[Session] | None:
    """Return the sessions of a run so far, empty before its first checkpoint; None if they are not all known."""
    try:
        checkpoint = find_checkpoint(folder / "checkpoints" / "last")
        if checkpoint is None:
            return []
        sessions = [Session.model_validate(one) for one in read_progress(checkpoint)["sessions"]]
    except (KeyError, TypeError, ValueError, GanzooError):  # of another version of ganzoo, or damaged
        return None
    return sessions if sessions and sessions[0].step == 0 else None


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return why a command failed: the signal that ended it, or its last line on stderr, or else its exit code."""
    if done.returncode < 0:
        return f"it was ended by {signal.Signals(-done.returncode).name}"
    lines = [line.removeprefix("ganzoo: ") for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"it ended with exit code {done.returncode}"


def _new_lines(earlier: Iterable[dict[str, Any]], now: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines that were added; one of the same second may equal an earlier line.

    >>> _new_lines([{"step": 1}], [{"step": 1}, {"step": 1}])
    [{'step': 1}]
    """
    known, new = [*earlier], []
    for line in now:
        if line in known:
            known.remove(line)
        else:
            new.append(line)
    return new


def _matching_record(lines: Iterable[dict[str, Any]], checkpoint: str, recipe: Recipe) -> Record | None:
    """Return the last of a run's records that matches a checkpoint and a recipe; None if there is none.

    A record on test images is preferred to one on validation images; others, such as on training images, do not count.
    """
    matching: dict[str, Record] = {}
    wanted = (checkpoint, recipe_key(recipe), recipe.train.seed, metrics_of(recipe))
    for line in lines:
        try:
            record = parse_record(line)
        except ValueError:  # of another version of ganzoo: the run is measured again
            continue
        if (record.checkpoint, record.recipe_key, record.seed, record.metrics) == wanted:
            matching[record.split] = record
    return matching.get("test") or matching.get("validation")


def strip_local_paths(record: Record, folder: Path, places: Places) -> Record:
    """Return a copy of a record whose texts about failures lack the paths of the run, the data and the home folder."""

    def strip(text: str) -> str:
        for path in (f"{folder}: ", f"{folder.parents[1]}/", *([f"{places.data}/"] if places.data else [])):
            text = text.replace(path, "")
        return text.replace(f"{Path.home()}/", "~/")

    failed = {name: strip(why) for name, why in record.failed.items()}
    return record.model_copy(update={"why": strip(record.why), "failed": failed})
