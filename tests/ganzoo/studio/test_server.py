"""The server's own mistakes, each in one line, before a run is loaded."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path
from typing import Any

import pytest

from ganzoo.studio.server import run_studio
from tests.support.command_line import Run, refusal


def test_without_gradio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = importlib.util.find_spec

    def find_spec(name: str, *more: Any) -> Any:
        return None if name == "gradio" else found(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    expected = "ganzoo studio needs gradio: pip install 'ganzoo-i2i[studio]'"
    assert refusal(run_studio, [str(tmp_path)]) == expected


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the extra studio is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert refusal(run_studio, [str(tmp_path)], port=port) == (
            f"--host 127.0.0.1 --port {port}: Address already in use; choose another --port, or 0 for any free one"
        )
    problem = refusal(run_studio, [str(tmp_path)], host="192.0.2.1", port=0)
    assert problem.startswith("--host 192.0.2.1 --port 0: ")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["nowhere"], "ganzoo: nowhere: no such folder; name runs, or folders of runs"),
        (["--port", "70000"], "ganzoo: studio: invalid value for '--port': 70000 is not in the range 0<=x<=65535"),
        (
            ["--precision", "fp8"],
            "ganzoo: studio: invalid value for '--precision': 'fp8' is not one of 'fp32', 'bf16', 'fp16', 'auto'",
        ),
    ],
)
def test_wrong_words_are_one_line(
    words: list[str], problem: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gradio", reason="the extra studio is not installed")
    monkeypatch.chdir(tmp_path)
    code, out, err = run("studio", *words)
    assert (code, out) == (2, "")
    assert err == f"{problem}\n"
