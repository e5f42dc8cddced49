"""The command ``ganzoo new plugin``: what it prints, and the names and folders that it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganzoo.authoring.names import Names
from ganzoo.authoring.package import KINDS, render_package
from ganzoo.authoring.writer import write_project
from ganzoo.errors import GanzooError
from tests.support.command_line import Run


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_prints_what_to_type_next(run: Run, tmp_path: Path) -> None:
    code, out, err = run("new", "plugin", "mosaic", "--kind", "loss", "--into", "a b/below")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "written: a b/below/ganzoo-mosaic, 9 files"
    assert lines[2] == "  cd 'a b/below/ganzoo-mosaic'"
    assert [line.split(" -m ")[-1].removeprefix("  ") for line in lines[3:]] == [
        'pip install -e ".[dev]"',
        "pytest",
        "ganzoo plugins --check",
        "ganzoo run recipes/mosaic.yaml",
    ]
    written = [one.relative_to(tmp_path) for one in tmp_path.rglob("*") if one.is_file()]
    assert len(written) == 9
    assert all(one.is_relative_to("a b/below/ganzoo-mosaic") for one in written)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("MyMasks", "'MyMasks' cannot name a plugin: use lower-case letters, digits and single underscores, and begin "
         "with a letter (for example 'my_masks')"),
        ("3d", "'3d' cannot name a plugin: use lower-case letters, digits and single underscores"),
        ("über", "'über' cannot name a plugin"),
        ("my-masks", "(for example 'my_masks')"),
        ("class", "'class' is taken: it is a word of Python's own; choose another name"),
        ("random", "'random' is taken: it is a module of Python's standard library; choose another name"),
        ("numpy", "'numpy' is taken: it is an installed package; choose another name"),
        ("ganzoo", "'ganzoo' is taken: it is an installed package; choose another name"),
        ("i2i", "'i2i' is taken: its project would be 'ganzoo-i2i', which is installed; choose another name"),
        ("munit", "'munit' is taken: there is a plugin of this name; choose another name"),
        ("lsgan --kind loss --kind los", "--kind: unknown kind 'los' (did you mean 'loss'?)"),
        ("true", "'true' would not be read as text in a recipe; choose another name, such as true_plugin"),
        ("runs", "'runs' is a folder of every project; choose another name, such as runs_plugin"),
        ("tests", "'tests' is a folder of every project; choose another name, such as tests_plugin"),
        ("unet --kind generator", "'unet' is taken: there is a generator 'unet' in the plugin 'cyclegan'"),
        ("table --kind command", "'table' is taken: there is a command 'table'; choose another name"),
        ("a_name_with_more_than_30_letters", "has 32 characters; choose a name of at most 30"),
        ("mosaic --into taken", "taken/ganzoo-mosaic exists: choose another name, or another folder with --into"),
        ("mosaic --into file", "file/ganzoo-mosaic cannot be written: Not a directory; name another folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_in_one_line(run: Run, tmp_path: Path, words: str, message: str) -> None:
    (tmp_path / "taken" / "ganzoo-mosaic").mkdir(parents=True)
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run("new", "plugin", *words.split())
    assert (code, out) == (2, "")
    assert err.startswith("ganzoo: ") and err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_of_another_kind_is_free(run: Run) -> None:
    assert run("new", "plugin", "unet", "--kind", "loss")[0] == 0


def test_a_folder_of_data_takes_no_name(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stones").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert run("new", "plugin", "stones", "--kind", "loss")[0] == 0


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = render_package(Names("mosaic"), ["loss"])
    write, written = Path.write_text, []

    def fail_later(path: Path, text: str, **options: str) -> int:
        written.append(path)
        if len(written) == 5:
            raise OSError(28, os.strerror(28))
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", fail_later)
    with pytest.raises(GanzooError, match="cannot be written: No space left on device"):
        write_project(tmp_path / "new" / "folder" / "ganzoo-mosaic", files)
    assert len(written) == 5
    assert list(tmp_path.iterdir()) == []


def test_its_help_lists_the_kinds(run: Run) -> None:
    help_text = " ".join(run("new", "plugin", "--help")[1].split())
    assert f"The kinds are: {', '.join(KINDS)}." in help_text
