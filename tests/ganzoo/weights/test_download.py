"""Downloads from a local server: complete, interrupted, wrong, refused, killed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from errno import ENOSYS
from hashlib import sha256
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import HTTPSHandler, Request
from urllib.response import addinfourl

import pytest

from ganzoo.weights import WeightsFile, find
from ganzoo.weights.download import TRIES
from tests.support.command_line import Run, refusal
from tests.support.file_server import FileServer, names, ranges

FETCH = "import sys; from ganzoo.weights import *; print(find(WeightsFile(*sys.argv[1:5])))"


def process(entry: WeightsFile, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    words = [entry.name, entry.address, entry.file, entry.sha256]
    return subprocess.Popen([sys.executable, "-c", FETCH, *words], stdout=subprocess.PIPE, stderr=stderr, text=True)


def wait_for_part(cache: Path, entry: WeightsFile, least: int) -> None:
    part, deadline = cache / f".{entry.file}.part", time.monotonic() + 60
    while not part.is_file() or part.stat().st_size < least:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_file_is_downloaded_once(server: FileServer, cache: Path) -> None:
    files = [find(server.entry()) for _ in range(2)]
    assert files == [cache / "net.pth"] * 2
    assert files[0].read_bytes() == server.content
    assert names(cache) == ["net.pth"]
    assert ranges(server) == [""]


def test_a_slow_server_does_not_fail(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.weights.download.TIMEOUT", 1)
    server.pause = 0.03  # one and a half seconds in all, and never one without a byte
    assert find(server.entry()).read_bytes() == server.content
    assert len(server.asked) == 1


def test_a_server_that_stops_sending_fails(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.weights.download.TIMEOUT", 0.1)
    server.pause = 0.5
    message = refusal(find, server.entry())
    assert "the connection failed (timed out)" in message
    assert len(server.asked) == TRIES


@pytest.mark.parametrize("length", [True, False])
def test_an_interrupted_download_is_resumed(server: FileServer, cache: Path, length: bool) -> None:
    server.cuts, server.length = [50_000, 0, 0, 70_000], length
    assert find(server.entry()).read_bytes() == server.content
    assert ranges(server) == ["", "bytes=50000-", "bytes=50000-", "bytes=50000-", "bytes=120000-"]
    assert names(cache) == ["net.pth"]


def test_a_later_call_resumes_an_earlier_download(server: FileServer, cache: Path) -> None:
    server.cuts = [80_000, *[0] * TRIES]
    message = refusal(find, server.entry())
    assert "the connection ended after 78.1 KiB of 195.3 KiB" in message
    assert names(cache) == [".net.pth.part"]
    assert len(server.asked) == TRIES
    assert find(server.entry()).read_bytes() == server.content
    assert ranges(server)[-1] == "bytes=80000-"


def test_a_server_that_ignores_ranges_sends_all_again(server: FileServer) -> None:
    server.cuts, server.ranges = [50_000], False
    assert find(server.entry()).read_bytes() == server.content
    assert ranges(server) == ["", "bytes=50000-"]


def test_a_wrong_range_is_refused(server: FileServer, cache: Path) -> None:
    server.cuts, server.shift = [50_000], 10
    assert "the server sends another part than the requested one" in refusal(find, server.entry())
    assert (cache / ".net.pth.part").read_bytes() == server.content[:50_000]


def test_a_server_that_ignores_ranges_and_always_breaks_off_fails(server: FileServer) -> None:
    server.cuts, server.ranges = [50_000] * 20, False
    refusal(find, server.entry())
    assert len(server.asked) == TRIES


def test_wrong_bytes_are_refused_and_deleted(server: FileServer, cache: Path) -> None:
    wrong = sha256(b"another").hexdigest()
    message = refusal(find, server.entry(sha256=wrong))
    assert f"the received file has the sha256 {server.checksum}, not {wrong}" in message
    assert names(cache) == []
    assert len(server.asked) == 1


@pytest.mark.parametrize("left", [b"something else" * 1000, b"x" * 200_000])
def test_a_part_of_another_file_is_downloaded_again(server: FileServer, cache: Path, left: bytes) -> None:
    cache.mkdir(parents=True)
    (cache / ".net.pth.part").write_bytes(left)
    assert find(server.entry()).read_bytes() == server.content
    assert ranges(server) == [f"bytes={len(left)}-", ""]


@pytest.mark.parametrize("digits", [64, 8])
def test_a_complete_part_is_used_and_not_downloaded_again(server: FileServer, cache: Path, digits: int) -> None:
    cache.mkdir(parents=True)
    (cache / ".net.pth.part").write_bytes(server.content)  # killed before it was renamed
    entry = server.entry(sha256=server.checksum[:digits])
    assert find(entry).read_bytes() == server.content
    assert ranges(server) == ["bytes=200000-"]
    assert "net.pth" in names(cache) and ".net.pth.part" not in names(cache)


@pytest.mark.parametrize("length", ["many", "-3", ""])
def test_a_length_that_is_not_a_number_is_ignored(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, length: str
) -> None:
    def altered(self: HTTPMessage, name: str, default: str | None = None) -> str | None:
        return length if name == "Content-Length" else get(self, name, default)

    get = HTTPMessage.get
    monkeypatch.setattr(HTTPMessage, "get", altered)
    assert find(server.entry(name="other", file="other.pth")).read_bytes() == server.content
    assert "does not report its length" in refusal(find, server.entry(sha256="", size=0))


@pytest.mark.parametrize("safe", [True, False])
def test_a_redirect_from_https_to_http_is_refused(
    server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch, safe: bool
) -> None:
    def answer(self: HTTPSHandler, request: Request) -> addinfourl:
        headers = HTTPMessage()
        headers["Location"] = "https://b.invalid/net.pth" if "a." in request.full_url and safe else server.address
        headers["Content-Length"] = str(len(server.content))
        redirected = "b." in request.full_url
        response = addinfourl(BytesIO(server.content), headers, request.full_url, 200 if redirected else 302)
        response.msg = "Found"  # type: ignore[attr-defined]
        return response

    monkeypatch.setattr(HTTPSHandler, "https_open", answer)
    entry = server.entry(address="https://a.invalid/net.pth", sha256="", file="net.pth")
    if safe:
        assert find(entry).read_bytes() == server.content
    else:
        message = refusal(find, entry)
        assert f"it redirects from https to {server.address}, which is not secure" in message
        assert names(cache) == [] and server.asked == []


def test_without_a_checksum_a_part_of_an_earlier_process_is_not_resumed(server: FileServer, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / ".net.pth.part").write_bytes(b"of an earlier process")
    server.etag, server.cuts = '"one"', [50_000]
    assert find(server.entry(sha256="")).read_bytes() == server.content
    assert ranges(server) == ["", "bytes=50000-"]
    assert server.asked[1]["If-Range"] == '"one"'


@pytest.mark.parametrize("heeds", [True, False])
@pytest.mark.parametrize(("etag", "then"), [('"one"', '"two"'), ('W/"one"', 'W/"one"'), ("", "")])
def test_without_a_checksum_two_versions_are_never_mixed(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, etag: str, then: str, heeds: bool
) -> None:
    """The file changes between the first connection, which is interrupted, and the second."""
    server.etag, server.heeds, server.cuts, changed = etag, heeds, [50_000], server.content[::-1]

    def change(seconds: float) -> None:
        server.content, server.etag = changed, then

    monkeypatch.setattr("ganzoo.weights.download.time.sleep", change)
    assert find(server.entry(sha256="")).read_bytes() == changed


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("more", [1, -1])
def test_a_listed_size_is_enforced(server: FileServer, cache: Path, length: bool, more: int) -> None:
    server.length = length
    listed = len(server.content) + more
    message = refusal(find, server.entry(sha256="", size=listed))
    if length:
        assert f"the server sends {len(server.content):,} bytes, but {listed:,} are listed" in message
    elif more < 0:
        assert f"the server sends more bytes, but {listed:,} are listed" in message
    else:
        assert "the connection ended after" in message
    assert not (cache / "net.pth").exists()


def test_a_listed_size_is_enforced_on_files_that_are_here(server: FileServer, cache: Path) -> None:
    file = find(server.entry(sha256="", size=0))
    message = refusal(find, server.entry(sha256="", size=7))
    assert message.startswith(f"{file}: it has {len(server.content):,} bytes, but 7 are listed for test/net")


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("name", [".net.pth.part", ".net.pth.json.part", ".net.pth.lock"])
def test_a_planted_link_is_not_followed(server: FileServer, cache: Path, tmp_path: Path, link: Any, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    cache.mkdir(parents=True)
    link(victim, cache / name)
    assert find(server.entry(sha256=server.checksum[:8])).read_bytes() == server.content
    assert victim.read_text() == "precious"
    assert (cache / "net.pth").stat().st_nlink == 1 and not (cache / "net.pth").is_symlink()


def test_parts_that_ended_processes_left_are_deleted(server: FileServer, cache: Path) -> None:
    cache.mkdir(parents=True)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    old, new, running = (cache / f".other.{pid}.part" for pid in (ended.pid, f"x.{ended.pid}", os.getppid()))
    for part in (old, new, running):
        part.touch()
    for part in (old, running):
        os.utime(part, (0, 0))
    find(server.entry())
    assert [part.exists() for part in (old, new, running)] == [False, True, True]


def test_a_part_is_deleted_once_the_file_is_here(server: FileServer, cache: Path) -> None:
    find(server.entry())
    (cache / ".net.pth.part").touch()
    find(server.entry())
    assert names(cache) == ["net.pth"]


def test_the_part_of_a_process_that_downloads_stays(
    server: FileServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two jobs, one may have the file in GANZOO_WEIGHTS."""
    server.stall = 40_000
    other = process(server.entry())
    wait_for_part(cache, server.entry(), 1)
    (tmp_path / "net.pth").write_bytes(server.content)
    monkeypatch.setenv("GANZOO_WEIGHTS", str(tmp_path))
    assert find(server.entry()) == tmp_path / "net.pth"
    server.go.set()
    output, error = other.communicate(timeout=60)
    assert (other.returncode, output, error) == (0, f"{cache / 'net.pth'}\n", "")


