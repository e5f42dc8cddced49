"""The first step of a compiled run is announced, with its time; an error of the compiler is told in one line."""

from __future__ import annotations

import re

import pytest
from torch._dynamo.exc import InternalTorchDynamoError

from ganzoo.errors import GanzooError
from ganzoo.training.compilation import Compilation


def test_only_the_first_step_is_announced() -> None:
    said: list[str] = []
    compilation = Compilation(True, said.append)
    with compilation:
        assert said == ["train.compile: the first step compiles the networks, which can take minutes"]
    assert re.fullmatch(r"train\.compile: the first step took \d+ s", said[1])
    with compilation:
        pass
    assert len(said) == 2


def test_nothing_is_said_without_compilation() -> None:
    said: list[str] = []
    with Compilation(False, said.append):
        pass
    with pytest.raises(InternalTorchDynamoError), Compilation(False, said.append):
        raise InternalTorchDynamoError("bug")
    assert said == []


def test_an_error_of_the_compiler_is_one_line_and_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with (
        pytest.raises(GanzooError, match=r"^train\.compile: torch cannot compile the networks: .*no header.*to false;"),
        Compilation(True, said.append),
    ):
        raise InternalTorchDynamoError("no header\nat all")
    with pytest.raises(ValueError, match="other"), Compilation(True, said.append):
        raise ValueError("other")
    assert len(said) == 2  # no time of a step that failed
    monkeypatch.setenv("GANZOO_STRICT", "1")
    with pytest.raises(InternalTorchDynamoError), Compilation(True, said.append):
        raise InternalTorchDynamoError("no header")
