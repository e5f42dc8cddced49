from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.interfaces import cached_file, download_file
from ganzoo.weights import download as download_module
from tests.support.file_server import FileServer, serving

CONTENT = np.random.default_rng(0).bytes(100_000)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download_module, "PAUSE", 0.0)
    with serving(CONTENT, etag='"one"') as one:
        yield one


def test_a_file_is_downloaded_once(server: FileServer, tmp_path: Path) -> None:
    file = download_file(server.address, "shards")
    assert file == cached_file(server.address, "shards")
    assert file.parent == tmp_path / "cache/shards" and file.name.endswith("-net.pth")
    assert file.read_bytes() == CONTENT
    record = json.loads(file.with_name(f"{file.name}.json").read_text())
    assert record == {"address": server.address, "sha256": server.checksum, "size": len(CONTENT)}
    assert download_file(server.address, "shards") == file
    assert len(server.asked) == 1
    assert {one.name for one in file.parent.iterdir() if not one.name.endswith(".lock")} == {
        file.name,
        f"{file.name}.json",
    }


def test_addresses_that_differ_in_any_part_are_different_files() -> None:
    addresses = ("https://a.org/x/s.tar", "https://a.org/y/s.tar", "https://a.org/x/s.tar?v=2", "http://a.org/x/s.tar")
    assert len({cached_file(one, "shards") for one in addresses}) == 4
    assert cached_file("https://a.org/../..", "shards").parent == cached_file("https://a.org/s.tar", "shards").parent


@pytest.mark.parametrize("etag", ['"one"', '"two"'])
def test_a_later_call_resumes_if_the_file_is_the_same_version(server: FileServer, etag: str) -> None:
    """The second call is like another process: it knows of the first one only what lies in the cache."""
    server.cuts = [50_000] + [0] * 20
    with pytest.raises(MissingResourceError, match="the connection"):
        download_file(server.address, "shards", advice="copy it")
    server.cuts, server.asked[:], server.etag = [], [], etag
    server.content = CONTENT if etag == '"one"' else CONTENT[::-1]
    assert download_file(server.address, "shards").read_bytes() == server.content
    assert server.asked[0]["Range"] == "bytes=50000-" and server.asked[0]["If-Range"] == '"one"'


def test_without_a_version_a_part_is_not_resumed(server: FileServer) -> None:
    server.cuts, server.etag = [50_000] + [0] * 20, ""
    with pytest.raises(MissingResourceError):
        download_file(server.address, "shards")
    server.cuts, server.asked[:] = [], []
    assert download_file(server.address, "shards").read_bytes() == CONTENT
    assert "Range" not in server.asked[0]


@pytest.mark.parametrize("most", [99_999, 100_000])
def test_no_more_bytes_are_accepted_than_allowed(server: FileServer, most: int) -> None:
    if most >= len(CONTENT):
        assert download_file(server.address, "shards", most=most).is_file()
        return
    with pytest.raises(MissingResourceError, match="at most") as caught:
        download_file(server.address, "shards", most=most, advice="raise data.limit")
    assert str(caught.value).startswith(f"{server.address} cannot be fetched: it has ")
    assert str(caught.value).endswith("; raise data.limit")
    assert not [one for one in cached_file(server.address, "shards").parent.iterdir() if one.suffix == ".part"]


@pytest.mark.parametrize(
    "address", ["pipe:cat /etc/passwd", "file:///etc/passwd", "ftp://a.org/x", "s3://b/x", "x.tar"]
)
def test_other_schemes_are_refused(address: str) -> None:
    with pytest.raises(GanzooError, match="begins with https://"):
        download_file(address, "shards")


def test_keys_and_passwords_in_addresses_are_neither_printed_nor_stored(server: FileServer) -> None:
    address = f"{server.address}?key=secret"
    record = download_file(address, "shards").with_name(f"{cached_file(address, 'shards').name}.json")
    assert "secret" not in record.read_text() and server.address in record.read_text()
    for wrong in (f"{server.address}x?key=secret", "https://ann:secret@example.org/a.tar", "ftp://ann:secret@a.org/x"):
        with pytest.raises(GanzooError) as caught:
            download_file(wrong, "shards", most=1)
        assert "secret" not in str(caught.value)


def test_a_file_of_another_size_is_refused(server: FileServer) -> None:
    file = download_file(server.address, "shards")
    file.write_bytes(CONTENT[:-1])
    with pytest.raises(GanzooError, match="delete it to download it again"):
        download_file(server.address, "shards")


def test_processes_that_want_the_same_file_download_it_once(server: FileServer) -> None:
    server.stall, results = 20_000, []
    threads = [threading.Thread(target=lambda: results.append(download_file(server.address, "s"))) for _ in range(3)]
    for one in threads:
        one.start()
    server.go.wait(0.3)
    server.go.set()
    for one in threads:
        one.join(30)
    assert len(results) == 3 and len(set(results)) == 1 and len(server.asked) == 1
