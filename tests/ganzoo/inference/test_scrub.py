"""What is published has no paths of the author's machine, and nothing else is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.inference.scrub import scrub_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data/ann/horses.tar", "horses.tar"),
        ("pipe:cat /data/ann/horses.tar", "pipe:cat horses.tar"),
        ("file:///data/ann/horses", "horses"),
        ("../ann/horses", "horses"),
        ("~/horses", "horses"),
        (r"D:\ann\horses", "horses"),
        ("/data/ann/a.png: cannot be read (see /data/ann/b.png)", "a.png: cannot be read (see b.png)"),
        ("/mnt/My Drive/client acme/1.png: it is truncated", "1.png: it is truncated"),
        (r"C:\Users\ann\horses\1.png: damaged", "1.png: damaged"),
        (r"cannot read C:\Users\ann\1.png: damaged", "cannot read 1.png: damaged"),
        ("cannot read D:/ann/1.png: damaged", "cannot read 1.png: damaged"),
        ("../client/faces/1.png: it is truncated", "1.png: it is truncated"),
        ("~/client/1.png: bad; so is ../client/2.png", "1.png: bad; so is 2.png"),
        ("torchvision/alexnet: unknown", "torchvision/alexnet: unknown"),
        ("metric swd: 3 of 5/6 images", "metric swd: 3 of 5/6 images"),
        ("https://example.org/a/b.tar", "https://example.org/a/b.tar"),
        ("https://ann:secret@example.org/b.tar?key=secret", "https://example.org/b.tar"),
        ("shards: https://example.org/b.tar?key=secret, damaged", "shards: https://example.org/b.tar, damaged"),
        ("torchvision/alexnet", "torchvision/alexnet"),
        ("/../masks", "/../masks"),
        ("/../../ann/masks", "/../../ann/masks"),
        ("/..masks", "..masks"),
        ("min cycle_l1_AB", "min cycle_l1_AB"),
    ],
)
def test_paths_are_removed_from_texts_and_nothing_else_is(text: str, expected: str) -> None:
    assert scrub_text(text) == expected


def test_relative_paths_are_removed_from_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "of-ann/shards").mkdir(parents=True)
    assert scrub_text("of-ann/shards/horses-{000..001}.tar") == "horses-{000..001}.tar"
    assert scrub_text("of-ann/shards/1.png: damaged") == "1.png: damaged"
    assert scrub_text("of-ann/elsewhere/alexnet") == "of-ann/elsewhere/alexnet"  # this may be any name


def test_folders_below_the_home_are_removed_from_messages_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/an")
    assert scrub_text("cannot read /home/an/secret/horses/1.png: damaged") == "cannot read 1.png: damaged"
    assert scrub_text("the folder /home/an: not there") == "the folder ~: not there"
    assert scrub_text("see /home/anna/secret/1.png: damaged") == "see 1.png: damaged"
    monkeypatch.setenv("HOME", "/home/An Lee")
    assert scrub_text("cannot read '/home/An Lee/secret/1.png': damaged") == "cannot read '1.png': damaged"
    assert scrub_text("cannot read '/home/An Lee': damaged") == "cannot read '~': damaged"


def test_the_home_folder_is_removed_from_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/gwendolyn")
    monkeypatch.setenv("USERPROFILE", "/users/gwendolyn")
    assert "gwendolyn" not in scrub_text("cannot read '/users/gwendolyn': no such file")
