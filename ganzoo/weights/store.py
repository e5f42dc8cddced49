"""Find files of pretrained weights on this machine, and download missing ones; components call ``find``.

Two environment variables name folders:

GANZOO_WEIGHTS   a folder that is searched first, and in which nothing is written
GANZOO_CACHE     the cache folder, in which ``weights`` has the downloads
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, replace
from hashlib import file_digest
from pathlib import Path
from typing import Protocol

from ganzoo.errors import BusyError, GanzooError, MissingResourceError
from ganzoo.utils.atomic import clean_temporaries, lock_file, rename_file, wait_for_lock, write_atomically
from ganzoo.utils.cache import cache_folder
from ganzoo.weights.manifest import WeightsFile

OUTDATED = 86400.0
"""Age in seconds of parts that are deleted: their processes, on this machine or another, have ended."""


_DOWNLOADS: ContextVar[bool] = ContextVar("downloads", default=True)


@contextmanager
def without_downloads() -> Iterator[None]:
    """Let ``find`` raise MissingResourceError for a missing file in a ``with`` block, in place of downloading it."""
    token = _DOWNLOADS.set(False)
    try:
        yield
    finally:
        _DOWNLOADS.reset(token)


class Listing(Protocol):
    """The files of weights that plugins list."""

    @property
    def weights(self) -> Mapping[str, WeightsFile]:
        """The listed files by name."""

    def weights_file(self, name: str) -> WeightsFile:
        """Return the listed file of this name. Raises GanzooError, with a similar name, for an unknown name."""


_provider: Callable[[], Listing] | None = None


def use_listing(provider: Callable[[], Listing]) -> None:
    """Set the function that returns the list of all files of weights; importing ``ganzoo.plugins`` does this."""
    global _provider
    _provider = provider


def listed() -> Mapping[str, WeightsFile]:
    """Return all files of weights that plugins list, by name."""
    return _listing().weights


def find(wanted: str | WeightsFile) -> Path:
    """Return the path of a file of weights after a check of its checksum; download the file if this machine lacks it.

    Call this in a component's constructor: ``ganzoo check`` and ``ganzoo weights get RECIPE`` construct all components
    of a recipe, so they download what is missing. A checksum that is not listed is recorded at the first download.

    Args:
        wanted: a name that a plugin lists; or the entry itself, if the component's options determine the file.

    Raises:
        MissingResourceError: the file cannot be downloaded, or must not be (``without_downloads``), or a plugin that
            may list the name is not loaded.
        GanzooError: the name is unknown; the file cannot be read or written; GANZOO_WEIGHTS is not a folder; or the
            file is not the listed one: its checksum differs, or it was downloaded from another address.
    """
    entry = lookup(wanted) if isinstance(wanted, str) else wanted
    file = local_path(entry)
    if file is None and not _DOWNLOADS.get():
        name = entry.name
        raise MissingResourceError(f"{name} is not on this machine: ganzoo weights get {name} downloads it")
    if file is None:
        return _fetch(entry)
    _verify(entry, file)
    _clean_part(weights_folder() / entry.file)
    return file


def missing_file(file: Path) -> MissingResourceError:
    """Return the error for a file of weights that a recipe names by its path and that does not exist."""
    return MissingResourceError(f"{file}: no such weights file; check the path")


def lookup(name: str) -> WeightsFile:
    """Return the entry of a listed file of weights by its name, or else of a file that was downloaded before.

    Raises GanzooError, with a similar name, for an unknown name.
    """
    downloads = {} if name in listed() else {entry.name: entry for entry in recorded()}
    return downloads[name] if name in downloads else _listing().weights_file(name)


def local_path(entry: WeightsFile) -> Path | None:
    """Return the path of a file of weights on this machine, or None if it is missing; its checksum is not verified.

    Raises GanzooError if GANZOO_WEIGHTS is set, but is not a folder.
    """
    return next((folder / entry.file for folder in _folders() if (folder / entry.file).is_file()), None)


def recorded() -> list[WeightsFile]:
    """Return the downloaded files whose full checksum is not listed, each with the checksum of its first download.

    Of two with one name, the one in the folder that is searched first counts. Raises GanzooError as ``local_path``.
    """
    entries: dict[str, WeightsFile] = {}
    for record in [file for folder in _folders() for file in sorted(folder.glob("*.json"))]:
        entry = _read(record)
        if entry and (record.parent / entry.file).is_file():
            entries.setdefault(entry.name, entry)
    return [*entries.values()]


def _folders() -> list[Path]:
    """Return the folders that are searched, in this order. Raises GanzooError as ``local_path``."""
    own = os.environ.get("GANZOO_WEIGHTS")
    if own and not Path(own).is_dir():
        raise GanzooError(f"GANZOO_WEIGHTS is {own!r}, which is not a folder")
    return [*([Path(own)] if own else []), weights_folder()]


def weights_folder() -> Path:
    """Return the folder for downloads, which may not exist yet."""
    return cache_folder() / "weights"


def _listing() -> Listing:
    if _provider is None:
        raise RuntimeError("no listing of weights: import ganzoo.plugins first")
    return _provider()


def _fetch(entry: WeightsFile) -> Path:
    """Download a file into the cache and return its path. Other processes wait meanwhile, and then use the same file.

    Raises GanzooError if the file cannot be written, and as ``download`` and ``_verify`` do.
    """
    from ganzoo.weights.download import download  # imports HTTP, which only downloads need

    file = weights_folder() / entry.file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with wait_for_lock(_lock_path(file)) as lock:
            clean_temporaries(file.parent, older_than=OUTDATED)
            if not file.is_file():
                # Without a lock each process has a part of its own, which no later process resumes.
                part = file.with_name(f".{file.name}.part" if lock.held else f".{file.name}.{os.getpid()}.part")
                checksum = download(entry, part)
                if not entry.checksum_is_complete:
                    _record(replace(entry, sha256=checksum, size=part.stat().st_size), file)
                rename_file(part, file)
    except OSError as error:
        raise GanzooError(
            f"{error.filename or file}: cannot be written: {error.strerror or error}; free some space, or set "
            "GANZOO_CACHE to another folder"
        ) from None
    _verify(entry, file)
    return file


def _clean_part(file: Path) -> None:
    """Delete what an interrupted download left of a file that is here, as it came in another way.

    Not while another process, which may have no such file, downloads it.
    """
    part = file.with_name(f".{file.name}.part")
    with suppress(OSError, BusyError):
        if part.exists():
            with lock_file(_lock_path(file), f"{file}: another process downloads it") as lock:
                if lock.held:
                    part.unlink(missing_ok=True)


def _lock_path(file: Path) -> Path:
    return file.with_name(f".{file.name}.lock")


def _verify(entry: WeightsFile, file: Path) -> None:
    """Raise GanzooError if a file has not the listed or first recorded checksum, or is from another address."""
    record = None if entry.checksum_is_complete else _read(_record_path(file))
    if record and not entry.sha256 and record.address != entry.address:
        raise GanzooError(
            f"{file}: this is {record.name}, from {record.address}, not {entry.name}, from {entry.address}: delete it "
            "and its .json to download the other one; to use both, list one of them with another file name"
        )
    expected = record.sha256 if record and record.sha256.startswith(entry.sha256) else entry.sha256
    try:
        with file.open("rb") as opened:
            checksum, size = file_digest(opened, "sha256").hexdigest(), opened.tell()
    except OSError as error:
        raise GanzooError(f"{file}: cannot be read: {error.strerror}") from None
    if not checksum.startswith(expected):
        source = "listed" if expected == entry.sha256 else "recorded at the first download"
        raise GanzooError(
            f"{file}: its sha256 is {checksum}, but {expected} is {source} for {entry.name}: it is damaged or another "
            "file; delete it to download it again"
        )
    if entry.size and size != entry.size:
        raise GanzooError(
            f"{file}: it has {size:,} bytes, but {entry.size:,} are listed for {entry.name}: it is "
            "damaged or another file; delete it to download it again"
        )


def _record_path(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


def _record(entry: WeightsFile, file: Path) -> None:
    write_atomically(_record_path(file), (json.dumps(asdict(entry), indent=1) + "\n").encode())


def _read(record: Path) -> WeightsFile | None:
    """Return the entry in a record of a download, a JSON file; None if there is no valid record."""
    try:
        return WeightsFile(**json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError, GanzooError):
        return None
