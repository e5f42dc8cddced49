"""Download a file over HTTP: resume a partial file, try again after failures, and verify the checksum."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import file_digest, sha256
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from string import punctuation
from typing import IO, TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ganzoo.errors import MissingResourceError
from ganzoo.utils.atomic import flush_to_disk
from ganzoo.utils.formatting import format_bytes, without_secrets
from ganzoo.weights.manifest import WeightsFile

if TYPE_CHECKING:
    from hashlib import _Hash

TRIES = 4
"""Number of consecutive tries without new bytes after which the download fails."""
PAUSE = 1.0
"""Seconds before the second try; the pause doubles with each further try without new bytes."""
TIMEOUT = 30.0
"""Seconds without a byte before a connection counts as broken."""
CHUNK = 2**20


_ALLOWED: ContextVar[bool] = ContextVar("downloads", default=True)
"""Whether files may be downloaded: not within ``without_downloads``."""
ShowProgress = Callable[[int, int], None]
"""Function that takes the number of bytes received and the number of all bytes, which is 0 if it is unknown."""


def download(entry: WeightsFile, part: Path, *, most: int = 0, name: str = "", advice: str = "") -> str:
    """Download a file to ``part``; return its sha256 in hex.

    If ``part`` has contents and the server can do it, only the rest is downloaded, provided that the checksum is listed
    or the server's ETag is that of the part. A progress bar is shown on a terminal.

    Args:
        entry: the listed file.
        part: the path of the partial file, in an existing folder. No other process may write it at the same time. It
            stays if the connection fails, and is deleted if the checksum is wrong.
        most: the largest number of bytes that are accepted; 0: any number.
        name: what errors call the file; by default the entry's name.
        advice: the end of an error's message: how to go on without a download. By default, how to add weights.

    Raises:
        MissingResourceError: the download failed, or downloads are not allowed now (``without_downloads``).
        OSError: ``part`` cannot be written.
    """
    if not _ALLOWED.get():
        size = f", {format_bytes(entry.size)}" if entry.size else ""
        raise MissingResourceError(f"{name or entry.name} is not on this machine ({entry.address}{size})")
    tries, furthest, transfer = 0, 0, Transfer(entry, part, most)
    with progress_bar(entry.file if name else entry.name) as show:
        while True:
            try:
                return transfer.attempt(show)
            except _TransferError as error:
                received = _length(part)
                tries = 1 if received > furthest else tries + 1
                furthest = max(furthest, received)
                if error.permanent or tries == TRIES:
                    raise MissingResourceError(
                        f"{name or entry.name} cannot be fetched: {error}; "
                        f"{advice or manual_instructions(entry, part.parent)}"
                    ) from None
                time.sleep(PAUSE * 2 ** (tries - 1))


@contextmanager
def without_downloads() -> Iterator[None]:
    """Let each download in a ``with`` block fail, so that a check of all components downloads nothing."""
    token = _ALLOWED.set(False)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def manual_instructions(entry: WeightsFile, folder: Path) -> str:
    """Return a text that tells the user how to add a file without a download: where to get it and where to put it.

    It states the address, the checksum, the size if it is known, and the file's name. ``folder`` is the folder for
    downloads.
    """
    checksum = f"sha256 {entry.sha256}{'' if entry.checksum_is_complete else '…'}"
    details = [checksum if entry.sha256 else "no sha256 is published"]
    details += [f"{entry.size:,} bytes"] if entry.size else []
    return (
        f"bring it yourself: {entry.address} ({', '.join(details)}), as {entry.file}, into {folder} or into the folder "
        "that GANZOO_WEIGHTS names"
    )


class _TransferError(Exception):
    """An attempt to download failed; ``permanent`` says that another attempt would fail, too."""

    def __init__(self, message: str, permanent: bool = False, status: int = 0) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.status = status
        """The HTTP status that was the reason; 0 if the reason was another one."""


class SecureRedirects(HTTPRedirectHandler):
    """Refuses redirects from https to http: there, an attacker could replace a file without a known checksum."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Return the request for the address ``newurl``. Raises _TransferError if it leads from https to http."""
        if req.type == "https" and not newurl.lower().startswith("https:"):
            fp.close()
            raise _TransferError(
                f"it redirects from https to {without_secrets(newurl)}, which is not secure", permanent=True
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


urlopen = build_opener(SecureRedirects).open


class Transfer:
    """The download of one file, over one or more connections.

    Args:
        entry: the listed file.
        part: the path of the partial file. A file beside it has its ETag, if the checksum is not listed.
        most: the largest number of bytes that are accepted; 0: any number.
    """

    def __init__(self, entry: WeightsFile, part: Path, most: int = 0) -> None:
        self.entry = entry
        self.part = part
        self.most = most
        self.tag = part.with_name(f"{part.name}.etag")
        self.etag = "" if entry.sha256 else _read_tag(self.tag)
        """The server's ETag of the version of the file that is in ``part``; empty if it is not known."""

    def attempt(self, show: ShowProgress) -> str:
        """Connect, and append the rest of the file to ``part``; return the whole file's sha256 in hex.

        It starts again from the beginning if what ``part`` has cannot be continued. Raises _TransferError if the
        connection fails or the checksum is wrong (``part`` is then deleted), and OSError if writing fails.

        Args:
            show: the function that displays the progress.
        """
        # A part may be of another version; only a checksum or the server's tag can detect that.
        present = _length(self.part)
        start = present if self.entry.sha256 or self.etag else 0
        try:
            response = self.connect(start)
        except _TransferError as error:
            if error.status != 416:
                raise
            return self.verify_complete(error)
        with response:
            if start and not self.resumes(response, start):
                start = 0
            self.etag = _strong_etag(response.headers.get("ETag"))
            if not start:  # until the old contents are deleted, they must not have the tag of the new ones
                self.tag.unlink(missing_ok=True)
            announced = response.headers.get("Content-Length") or ""
            remaining = int(announced) if announced.isdecimal() else 0
            total = start + remaining if remaining else self.entry.size
            if not (total or self.entry.sha256):
                raise _TransferError(
                    "the server does not report its length, and its checksum is unknown", permanent=True
                )
            if self.entry.size and total != self.entry.size:
                raise self.wrong_size(f"{total:,}")
            if self.most and total > self.most:
                raise self.too_large(format_bytes(total))
            digest = self.digest_of_part(start)
            done = start
            with open_part(self.part, start) as file:
                if self.etag and not (start or self.entry.sha256):
                    self.tag.write_text(self.etag, encoding="utf-8")
                show(done, total)
                for chunk in chunks(response):
                    digest.update(chunk)
                    view = memoryview(chunk)
                    while view:
                        view = view[file.write(view) :]
                    done += len(chunk)
                    if self.entry.size and done > self.entry.size:
                        raise self.wrong_size("more")
                    if self.most and done > self.most:
                        raise self.too_large("more")
                    show(done, total)
        if done < total:
            raise _TransferError(f"the connection ended after {format_bytes(done)} of {format_bytes(total)}")
        if not digest.hexdigest().startswith(self.entry.sha256):
            self.part.unlink()
            message = f"the received file has the sha256 {digest.hexdigest()}, not {self.entry.sha256}"
            raise _TransferError(message, permanent=not start)  # a resumed part may have been wrong before
        flush_to_disk(self.part)
        self.tag.unlink(missing_ok=True)
        return digest.hexdigest()

    def too_large(self, size: str) -> _TransferError:
        """Delete the part; return the error for a file that has more bytes than are accepted."""
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)
        return _TransferError(f"it has {size}, and at most {format_bytes(self.most)} are accepted", permanent=True)

    def wrong_size(self, count: str) -> _TransferError:
        """Delete the part; return the error for a server that sends another number of bytes than the listed one."""
        self.part.unlink(missing_ok=True)
        return _TransferError(f"the server sends {count} bytes, but {self.entry.size:,} are listed", permanent=True)

    def verify_complete(self, error: _TransferError) -> str:
        """Return the checksum of ``part``, after the server said that it has no more bytes, if it is the listed one.

        Otherwise ``part`` is another file: delete it and raise ``error``.
        """
        checksum = self.digest_of_part(_length(self.part)).hexdigest()
        if self.entry.sha256 and checksum.startswith(self.entry.sha256):
            flush_to_disk(self.part)
            return checksum
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)
        raise error

    def connect(self, start: int) -> HTTPResponse:
        """Request the file from the byte ``start`` on, and return the response.

        Raises _TransferError if there is no connection, or if the server refuses.
        """
        headers = {"User-Agent": "ganzoo", "Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-"} | ({"If-Range": self.etag} if self.etag else {})
        try:
            address = quote(self.entry.address, safe=punctuation)  # what is quoted already stays so
            response: HTTPResponse = urlopen(Request(address, headers=headers), timeout=TIMEOUT)
        except HTTPError as error:
            with error:
                permanent = error.code < 500 and error.code not in (408, 416, 425, 429)
                raise _TransferError(f"the server says {error.code} {error.reason}", permanent, error.code) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            permanent = isinstance(reason, socket.gaierror | ssl.SSLCertVerificationError)
            raise _TransferError(f"no connection ({_message(reason)})", permanent) from None
        except ValueError as error:
            raise _TransferError(f"it is no valid address ({_message(error)})", permanent=True) from None
        return response

    def resumes(self, response: HTTPResponse, start: int) -> bool:
        """Return whether a response continues the file at the byte ``start``; if not, it has the whole file.

        Raises _TransferError if it starts elsewhere, or is of another version of the file.
        """
        if response.status != 206:
            return False
        if not str(response.headers.get("Content-Range")).startswith(f"bytes {start}-"):
            raise _TransferError("the server sends another part than the requested one", permanent=True)
        if not self.entry.sha256 and response.headers.get("ETag") != self.etag:
            self.etag = ""
            raise _TransferError("the file on the server has changed during the download")
        return True

    def digest_of_part(self, start: int) -> _Hash:
        """Return the sha256 state of all of ``part``, whose length ``start`` is; of no bytes if ``start`` is 0."""
        if not start:
            return sha256()
        with self.part.open("rb") as file:
            return file_digest(file, "sha256")