def test_control_characters_in_the_answer_of_a_server_are_escaped(
    server: FileServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.statuses = [404]
    server.reason = "gone\x1b[2J\x07"
    monkeypatch.setattr("ganzoo.cli.weights.find", lambda name: find(server.entry()))
    code, _, error = run("weights", "get", "test/net")
    assert code == 5
    assert "the server says 404 gone\\x1b[2J\\x07;" in error and "\x1b" not in error


def test_without_checksum_and_length_a_download_fails(server: FileServer, cache: Path) -> None:
    server.length = False
    assert "the server does not report its length" in refusal(find, server.entry(sha256="", size=0))
    assert names(cache) == []
    server.cuts = [50_000]
    assert find(server.entry(sha256="")).read_bytes() == server.content


def test_a_download_resumes_after_kill_9(server: FileServer, cache: Path) -> None:
    server.stall = 40_000
    killed = process(server.entry())
    wait_for_part(cache, server.entry(), 20_000)
    killed.kill()
    killed.communicate()
    server.stall, server.asked = 0, []
    assert names(cache) == [".net.pth.part"]
    assert find(server.entry()).read_bytes() == server.content
    assert int(ranges(server)[0].strip("bytes=-")) >= 20_000


def test_two_processes_download_a_file_once(server: FileServer, cache: Path) -> None:
    server.stall = 40_000
    first = process(server.entry())
    wait_for_part(cache, server.entry(), 1)
    second = process(server.entry())
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(1)
    server.go.set()
    for one in (first, second):
        output, error = one.communicate(timeout=60)
        assert (one.returncode, output, error) == (0, f"{cache / 'net.pth'}\n", "")
    assert (cache / "net.pth").read_bytes() == server.content
    assert ranges(server) == [""]


def test_without_locks_two_processes_do_not_share_a_part(
    server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(file: int, operation: int) -> None:
        raise OSError(ENOSYS, "locks are not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    parts: list[Path] = []
    monkeypatch.setattr("ganzoo.weights.download.flush_to_disk", parts.append)
    find(server.entry())
    assert [one.name for one in parts] == [f".net.pth.{os.getpid()}.part"]
    assert names(cache) == ["net.pth"]


def test_a_progress_bar_is_shown_only_on_a_terminal(server: FileServer, cache: Path) -> None:
    ours, theirs = pty.openpty()
    fetching = process(server.entry(), stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 1024)
        except OSError:  # the terminal was closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    output, _ = fetching.communicate(timeout=60)
    assert output == f"{cache / 'net.pth'}\n"
    assert b"test/net" in shown and b"200.0/200.0 kB" in shown
