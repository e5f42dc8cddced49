"""Where weights are looked for, and that what is found is what it should be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganzoo.plugins import plugins
from ganzoo.weights import WeightsFile, find
from ganzoo.weights.store import lookup, present, recorded
from tests.support.command_line import refusal
from tests.support.file_server import FileServer


@pytest.fixture
def own(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that GANZOO_WEIGHTS names."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("GANZOO_WEIGHTS", str(folder))
    return folder


def test_the_users_own_folder_comes_first_and_is_only_read(server: FileServer, own: Path, cache: Path) -> None:
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


def test_a_wrong_file_in_the_users_folder_is_told_and_kept(server: FileServer, own: Path) -> None:
    (own / "net.pth").write_bytes(b"another")
    said = refusal(find, server.entry())
    assert said.startswith(f"{own / 'net.pth'}: its sha256 is ")
    assert f"and {server.checksum} is listed for test/net" in said
    assert (own / "net.pth").read_bytes() == b"another"


def test_a_folder_that_is_none_is_told(own: Path) -> None:
    own.rmdir()
    said = refusal(find, WeightsFile("test/net", "https://nowhere.invalid/net.pth"))
    assert said == f"GANZOO_WEIGHTS is {str(own)!r}, which is no folder"


def test_damage_is_found_when_it_is_read(server: FileServer) -> None:
    file = find(server.entry())
    damaged = bytearray(server.content)
    damaged[100] ^= 1
    file.write_bytes(damaged)
    assert "it is damaged or another file; take it away, and it is fetched again" in refusal(find, server.entry())
    file.unlink()
    assert find(server.entry()).read_bytes() == server.content


@pytest.mark.parametrize("digits", [0, 8, 63])
def test_what_is_not_wholly_published_is_trusted_when_it_is_first_fetched(
    server: FileServer, cache: Path, digits: int
) -> None:
    entry = server.entry(sha256=server.checksum[:digits], size=0, licence="CC0-1.0")
    file = find(entry)
    noted = json.loads((cache / "net.pth.json").read_text())
    assert (noted["sha256"], noted["size"], noted["address"]) == (server.checksum, 200_000, server.address)
    assert noted["licence"] == "CC0-1.0"
    assert find(entry) == file
    file.write_bytes(b"another")
    said = refusal(find, entry)
    assert f"and {server.checksum} is noted when it was fetched for test/net" in said
    server.content = b"a new version"
    if digits:
        file.unlink()
        assert "what came has the sha256" in refusal(find, entry)
    else:
        file.unlink()
        assert find(entry).read_bytes() == b"a new version"
        assert find(entry) == file


def test_what_is_wholly_published_needs_no_note(server: FileServer, cache: Path) -> None:
    find(server.entry())
    assert not list(cache.glob("*.json"))


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"name": "test/net"}', '{"size": "many"}'])
def test_a_damaged_note_is_no_note(server: FileServer, cache: Path, note: str) -> None:
    find(server.entry(sha256=""))
    (cache / "net.pth.json").write_text(note)
    assert recorded() == []
    assert find(server.entry(sha256="")) == cache / "net.pth"


@pytest.mark.parametrize("kept", ["cache", "own"])
def test_another_file_of_the_same_name_is_not_taken_for_it(
    server: FileServer, own: Path, cache: Path, kept: str
) -> None:
    find(server.entry(sha256=""))
    if kept == "own":
        for name in ("net.pth", "net.pth.json"):
            (cache / name).rename(own / name)
    place = {"cache": cache, "own": own}[kept] / "net.pth"
    other = server.entry(name="test/other", address=server.address + "?v=2", file="net.pth", sha256="")
    said = refusal(find, other)
    assert said.startswith(f"{place}: it is test/net, from {server.address}, and not test/other, from {other.address}:")
    assert find(server.entry(sha256="")) == find(server.entry(name="an/alias", sha256="")) == place
    for digits in (64, 8):  # that tell that it is the same
        known = server.entry(address="https://elsewhere.invalid/net.pth", sha256=server.checksum[:digits])
        assert find(known) == place
    place.unlink()
    place.with_name("net.pth.json").unlink()
    assert find(other) == cache / "net.pth"


def test_what_was_fetched_is_found_by_its_name(server: FileServer, cache: Path) -> None:
    assert refusal(find, "test/net").startswith("unknown weights 'test/net'")
    find(server.entry(sha256=""))
    assert lookup("test/net") == server.entry()
    assert find("test/net") == cache / "net.pth"
    (cache / "net.pth").unlink()
    assert recorded() == []


def test_what_is_listed_is_found_by_its_name(server: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins().registry.weights, "test/net", server.entry())
    assert present(server.entry()) is None
    assert find("test/net") == present(server.entry()) == cache / "net.pth"
    assert "unknown weights 'test/nat' (did you mean 'test/net'?)" in refusal(find, "test/nat")
