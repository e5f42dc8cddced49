"""Downloads that fail: servers that refuse, hosts that are not there, wrong addresses, full disks."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

import pytest

from ganzoo.weights import WeightsFile, find
from ganzoo.weights.download import TRIES
from tests.support.command_line import refusal
from tests.support.file_server import FileServer, names, ranges


@pytest.mark.parametrize(("statuses", "requests"), [([404], 1), ([403], 1), ([503] * 9, TRIES), ([429] * 9, TRIES)])
def test_an_http_error_says_how_to_add_the_file_manually(
    server: FileServer, cache: Path, statuses: list[int], requests: int
) -> None:
    server.statuses = statuses.copy()
    message = refusal(find, server.entry())
    assert message.startswith(f"test/net cannot be fetched: the server says {statuses[0]} ")
    assert f"{server.address} (sha256 {server.checksum}, 200,000 bytes), as net.pth, into {cache} or " in message
    assert len(server.asked) == requests
    assert names(cache) == []


def test_a_temporary_http_error_is_retried(server: FileServer) -> None:
    server.statuses = [503, 500]
    assert find(server.entry()).read_bytes() == server.content


def test_no_connection_says_how_to_add_the_file_manually(cache: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # no server listens there
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/net.pth"
        message = refusal(find, WeightsFile("test/net", address, sha256="0123456789"))
    assert message.startswith("test/net cannot be fetched: no connection (")
    assert f"bring it yourself: {address} (sha256 0123456789…), as net.pth, into {cache} or into the folder" in message


def test_an_unknown_host_is_tried_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unknown(request: object, timeout: float) -> None:
        asked.append(timeout)
        raise URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr("ganzoo.weights.download.urlopen", unknown)
    message = refusal(find, WeightsFile("test/net", "https://nowhere.invalid/net.pth"))
    assert "no connection ([Errno -2] Name or service not known)" in message
    assert "no sha256 is published" in message
    assert len(asked) == 1


def test_a_full_disk_is_an_error(server: FileServer, cache: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        message = refusal(find, server.entry())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (
        f"{cache / 'net.pth'}: cannot be written: File too large; free some space, or set GANZOO_CACHE to another"
        in message
    )
    assert find(server.entry()).read_bytes() == server.content  # resumes when there is space
    assert ranges(server) == ["", "bytes=100000-"]


def test_a_cache_that_cannot_be_written_is_an_error(server: FileServer, cache: Path) -> None:
    cache.parent.write_text("a file, not a folder")
    assert "cannot be written: " in refusal(find, server.entry())


def test_an_address_with_other_letters_is_quoted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unknown(request: Request, timeout: float) -> None:
        asked.append(request.full_url)
        raise URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr("ganzoo.weights.download.urlopen", unknown)
    refusal(find, WeightsFile("test/net", "https://nowhere.invalid/ü%20a.pth?b=1&c", file="net.pth"))
    assert asked == ["https://nowhere.invalid/%C3%BC%20a.pth?b=1&c"]


def test_an_address_without_a_host_is_an_error(cache: Path) -> None:
    message = refusal(find, WeightsFile("test/net", "http://[bad/net.pth"))
    assert message.startswith("test/net cannot be fetched: it is no valid address (")
