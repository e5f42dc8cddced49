"""Fetch a file over HTTP: gone on with where it was cut off, tried again within limits, checked as it comes."""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import file_digest, sha256
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ganzoo.errors import MissingResourceError
from ganzoo.utils.atomic import flush_to_disk
from ganzoo.utils.formatting import format_bytes

if TYPE_CHECKING:
    from hashlib import _Hash

    from ganzoo.weights.manifest import WeightsFile

TRIES = 4
"""In a row that bring nothing new."""
PAUSE = 1.0
"""Seconds before the second try; then twice as long each time."""
TIMEOUT = 30.0
"""Seconds without a byte."""
CHUNK = 2**20


Show = Callable[[int, int], None]
"""Tells how many bytes are there, of how many; 0 where that is not known."""


def download(entry: WeightsFile, part: Path) -> str:
    """Fetch a file into ``part``, going on with what is there; return its checksum.

    Args:
        entry: what is fetched.
        part: where to, in a folder that is there. No other process may write it meanwhile. It stays when the
            connection fails, and does not when the checksum is another.

    Raises:
        GanzooError: it cannot be had, with the way out.
        OSError: ``part`` cannot be written.
    """
    tries, furthest, transfer = 0, 0, Transfer(entry, part)
    with showing(entry.name) as show:
        while True:
            try:
                return transfer.attempt(show)
            except _TransferError as cut:
                reached = _length(part)
                tries = 1 if reached > furthest else tries + 1
                furthest = max(furthest, reached)
                if cut.lasting or tries == TRIES:
                    raise MissingResourceError(
                        f"{entry.name} cannot be fetched: {cut}; {way_out(entry, part.parent)}"
                    ) from None
                time.sleep(PAUSE * 2 ** (tries - 1))


def way_out(entry: WeightsFile, folder: Path) -> str:
    """Say what a user does who has no connection here."""
    known = [f"sha256 {entry.sha256}{'' if entry.whole else '…'}"] if entry.sha256 else ["no sha256 is published"]
    known += [f"{entry.size:,} bytes"] if entry.size else []
    return (
        f"bring it yourself: {entry.address} ({', '.join(known)}), as {entry.file}, into {folder} or into the folder "
        "that GANZOO_WEIGHTS names"
    )


class _TransferError(Exception):
    """The connection failed, with what it is that failed; ``lasting`` where trying again would not help."""

    def __init__(self, why: str, lasting: bool = False, status: int = 0) -> None:
        super().__init__(why)
        self.lasting = lasting
        self.status = status
        """What the server answered with; 0 where it is not that."""


class Guarded(HTTPRedirectHandler):
    """Is not led from https to http, where anybody could put another file in the place of one without checksum."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Return the request for the next address. Raises _TransferError for one that is not safe."""
        if req.type == "https" and not newurl.lower().startswith("https:"):
            fp.close()
            raise _TransferError(f"it leads from https to {newurl}, where anybody could change it", lasting=True)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


urlopen = build_opener(Guarded).open


