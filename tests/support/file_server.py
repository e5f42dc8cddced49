"""Serve one file over local HTTP: slowly, with interrupted connections, without ranges, or with wrong bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ganzoo.weights import WeightsFile

PIECE = 4096


@dataclass
class FileServer:
    """What it serves and how; ``asked`` holds the headers of the received requests."""

    content: bytes
    address: str = ""
    ranges: bool = True
    shift: int = 0
    """Bytes between the requested start of a part and the one that is sent."""
    length: bool = True
    etag: str = ""
    heeds: bool = True
    """Whether it respects If-Range."""
    pause: float = 0
    """Seconds before each piece of 4 KiB."""
    stall: int = 0
    """Bytes after which it waits until ``go`` is set; 0 for never."""
    go: threading.Event = field(default_factory=threading.Event)
    cuts: list[int] = field(default_factory=list)
    """Bytes after which the next responses are interrupted."""
    statuses: list[int] = field(default_factory=list)
    """HTTP statuses of the next responses, sent instead of the file."""
    reason: str = ""
    """The text of the status; by default that of HTTP."""
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def checksum(self) -> str:
        """The sha256 of the served file."""
        return sha256(self.content).hexdigest()

    def entry(self, **changes: Any) -> WeightsFile:
        """Return the file's entry in a manifest, with changes."""
        fields = {"name": "test/net", "address": self.address, "sha256": self.checksum, "size": len(self.content)}
        return WeightsFile(**(fields | changes))  # type: ignore[arg-type]

    def begin(self, headers: dict[str, str]) -> int:
        """Return the byte at which the response to these headers starts."""
        wanted = headers.get("Range", "")
        outdated = self.heeds and "If-Range" in headers and headers["If-Range"] != self.etag
        if not wanted or not self.ranges or outdated:
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-")) + self.shift


@contextmanager
def serving(content: bytes, **how: Any) -> Iterator[FileServer]:
    """Serve a file at ``address`` until the block ends."""
    server = FileServer(content, **how)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = dict(self.headers.items())
            server.asked.append(headers)
            begin = server.begin(headers)
            if server.statuses or begin >= len(server.content):
                self.send_error(server.statuses.pop(0) if server.statuses else 416, server.reason or None)
                return
            rest = server.content[begin:]
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(server.content) - 1}/{len(server.content)}")
            if server.length:
                self.send_header("Content-Length", str(len(rest)))
            if server.etag:
                self.send_header("ETag", server.etag)
            self.end_headers()
            end = server.cuts.pop(0) if server.cuts else len(rest)
            for place in range(0, end, PIECE):
                time.sleep(server.pause)
                if server.stall and place >= server.stall:
                    server.go.wait(60)
                self.wfile.write(rest[place : min(place + PIECE, end)])

        def log_message(self, *words: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:  # a client that disconnected
            pass

    listening = Server(("127.0.0.1", 0), Handler)
    server.address = f"http://127.0.0.1:{listening.server_port}/net.pth"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.go.set()
        listening.shutdown()
        listening.server_close()
        thread.join()


def ranges(server: FileServer) -> list[str]:
    """Return the header Range of each received request; empty where there is none."""
    return [headers.get("Range", "") for headers in server.asked]


def names(cache: Path) -> list[str]:
    """Return the names of the files in the cache, without locks."""
    return sorted(one.name for one in cache.iterdir() if not one.name.endswith(".lock"))
