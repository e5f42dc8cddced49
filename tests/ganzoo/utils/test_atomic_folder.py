"""No partial folder is ever in place: after errors, beside another process, and on a disk that cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.errors import BusyError, GanzooError
from ganzoo.utils.atomic_folder import atomic_folder, clean_folder


def test_a_folder_is_complete_or_absent(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "deep/one", "a") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "deep/one").exists()
    assert (tmp_path / "deep/one/a").read_text() == "1"
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "deep/one", "a") as folder:
        (folder / "b").write_text("2")
        1 / 0  # noqa: B018
    assert [file.name for file in (tmp_path / "deep/one").iterdir()] == ["a"]
    assert sorted(one.name for one in (tmp_path / "deep").iterdir()) == [".one.lock", "one"]


def test_it_replaces_a_folder_and_deletes_what_a_killed_process_left(tmp_path: Path) -> None:
    for name in ("one", ".one.new", ".one.old"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "left").write_text("over")
    with atomic_folder(tmp_path / "one", "a") as folder:
        assert list(folder.iterdir()) == []
        (folder / "a").write_text("1")
    assert [file.name for file in (tmp_path / "one").iterdir()] == ["a"]
    assert sorted(one.name for one in tmp_path.iterdir()) == [".one.lock", "one"]


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "one", "a") as folder:
        (folder / "a").write_text("1")
        with pytest.raises(BusyError, match="one: another process is writing it"), atomic_folder(tmp_path / "one", "a"):
            pytest.fail("two of them write")
    assert (tmp_path / "one/a").read_text() == "1"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = "file/one: it cannot be written: Not a directory; free some space, or choose another folder$"
    with pytest.raises(GanzooError, match=message), atomic_folder(tmp_path / "file/one", "a"):
        pytest.fail("it cannot be there")


def test_files_in_inner_folders_are_on_the_disk_before_the_folder_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr("ganzoo.utils.atomic_folder.flush_to_disk", lambda file: flushed.append(file.name))
    with atomic_folder(tmp_path / "one", "a") as folder:
        (folder / "deep/deeper").mkdir(parents=True)
        for path in ("a", "deep/b", "deep/deeper/c"):
            (folder / path).write_text("1")
    assert sorted(flushed) == ["a", "b", "c"]


def test_clean_folder_deletes_siblings_unless_another_process_writes(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a").write_text("1")
    with atomic_folder(tmp_path / "one", "a"):
        clean_folder(tmp_path / "one", "a")
        assert (tmp_path / ".one.new").is_dir()
    (tmp_path / "one/a").write_text("1")
    for name in (".one.new", ".one.old"):
        (tmp_path / name).mkdir()
    clean_folder(tmp_path / "one", "a")
    assert sorted(one.name for one in tmp_path.iterdir()) == [".one.lock", "one"]
