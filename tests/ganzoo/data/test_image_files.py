"""Finding images in folders: endings, hidden files, links and loops of links; files that are no images are counted."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ganzoo.data.image_files import IMAGE_SUFFIXES, describe_skipped, find_images
from ganzoo.errors import GanzooError
from tests.support.random_images import save


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_images(folder)]


def test_all_endings_are_found_in_any_case_and_hidden_files_are_not(tmp_path: Path) -> None:
    wanted = sorted(f"{i:02}{suffix.upper() if i % 2 else suffix}" for i, suffix in enumerate(IMAGE_SUFFIXES))
    for name in [*wanted, ".hidden.png", ".folder/a.png", "notes.txt"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert names(tmp_path) == wanted


def test_linked_files_and_folders_are_found(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere/x.png")
    save(tmp_path / "elsewhere/deep/y.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/file.png").symlink_to(tmp_path / "elsewhere/x.png")
    assert names(tmp_path / "in") == ["file.png", "folder/deep/y.png", "folder/x.png"]


def test_loops_of_links_end_and_give_no_image_twice(tmp_path: Path) -> None:
    save(tmp_path / "in/a/x.png")
    save(tmp_path / "in/b/y.png")
    (tmp_path / "in/a/self").symlink_to(tmp_path / "in/a")
    (tmp_path / "in/a/top").symlink_to(tmp_path / "in")
    (tmp_path / "in/b/above").symlink_to(tmp_path)
    assert names(tmp_path / "in") == ["a/x.png", "b/y.png"]


def test_links_of_two_folders_to_each_other_end(tmp_path: Path) -> None:
    for one, other in ("ab", "ba"):
        save(tmp_path / one / f"{one}.png")
        (tmp_path / one / "link").symlink_to(tmp_path / other)
    assert names(tmp_path / "a") == ["a.png", "link/b.png"]


def test_a_link_to_itself_is_an_unreadable_file_and_no_endless_loop(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.symlink("nowhere.png", tmp_path / "broken.png")
    assert names(tmp_path) == ["broken.png"]


def test_a_line_break_in_the_name_of_an_image_is_refused_in_one_line(tmp_path: Path) -> None:
    save(tmp_path / "a\nb/x.png")
    with pytest.raises(GanzooError) as caught:
        find_images(tmp_path)
    assert str(caught.value) == f"{tmp_path}: the name of an image has a line break, 'a\\nb/x.png'; rename it"


def test_files_that_are_no_images_are_counted_by_ending(tmp_path: Path) -> None:
    for name in (
        "a.png",
        "b.HEIF" if ".heif" not in IMAGE_SUFFIXES else "b.txt",
        "c.svg",
        "d.SVG",
        "LICENSE",
        ".x.mp4",
    ):
        (tmp_path / name).touch()
    text = describe_skipped(tmp_path)
    assert text.startswith(f"{tmp_path}: 4 files are not read: 1 without an ending, 1 .")
    assert "2 .svg" in text and ".mp4" not in text
    assert text.endswith("; for .heic and .heif install ganzoo-i2i[heif]") == (".heif" not in IMAGE_SUFFIXES)


def test_one_file_and_none(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert describe_skipped(tmp_path) == ""
    (tmp_path / "b.svg").touch()
    assert describe_skipped(tmp_path) == f"{tmp_path}: 1 file is not read: 1 .svg"


def test_each_folder_is_opened_once_and_no_file_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("a", "a/b", "c"):
        (tmp_path / folder).mkdir()
        for number in range(10):
            (tmp_path / folder / f"{number}.png").touch()
    (tmp_path / "link").symlink_to(tmp_path / "c")
    calls: dict[str, list[str]] = {"scandir": [], "stat": [], "lstat": []}
    for name, paths in calls.items():
        monkeypatch.setattr(os, name, partial(_noted, paths, getattr(os, name)))
    assert len(find_images(tmp_path)) == 40
    assert sorted(calls["scandir"]) == [str(tmp_path), *(f"{tmp_path}/{one}" for one in ("a", "a/b", "c", "link"))]
    assert not [path for path in calls["stat"] + calls["lstat"] if path.endswith(".png")]


def _noted(paths: list[str], call: Callable[..., Any], path: str | Path, *args: Any, **options: Any) -> Any:
    paths.append(os.fspath(path))
    return call(path, *args, **options)
