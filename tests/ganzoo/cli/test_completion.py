"""Completion in the shell: click's, for commands, options, kinds and names of components; without torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def complete(*words: str) -> list[str]:
    """Return what bash is offered for the last of the words after ``ganzoo``."""
    line = " ".join(["ganzoo", *words])
    answer = ask("bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words)))
    return [one.removeprefix("plain,") for one in answer.split()]


def ask(instruction: str, *flags: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *flags, "-m", "ganzoo"],
        cwd=ROOT,
        env={**os.environ, **environment, "_GANZOO_COMPLETE": instruction},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + (done.stderr if flags else "")


def test_commands_of_ganzoo_and_of_plugins_are_completed() -> None:
    assert complete("ru") == ["run", "runs"]
    assert complete("ban") == ["bank"]


def test_options_and_files_are_completed() -> None:
    assert complete("run", "--na") == ["--name"]
    assert complete("run", "rec") == ["file,rec"]


def test_kinds_and_names_of_components_are_completed() -> None:
    assert complete("show", "m") == ["method", "masker", "metric"]
    assert complete("show", "generator", "res") == ["resnet"]
    assert complete("list", "masker", "cen") == ["centered_square"]
    assert complete("show", "nothing", "r") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str) -> None:
    script = ask(f"{shell}_source")
    assert f"_GANZOO_COMPLETE={shell}_complete" in script
    assert f"_GANZOO_COMPLETE={shell}_source ganzoo" in (ROOT / "docs/editors.md").read_text()
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, text=True, capture_output=True).stderr == ""


def test_completion_does_not_import_torch() -> None:
    imported = ask("bash_complete", "-X", "importtime", COMP_WORDS="ganzoo show generator r", COMP_CWORD="3")
    names = {line.rpartition("|")[2].strip() for line in imported.splitlines() if line.startswith("import time:")}
    assert "ganzoo.plugins" in names
    assert not {name for name in names if name.split(".")[0] in ("torch", "numpy", "timm")}
