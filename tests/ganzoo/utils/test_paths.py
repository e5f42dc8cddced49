"""Paths are compared as file systems do; a symbolic link stands in for a spelling that only the file system knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganzoo.utils.paths import file_key, is_within, name_key, require_file_place, require_folder
from tests.support.command_line import refusal
from tests.support.permissions import refuse_writing
from tests.support.spellings import spell_otherwise


def test_spellings_of_one_folder_are_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos/deep").mkdir(parents=True)
    (tmp_path / "photos/a.png").touch()
    other = spell_otherwise(tmp_path / "photos", monkeypatch)
    assert os.path.realpath(other) != os.path.realpath(tmp_path / "photos")
    assert file_key(other) == file_key(tmp_path / "photos")
    assert file_key(other / "a.png") == file_key(tmp_path / "photos/a.png") != file_key(tmp_path / "photos/deep")
    assert is_within(other / "new/folder", tmp_path / "photos") and is_within(tmp_path / "photos", other)
    assert not is_within(tmp_path, other) and not is_within(tmp_path / "photos-2", other)


def test_paths_without_a_file_are_compared_as_texts(tmp_path: Path) -> None:
    assert file_key(tmp_path / "x/../new") == file_key(tmp_path / "new") != file_key(tmp_path / "New")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert is_within(tmp_path / "loop/a", tmp_path / "loop")


def test_names_that_some_file_system_takes_for_one_are_equal() -> None:
    assert len({name_key(Path(name)) for name in ("in/É.png", "IN/é.png", "in/e\u0301.PNG")}) == 1
    assert name_key(Path("a.png")) != name_key(Path("b.png"))


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.touch()
    for place in (file, file / "deep/er"):
        assert refusal(require_folder, "-o", place) == f"-o: {file} is a file, not a folder; choose another folder"
    require_folder("-o", tmp_path / "new/folder")
    message = refusal(require_file_place, "-o", tmp_path)
    assert message == f"-o {tmp_path}: a folder; name a file in an existing folder"
    assert f"the folder {tmp_path / 'no'} does not exist" in refusal(require_file_place, "-o", tmp_path / "no/a.csv")
    require_file_place("-o", file)


def test_folders_without_permission_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.txt"
    file.touch()
    refuse_writing(tmp_path, monkeypatch)
    for place in (tmp_path, tmp_path / "new/folder"):
        assert refusal(require_folder, "-o", place) == (
            f"-o: the folder {tmp_path} cannot be written; check its permissions or choose another folder"
        )
    assert refusal(require_file_place, "-o", tmp_path / "new.csv") == (
        f"-o {tmp_path}/new.csv: the folder {tmp_path} cannot be written; name a file in another one"
    )
    require_file_place("-o", file)
