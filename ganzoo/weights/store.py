"""Where files of weights lie, and the one function by which parts get them.

GANZOO_WEIGHTS   a folder that is looked in first, and never written
GANZOO_CACHE     below it, in ``weights``, lies what was fetched
"""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from dataclasses import asdict, replace
from hashlib import file_digest
from pathlib import Path

from ganzoo.errors import GanzooError
from ganzoo.utils.atomic import wait_for_lock
from ganzoo.utils.cache import cache_folder
from ganzoo.weights.manifest import WeightsFile


def find(wanted: str | WeightsFile) -> Path:
    """Return a file of weights, its checksum looked at; fetch it where it is not here yet.

    A part calls it in its constructor, so that ``ganzoo check`` and ``ganzoo weights get RECIPE`` do.

    Args:
        wanted: a name that a plugin lists, or the entry itself, where what is needed is known only to the part.

    Raises:
        GanzooError: there is no such name, the file cannot be had, or it is another than the one that was published or
            first fetched, also where that one came from another address under the same file name.
    """
    entry = lookup(wanted) if isinstance(wanted, str) else wanted
    place = present(entry)
    if place is None:
        return _fetch(entry)
    _verify(entry, place)
    return place


def lookup(name: str) -> WeightsFile:
    """Return what is listed, or was fetched before, under a name. Raises GanzooError with the nearest name."""
    from ganzoo.plugins import plugins

    registry = plugins().registry
    fetched = {} if name in registry.weights else {one.name: one for one in recorded()}
    return fetched[name] if name in fetched else registry.weights_file(name)


def present(entry: WeightsFile) -> Path | None:
    """Return where a file of weights lies, unchecked, or None. Raises GanzooError when GANZOO_WEIGHTS is no folder."""
    own = os.environ.get("GANZOO_WEIGHTS")
    if own and not Path(own).is_dir():
        raise GanzooError(f"GANZOO_WEIGHTS is {own!r}, which is no folder")
    places = [*([Path(own)] if own else []), weights_folder()]
    return next((place / entry.file for place in places if (place / entry.file).is_file()), None)


def recorded() -> list[WeightsFile]:
    """Return what was fetched into the cache without a full checksum being listed, with the one that it had."""
    found = []
    for record in sorted(weights_folder().glob("*.json")):
        entry = _read(record)
        if entry and (record.parent / entry.file).is_file():
            found.append(entry)
    return found


def weights_folder() -> Path:
    """Return the folder for what is fetched."""
    return cache_folder() / "weights"


def _fetch(entry: WeightsFile) -> Path:
    """Fetch a file into the cache, alone: another process that wants it waits, and then finds it."""
    from ganzoo.weights.download import download  # no command but one that fetches needs all of HTTP

    place = weights_folder() / entry.file
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with wait_for_lock(place.with_name(f".{place.name}.lock")) or nullcontext() as lock:
            if not place.is_file():
                # Where no lock can be had, each process has a part of its own, which another run does not go on with.
                part = place.with_name(f".{place.name}.part" if lock else f".{place.name}.{os.getpid()}.part")
                checksum = download(entry, part)
                if not entry.whole:
                    _record(replace(entry, sha256=checksum, size=part.stat().st_size), place)
                part.replace(place)
    except OSError as error:
        raise GanzooError(
            f"{error.filename or place}: cannot be written: {error.strerror or error}; make room, or let GANZOO_CACHE "
            "name another folder"
        ) from None
    _verify(entry, place)
    return place


def _verify(entry: WeightsFile, place: Path) -> None:
    """Raise GanzooError unless a file has the checksum that is listed, or that it had when it was first fetched."""
    record = None if entry.whole else _read(_beside(place))
    if record and not entry.sha256 and record.address != entry.address:
        raise GanzooError(
            f"{place}: it is {record.name}, from {record.address}, and not {entry.name}, from {entry.address}: take it "
            "away with its .json, and the other is fetched; to have both, one needs another file name"
        )
    expected = record.sha256 if record and record.sha256.startswith(entry.sha256) else entry.sha256
    try:
        with place.open("rb") as file:
            checksum = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GanzooError(f"{place}: cannot be read: {error.strerror}") from None
    if not checksum.startswith(expected):
        where = "listed" if expected == entry.sha256 else "noted when it was fetched"
        raise GanzooError(
            f"{place}: its sha256 is {checksum}, and {expected} is {where} for {entry.name}: it is damaged or another "
            "file; take it away, and it is fetched again"
        )


def _beside(place: Path) -> Path:
    return place.with_name(f"{place.name}.json")


def _record(entry: WeightsFile, place: Path) -> None:
    new = place.with_name(f".{place.name}.json.new")
    new.write_text(json.dumps(asdict(entry), indent=1) + "\n", encoding="utf-8")
    new.replace(_beside(place))


def _read(record: Path) -> WeightsFile | None:
    """Return what is noted beside a file; None where nothing is, or nothing sound."""
    try:
        return WeightsFile(**json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, GanzooError):
        return None
