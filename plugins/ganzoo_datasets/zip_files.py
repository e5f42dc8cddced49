"""Read the images of a zip file, or of a folder in one, without unpacking it."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from ganzoo.interfaces import IMAGE_SUFFIXES, GanzooError, MissingResourceError, StoredFile, describe_unread, suggest
from ganzoo_datasets.archives import has_safe_path, is_hidden, normal_name, read_part, refuse_large

HEADER = struct.Struct("<4s22xHH")
"""A member's own header: its mark, and the lengths of the two fields of variable length after it."""


@dataclass(frozen=True)
class ZipMember(StoredFile):
    """An image in a zip file.

    Args:
        start: the position of the member's header in the file.
        packed: the number of its bytes in the file.
        size: the number of its bytes.
        checksum: the CRC-32 of its bytes.
        deflated: whether its bytes are compressed.
    """

    start: int
    packed: int
    size: int
    checksum: int
    deflated: bool

    def read(self) -> bytes:
        """Return the member's bytes. Raises GanzooError if they are not those that were packed, or OSError."""
        refuse_large(self, self.size)
        header = read_part(self.container, self.start, HEADER.size)
        mark, *lengths = HEADER.unpack(header) if len(header) == HEADER.size else (b"",)
        if mark != b"PK\3\4":
            raise self.damaged("no member begins there")
        content = read_part(self.container, self.start + HEADER.size + sum(lengths), self.packed)
        if self.deflated:
            try:
                content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, self.size + 1)
            except zlib.error as error:
                raise self.damaged(str(error)) from None
        if len(content) != self.size or zlib.crc32(content) != self.checksum:
            raise self.damaged("its checksum differs")
        return content

    def damaged(self, problem: str) -> GanzooError:
        """Return the error for a member that cannot be read."""
        return GanzooError(f"{self}: damaged in the archive, or truncated ({problem}); copy the archive again")


@dataclass(frozen=True)
class _Archive:
    """The files of a zip file that are not hidden.

    Args:
        images: name → image, sorted by name.
        others: the names of all other files.
        unusable: the names of the members that are links, or whose names lead out of the archive.
    """

    images: Mapping[str, ZipMember]
    others: tuple[str, ...]
    unusable: tuple[str, ...]


@dataclass(frozen=True)
class ZipFolder:
    """A zip file, or a folder in one, as the path ``photos.zip/horses`` names it.

    Args:
        path: that path.
        file: the zip file.
        inner: the path of the folder in it; empty for all of the archive.
    """

    path: Path
    file: Path
    inner: str

    @property
    def exists(self) -> bool:
        """Whether the archive has files in this folder."""
        return not self.inner or self._prefix() is not None

    def images(self, hint: str) -> dict[str, ZipMember]:
        """Return the images by their path relative to the folder, sorted.

        Raises GanzooError if the file is no zip file, or has no such folder; that error ends with ``hint``.
        """
        archive, prefix = _archive(self.file), self._prefix()
        if prefix is None:
            folders = {name.partition("/")[0] for name in (*archive.images, *archive.others) if "/" in name}
            similar = suggest(self.inner, folders) if len(folders) <= 20 else ""
            raise MissingResourceError(f"{self.path}: no such folder in the archive; {hint}{similar}")
        return {name[len(prefix) :]: one for name, one in archive.images.items() if name.startswith(prefix)}

    def skipped(self) -> list[str]:
        """Return sentences about the files that are not read."""
        archive, prefix = _archive(self.file), self._prefix() or ""
        lines = [describe_unread(self.path, [name for name in archive.others if name.startswith(prefix)])]
        if archive.unusable:
            lines.append(
                f"{self.file}: {len(archive.unusable)} members are not read: links, or paths that lead out of the "
                f"archive ({archive.unusable[0]!r})"
            )
        return [line for line in lines if line]

    def _prefix(self) -> str | None:
        """Return what the names of the folder's files begin with; None if there is no such folder."""
        archive = _archive(self.file)
        names = (*archive.images, *archive.others)
        wanted = f"{self.inner}/" if self.inner else ""
        if wanted and any(name.startswith(wanted) for name in names):
            return wanted
        tops = {name.partition("/")[0] if "/" in name else "" for name in names}
        if len(tops) == 1 and "" not in tops:
            wanted = f"{tops.pop()}/{wanted}"
        return wanted if not self.inner or any(name.startswith(wanted) for name in names) else None


def zip_folder(path: Path) -> ZipFolder | None:
    """Return the zip file that a path names, or the folder in one; None for any other path."""
    for place in (path, *path.parents):
        if place.suffix.lower() == ".zip" and place.is_file():
            inner = path.relative_to(place).as_posix()
            return ZipFolder(path, place, "" if inner == "." else inner)
    return None


def _archive(file: Path) -> _Archive:
    status = file.stat()
    return _read_archive(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _read_archive(file: Path, size: int, time: int) -> _Archive:
    """Read the list of a zip file's members; ``size`` and ``time`` are the file's, so that a changed one is read again.

    Raises GanzooError if the file is no zip file, or if an image in it is encrypted, there twice, or packed by another
    method than the usual ones.
    """
    images: dict[str, ZipMember] = {}
    others, unusable, encrypted = [], [], []
    with _opened(file) as archive:
        for info in archive.infolist():
            name = normal_name(info.filename)
            if info.is_dir() or is_hidden(name):
                continue
            if not has_safe_path(name) or stat.S_ISLNK(info.external_attr >> 16):
                unusable.append(name)
            elif PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES:
                others.append(name)
            elif info.flag_bits & 1:
                encrypted.append(name)
            else:
                if name in images:
                    raise GanzooError(f"{file}: {name} is there twice; pack the archive again")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise GanzooError(
                        f"{file}: {name} is packed by method {info.compress_type}; pack the archive again by the "
                        "usual method, deflate, or unpack it"
                    )
                deflated = info.compress_type == zipfile.ZIP_DEFLATED
                images[name] = ZipMember(
                    file, name, info.header_offset, info.compress_size, info.file_size, info.CRC, deflated
                )
    if encrypted:
        raise GanzooError(
            f"{file}: {len(encrypted)} images in it are encrypted ({encrypted[0]}); unpack it with its password"
        )
    return _Archive(dict(sorted(images.items())), tuple(others), tuple(unusable))


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file; turn errors in reading its list of members into GanzooError."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except GanzooError:
        raise
    except OSError as error:
        raise GanzooError(f"{file}: it cannot be read ({error.strerror or error}); check the path") from error
    except NotImplementedError as error:  # of zipfile, for a newer version of the format
        raise GanzooError(f"{file}: it cannot be read ({error}); unpack it, or pack the images again") from error
    except (zipfile.BadZipFile, ValueError, struct.error) as error:
        raise GanzooError(f"{file}: no zip file, or truncated ({error}); copy it again") from error
