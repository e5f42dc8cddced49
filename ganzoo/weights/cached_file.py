"""Download a file, such as a shard of a data set, into the cache folder once; data sets of plugins use it."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ganzoo.errors import GanzooError
from ganzoo.utils.atomic import clean_temporaries, rename_file, wait_for_lock, write_atomically
from ganzoo.utils.cache import cache_folder
from ganzoo.utils.formatting import without_secrets
from ganzoo.weights.manifest import WeightsFile
from ganzoo.weights.store import OUTDATED


def cached_file(address: str, folder: str) -> Path:
    """Return the path that ``download_file`` gives a file in the cache; it may not exist yet.

    The name has a checksum of the address and the last part of it.

    >>> cached_file("https://example.org/a/shard%200.tar?x=1", "shards").name
    '02e71c75e9ce-shard_200.tar'
    """
    last = re.split("[?#]", address)[0].rpartition("/")[2]
    readable = re.sub(r"[^\w.+-]", "_", last, flags=re.ASCII)[-100:]
    return cache_folder() / folder / f"{sha256(address.encode()).hexdigest()[:12]}-{readable}"


def download_file(address: str, folder: str, *, most: int = 0, advice: str = "download it, and name the file") -> Path:
    """Return the path of a file in the cache; download it if it is not there.

    An interrupted download is resumed, also by a later process, if the server can do it and names its version by a
    strong ETag. Other processes that want the same file wait meanwhile. A file that is there is used as it is, if its
    size is that of the download.

    Args:
        address: the URL, http or https; other schemes are refused, and so are redirects from https to http.
        folder: the name of a folder in the cache folder.
        most: the largest number of bytes that are accepted; 0: any number.
        advice: the end of an error's message: how to go on without a download.

    Raises:
        MissingResourceError: the download failed, or the file is too large.
        GanzooError: the address has another form, the file cannot be written, or its size is not that of the download.
    """
    if not re.fullmatch(r"https?://\S+", address):
        raise GanzooError(
            f"{without_secrets(address)}: not an address that is downloaded; give one that begins with https:// or http://"
        )
    if re.match(r"https?://[^/?#]*@", address):  # the client would read the password as a port, and print it
        raise GanzooError(
            f"{without_secrets(address)}: addresses with a user or a password are not supported; download it, and name "
            "the file"
        )
    file = cached_file(address, folder)
    record = file.with_name(f"{file.name}.json")
    try:
        if not file.is_file():
            _fetch(address, file, record, most, advice)
    except OSError as error:
        raise GanzooError(
            f"{error.filename or file}: cannot be written: {error.strerror or error}; free some space, or set "
            "GANZOO_CACHE to another folder"
        ) from None
    _compare_size(file, record)
    return file


def _fetch(address: str, file: Path, record: Path, most: int, advice: str) -> None:
    from ganzoo.weights.download import download  # imports HTTP, which only downloads need

    file.parent.mkdir(parents=True, exist_ok=True)
    with wait_for_lock(file.with_name(f".{file.name}.lock")) as lock:
        clean_temporaries(file.parent, older_than=OUTDATED)
        if file.is_file():  # of a process that had the lock before
            return
        # Without a lock each process has a part of its own, which no later process resumes.
        part = file.with_name(f".{file.name}.part" if lock.held else f".{file.name}.{os.getpid()}.part")
        entry, shown = WeightsFile("download", address, file.name), without_secrets(address)
        checksum = download(entry, part, most=most, advice=advice, name=shown)
        fields = {"address": shown, "sha256": checksum, "size": part.stat().st_size}
        write_atomically(record, (json.dumps(fields, indent=1) + "\n").encode())
        rename_file(part, file)


def _compare_size(file: Path, record: Path) -> None:
    """Raise GanzooError if a file has not the size that its record says; without a record nothing is compared."""
    with suppress(ValueError, KeyError, TypeError, OSError):
        expected = json.loads(record.read_bytes())["size"]
        if expected != file.stat().st_size:
            raise GanzooError(
                f"{file}: it has {file.stat().st_size:,} bytes, but {expected:,} were downloaded; delete it to "
                "download it again"
            )