def chunks(response: HTTPResponse) -> Iterator[bytes]:
    """Yield the body of a response in pieces. Raises _TransferError if the connection fails.

    A connection that ends too early may raise nothing, so the caller compares the length.
    """
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, HTTPException) as error:
            raise _TransferError(f"the connection failed ({_message(error)})") from None
        if not chunk:
            return
        yield chunk


@contextmanager
def progress_bar(name: str) -> Iterator[ShowProgress]:
    """Show a progress bar during a ``with`` block, and yield the function that updates it.

    If stderr is no terminal, nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(name), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as live:
        task = live.add_task("", total=None)
        yield lambda done, total: live.update(task, completed=done, total=total or None)


def open_part(part: Path, start: int) -> IO[bytes]:
    """Open a partial file for writing from the byte ``start`` on; a link is never followed. Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(part, flags if start else flags | os.O_TRUNC, 0o666), "r+b", buffering=0)
    file.seek(start)
    return file


def _length(part: Path) -> int:
    """Return the length of a partial file. Whatever else stands there, such as a planted link, is deleted first."""
    try:
        status = part.lstat()
    except OSError:
        return 0
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        return status.st_size
    part.unlink()
    return 0


def _strong_etag(etag: str | None) -> str:
    """Return an ETag that identifies the file's bytes; ``""`` if there is none or a weak one, which does not."""
    return "" if etag is None or etag.startswith("W/") else etag


def _read_tag(file: Path) -> str:
    """Return the ETag in a file; empty if there is none that can be sent."""
    try:
        tag = file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return tag if tag.isascii() and tag.isprintable() else ""


def _message(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
