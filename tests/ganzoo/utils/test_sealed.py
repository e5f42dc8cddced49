"""Files with a checksum: what was written is read, and damage, edits and missing checksums are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.errors import DamagedError
from ganzoo.utils.sealed import EDITED, read_sealed_object, read_sealed_text, seal_object, seal_text

TEXT = "method: cyclegan\nseed: 3\n"


def test_what_was_sealed_is_read(tmp_path: Path) -> None:
    yaml, json = tmp_path / "a.yaml", tmp_path / "a.json"
    yaml.write_text(seal_text(TEXT))
    json.write_text(seal_object({"step": 2, "lr": 0.1}))
    assert read_sealed_text(yaml).startswith(TEXT)
    assert read_sealed_object(json, "progress") == {"step": 2, "lr": 0.1}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (TEXT, "it has no checksum in its last line (an earlier version of ganzoo wrote it, or it was cut)"),
        (seal_text(TEXT)[:-80], "it has no checksum in its last line"),
        (seal_text(TEXT).replace("3", "4", 1), "its content is not what the checksum in its last line says"),
        (seal_text(TEXT)[:-9] + "\n", "its content is not what the checksum in its last line says"),
        ("", "it is empty"),
    ],
)
def test_text_that_is_not_what_was_written_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "resolved.yaml"
    file.write_text(content)
    with pytest.raises(DamagedError) as caught:
        read_sealed_text(file)
    assert str(caught.value).startswith(f"{file}: damaged: {problem}")
    file.write_text(f"{content}\n{EDITED}\n")
    assert read_sealed_text(file) == f"{content}\n{EDITED}\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"step": 2}', "it has no checksum (an earlier version of ganzoo wrote it, or it was edited)"),
        (seal_object({"step": 2}).replace("2", "3", 1), "its content is not what its checksum says"),
        ("[1]", "it does not hold progress (not a JSON object)"),
    ],
)
def test_an_object_that_is_not_what_was_written_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "progress.json"
    file.write_text(content)
    with pytest.raises(DamagedError) as caught:
        read_sealed_object(file, "progress", "restore it")
    assert str(caught.value) == f"{file}: damaged: {problem}; restore it"
