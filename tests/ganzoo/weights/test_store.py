"""Where weights are searched, and how files are verified."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganzoo.errors import MissingResourceError
from ganzoo.plugins import plugins
from ganzoo.weights import WeightsFile, find, listed
from ganzoo.weights.store import local_path, lookup, recorded, without_downloads
from tests.support.command_line import refusal
from tests.support.file_server import FileServer


@pytest.fixture
def own(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that GANZOO_WEIGHTS names."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("GANZOO_WEIGHTS", str(folder))
    return folder


def test_the_users_own_folder_is_searched_first_and_never_written(server: FileServer, own: Path, cache: Path) -> None:
    find(server.entry())
    (own / "net.pth").write_bytes(server.content)
    own.chmod(0o555)
    before = len(server.asked)
    assert find(server.entry()) == own / "net.pth"
    assert find(server.entry(sha256=server.checksum[:8])) == own / "net.pth"
    assert [one.name for one in own.iterdir()] == ["net.pth"]
    own.chmod(0o755)
    (own / "net.pth").unlink()
    assert find(server.entry()) == cache / "net.pth"
    assert len(server.asked) == before


def test_without_downloads_a_missing_file_is_an_error(server: FileServer, cache: Path) -> None:
    with without_downloads(), pytest.raises(MissingResourceError, match="test/net is not on this machine: ganzoo "):
        find(server.entry())
    assert not server.asked
    file = find(server.entry())
    with without_downloads():
        assert find(server.entry()) == file


def test_a_wrong_file_in_the_users_folder_is_an_error_and_stays(server: FileServer, own: Path) -> None:
    (own / "net.pth").write_bytes(b"another")
    message = refusal(find, server.entry())
    assert message.startswith(f"{own / 'net.pth'}: its sha256 is ")
    assert f"but {server.checksum} is listed for test/net" in message
    assert (own / "net.pth").read_bytes() == b"another"


def test_a_missing_weights_folder_is_an_error(own: Path) -> None:
    own.rmdir()
    message = refusal(find, WeightsFile("test/net", "https://nowhere.invalid/net.pth"))
    assert message == f"GANZOO_WEIGHTS is {str(own)!r}, which is not a folder"


def test_a_damaged_file_is_refused_when_it_is_read(server: FileServer) -> None:
    file = find(server.entry())
    damaged = bytearray(server.content)
    damaged[100] ^= 1
    file.write_bytes(damaged)
    assert "it is damaged or another file; delete it to download it again" in refusal(find, server.entry())
    file.unlink()
    assert find(server.entry()).read_bytes() == server.content


@pytest.mark.parametrize("digits", [0, 8, 63])
def test_without_a_full_checksum_the_first_download_is_trusted_and_recorded(
    server: FileServer, cache: Path, digits: int
) -> None:
    entry = server.entry(sha256=server.checksum[:digits], size=0, licence="CC0-1.0")
    file = find(entry)
    record = json.loads((cache / "net.pth.json").read_text())
    assert (record["sha256"], record["size"], record["address"]) == (server.checksum, 200_000, server.address)
    assert record["licence"] == "CC0-1.0"
    assert find(entry) == file
    file.write_bytes(b"another")
    message = refusal(find, entry)
    assert f"but {server.checksum} is recorded at the first download for test/net" in message
    server.content = b"a new version"
    if digits:
        file.unlink()
        assert "the received file has the sha256" in refusal(find, entry)
    else:
        file.unlink()
        assert find(entry).read_bytes() == b"a new version"
        assert find(entry) == file


def test_with_a_full_checksum_nothing_is_recorded(server: FileServer, cache: Path) -> None:
    find(server.entry())
    assert not list(cache.glob("*.json"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "test/net"}', '{"size": "many"}'])
def test_a_damaged_record_is_ignored(server: FileServer, cache: Path, text: str) -> None:
    find(server.entry(sha256=""))
    (cache / "net.pth.json").write_text(text)
    assert recorded() == []
    assert find(server.entry(sha256="")) == cache / "net.pth"


@pytest.mark.parametrize("folder", ["cache", "own"])
def test_another_file_of_the_same_name_is_refused(server: FileServer, own: Path, cache: Path, folder: str) -> None:
    find(server.entry(sha256=""))
    if folder == "own":
        for name in ("net.pth", "net.pth.json"):
            (cache / name).rename(own / name)
    place = {"cache": cache, "own": own}[folder] / "net.pth"
    other = server.entry(name="test/other", address=server.address + "?v=2", file="net.pth", sha256="")
    message = refusal(find, other)
    assert message.startswith(
        f"{place}: this is test/net, from {server.address}, not test/other, from {other.address}:"
    )
    assert find(server.entry(sha256="")) == find(server.entry(name="an/alias", sha256="")) == place
    for digits in (64, 8):  # enough to know that it is the same file
        known = server.entry(address="https://elsewhere.invalid/net.pth", sha256=server.checksum[:digits])
        assert find(known) == place
    place.unlink()
    place.with_name("net.pth.json").unlink()
    assert find(other) == cache / "net.pth"


def test_a_download_is_found_by_its_name(server: FileServer, cache: Path) -> None:
    assert refusal(find, "test/net").startswith("unknown weights 'test/net'")
    find(server.entry(sha256=""))
    assert lookup("test/net") == server.entry()
    assert find("test/net") == cache / "net.pth"
    (cache / "net.pth").unlink()
    assert recorded() == []


def test_of_downloads_in_both_folders_the_users_own_counts(server: FileServer, own: Path, cache: Path) -> None:
    find(server.entry(sha256=""))
    for name in ("net.pth", "net.pth.json"):
        (cache / name).rename(own / name)
    first = server.entry()
    assert recorded() == [lookup("test/net")] == [first]
    assert find("test/net") == own / "net.pth"
    server.content = b"a new version"
    find(server.entry(file="other.pth", sha256="", size=0))
    assert recorded() == [first]
    (own / "net.pth").unlink()
    assert recorded() == [lookup("test/net")] == [server.entry(file="other.pth")]
    own.rename(own.with_name("gone"))
    assert refusal(recorded) == f"GANZOO_WEIGHTS is {str(own)!r}, which is not a folder"


def test_a_listed_file_is_found_by_its_name(server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins().registry.weights, "test/net", server.entry())
    assert listed()["test/net"] == server.entry()
    assert local_path(server.entry()) is None
    assert find("test/net") == local_path(server.entry()) == cache / "net.pth"
    assert "unknown weights 'test/nat' (did you mean 'test/net'?)" in refusal(find, "test/nat")