class Transfer:
    """One file that is on its way, over as many connections as it takes."""

    def __init__(self, entry: WeightsFile, part: Path) -> None:
        self.entry = entry
        self.part = part
        self.etag = ""
        """What the server calls the version that the part is of, as far as this process knows."""

    def attempt(self, show: Show) -> str:
        """Connect, and take what comes; return the checksum. Raises _TransferError, or OSError where it writes."""
        # What an earlier process left may be of another version, which only a checksum or the server's tag would tell.
        here = _length(self.part) if self.entry.sha256 or self.etag else 0
        try:
            answer = self.connect(here)
        except _TransferError as refused:
            if refused.status != 416:
                raise
            return self.whole(refused)
        with answer:
            if here and not self.continues(answer, here):
                here = 0
            self.etag = _strong(answer.headers.get("ETag"))
            length = answer.headers.get("Content-Length") or ""
            coming = int(length) if length.isdecimal() else 0
            total = here + coming if coming else self.entry.size
            if not (total or self.entry.sha256):
                raise _TransferError("the server does not say how long it is, and nothing else is known", lasting=True)
            digest = self.begun(here)
            done = here
            with self.part.open("r+b" if here else "wb", buffering=0) as file:
                file.seek(here)
                show(done, total)
                for chunk in chunks(answer):
                    digest.update(chunk)
                    view = memoryview(chunk)
                    while view:
                        view = view[file.write(view) :]
                    done += len(chunk)
                    show(done, total)
        if done < total:
            raise _TransferError(f"the connection ended after {format_bytes(done)} of {format_bytes(total)}")
        if not digest.hexdigest().startswith(self.entry.sha256):
            self.part.unlink()
            wrong = f"what came has the sha256 {digest.hexdigest()}, not {self.entry.sha256}"
            raise _TransferError(wrong, lasting=not here)  # what was gone on with may have been wrong before
        flush_to_disk(self.part)
        return digest.hexdigest()

    def whole(self, refused: _TransferError) -> str:
        """Return the checksum of a part from whose end on there is nothing: it is whole, or of something else."""
        checksum = self.begun(_length(self.part)).hexdigest()
        if self.entry.sha256 and checksum.startswith(self.entry.sha256):
            flush_to_disk(self.part)
            return checksum
        self.part.unlink(missing_ok=True)
        raise refused

    def connect(self, here: int) -> HTTPResponse:
        """Ask for the file, from the byte ``here`` on."""
        headers = {"User-Agent": "ganzoo", "Accept-Encoding": "identity"}
        if here:
            headers |= {"Range": f"bytes={here}-"} | ({"If-Range": self.etag} if self.etag else {})
        try:
            answer: HTTPResponse = urlopen(Request(self.entry.address, headers=headers), timeout=TIMEOUT)
        except HTTPError as error:
            with error:
                lasting = error.code < 500 and error.code not in (408, 416, 425, 429)
                raise _TransferError(f"the server says {error.code} {error.reason}", lasting, error.code) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            lasting = isinstance(reason, socket.gaierror | ssl.SSLCertVerificationError)
            raise _TransferError(f"no connection ({_plain(reason)})", lasting) from None
        return answer

    def continues(self, answer: HTTPResponse, here: int) -> bool:
        """Return whether an answer goes on at the byte ``here``, rather than sending all from the beginning."""
        if answer.status != 206:
            return False
        if not str(answer.headers.get("Content-Range")).startswith(f"bytes {here}-"):
            raise _TransferError("the server sends another part than it was asked for", lasting=True)
        if not self.entry.sha256 and answer.headers.get("ETag") != self.etag:
            self.etag = ""
            raise _TransferError("it has changed meanwhile")
        return True

    def begun(self, here: int) -> _Hash:
        """Return the checksum of what is there, to be gone on with."""
        if not here:
            return sha256()
        with self.part.open("rb") as file:
            return file_digest(file, "sha256")


def chunks(answer: HTTPResponse) -> Iterator[bytes]:
    """Yield what comes. Raises _TransferError when the connection fails; that it ended too early, the length tells."""
    while True:
        try:
            chunk = answer.read1(CHUNK)
        except (OSError, HTTPException) as error:
            raise _TransferError(f"the connection failed ({_plain(error)})") from None
        if not chunk:
            return
        yield chunk


@contextmanager
def showing(name: str) -> Iterator[Show]:
    """Show a bar on a terminal, on stderr, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(name), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as live:
        task = live.add_task("", total=None)
        yield lambda done, total: live.update(task, completed=done, total=total or None)


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _strong(etag: str | None) -> str:
    """Return a tag that stands for the same bytes, or nothing: weak ones only stand for the same meaning."""
    return "" if etag is None or etag.startswith("W/") else etag


def _plain(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
