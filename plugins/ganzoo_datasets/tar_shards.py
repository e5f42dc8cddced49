"""Index the members of tar files, so that samples can be read in any order; the data set ``webdataset`` uses it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import NoReturn

from ganzoo.interfaces import GanzooError, MissingResourceError, StoredFile, open_regular
from ganzoo_datasets.archives import has_safe_path, is_hidden, normal_name, read_part, refuse_large

COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
"""What compressed files begin with."""
BLOCK = 512


@dataclass(frozen=True)
class TarMember(StoredFile):
    """A file in a tar file.

    Args:
        start: the position of its bytes in the tar file.
        size: their number.
    """

    start: int
    size: int

    def read(self) -> bytes:
        """Return the member's bytes. Raises GanzooError if the file has become shorter, or OSError."""
        refuse_large(self, self.size)
        content = read_part(self.container, self.start, self.size)
        if len(content) != self.size:
            raise GanzooError(f"{self}: the tar file was truncated since its members were listed; copy it again")
        return content


@dataclass(frozen=True)
class Shard:
    """The samples of a tar file.

    Args:
        label: the name of the file without ``.tar``, for the names of samples.
        file: the file.
        samples: key → ending → member, in the file's order. The member ``horses/0001.mask.png`` belongs to the sample
            ``horses/0001`` and has the ending ``mask.png``.
        unusable: the names of members that are links, or whose names lead out of the archive.
    """

    label: str
    file: Path
    samples: Mapping[str, Mapping[str, TarMember]]
    unusable: tuple[str, ...]


def read_shard(file: Path, label: str) -> Shard:
    """Return the samples of a tar file; only its headers are read.

    Raises:
        MissingResourceError: the file does not exist.
        GanzooError: it is no tar file, compressed, truncated or damaged, or a sample has two members with one ending.
    """
    samples: dict[str, dict[str, TarMember]] = {}
    unusable = []
    try:
        with open_regular(file) as opened:
            for info in _members(opened, file):
                name = normal_name(info.name)
                if info.isdir() or is_hidden(name):
                    continue
                if not (info.isreg() and not info.issparse() and has_safe_path(name)):
                    unusable.append(name)
                    continue
                key, ending = split_name(name)
                members = samples.setdefault(key, {})
                if ending in members:
                    raise GanzooError(f"{file}: {name} is there twice; give each sample a key of its own")
                members[ending] = TarMember(file, name, info.offset_data, info.size)
    except FileNotFoundError as error:
        raise MissingResourceError(f"{file}: no such shard; check the path") from error
    except OSError as error:
        raise GanzooError(f"{file}: it cannot be read ({error.strerror or error}); check the path") from error
    return Shard(label, file, samples, tuple(unusable))


def split_name(name: str) -> tuple[str, str]:
    """Return the key of a member's sample, and its ending in lower case without the first dot.

    >>> split_name("a.b/0001.Mask.PNG")
    ('a.b/0001', 'mask.png')
    """
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def _members(opened: BufferedReader, file: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar file. Raises GanzooError if it does not have the form of a complete one."""
    begin = opened.read(8)
    for mark, method in COMPRESSIONS.items():
        if begin.startswith(mark):
            raise GanzooError(
                f"{file}: compressed by {method}, so no image in it can be read alone; decompress it once"
            )
    size = opened.seek(0, 2)
    opened.seek(0)
    try:
        with tarfile.open(fileobj=opened, mode="r:") as archive:
            while (info := archive.next()) is not None:
                if info.offset_data + info.size > size and info.isreg():
                    _refuse_truncated(file, f"{info.name} is cut off")
                yield info
                archive.members.clear()  # type: ignore[attr-defined]  # a million headers take a gigabyte
            end = archive.offset
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise GanzooError(f"{file}: no tar file, damaged or truncated ({error}); copy it again") from error
    _check_end(opened, file, end, size)


def _check_end(opened: BufferedReader, file: Path, end: int, size: int) -> None:
    """Raise GanzooError unless after its last member a tar file has one block of zeros or more, and nothing else.

    ``tarfile`` reads a damaged or a missing header like the end of the file.
    """
    if size - end < BLOCK:
        _refuse_truncated(file, "it has no end mark")
    opened.seek(end)
    while chunk := opened.read(2**20):
        if chunk.strip(b"\0"):
            raise GanzooError(
                f"{file}: it goes on after its end mark, or a header at byte {end:,} is damaged; copy it again, or "
                "pack it again if several tar files were joined"
            )


def _refuse_truncated(file: Path, problem: str) -> NoReturn:
    raise GanzooError(f"{file}: truncated ({problem}); copy it again")
