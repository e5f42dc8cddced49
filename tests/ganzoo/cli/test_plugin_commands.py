"""The hook ganzoo_commands: commands that plugins add to the command line, and what becomes of those that fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ganzoo.cli import OWN, cli
from ganzoo.errors import GanzooError
from ganzoo.plugins import Plugins, plugins
from tests.support.command_line import Run

HEAD = "import click\nfrom ganzoo import hookimpl\nGANZOO_INTERFACE = 1\n"
GREET = """
@click.command("greet")
def greet():
    'Say hello.'
    click.echo("hello")
"""
GIVE = "@hookimpl\ndef ganzoo_commands():\n    return [{}]\n"

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return what puts a plugin on the path, as pip would."""

    def put(name: str, code: str) -> None:
        (tmp_path / f"{name}_commands.py").write_text(HEAD + code)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[ganzoo]\n{name} = {name}_commands\n")

    monkeypatch.syspath_prepend(tmp_path)
    own = dict(cli.commands)
    plugins.cache_clear()
    yield put
    plugins.cache_clear()
    cli.commands = own
    for name in [one for one in sys.modules if one.endswith("_commands")]:
        del sys.modules[name]


def test_a_plugin_adds_a_command(run: Run, install: Install) -> None:
    install("polite", GREET + GIVE.format("greet"))
    assert run("greet") == (0, "hello\n", "")
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if line.endswith("Say hello.")] == ["greet"]
    assert "Did you mean 'greet'?" in run("greeet")[2]


def test_a_plugin_of_commands_alone_is_a_plugin(install: Install) -> None:
    install("polite", GREET + GIVE.format("greet"))
    story = next(one for one in plugins().loaded if one.name == "polite")
    assert (story.components, story.error) == (0, "")


def test_ganzoos_own_commands_ask_no_plugin(run: Run, install: Install) -> None:
    install("slow", GIVE.format("1 / 0"))
    assert run("list", "method", "cyclegan")[2] == ""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (GIVE.format("1 / 0"), "plugin 'bad' could not give its commands: ZeroDivisionError: division by zero ("),
        (GIVE.format("exit(3)"), "plugin 'bad' could not give its commands: SystemExit: 3"),
        (GIVE.format("'greet'"), "plugin 'bad' could not give its commands: 'greet' is no command of click with"),
        (
            GREET.replace("greet", "run") + GIVE.format("run"),
            "command 'run' of plugin 'bad' is already there, from ganzoo itself",
        ),
        (GREET + GIVE.format("greet"), "command 'greet' of plugin 'bad' is already there, from plugin 'agreeable'"),
    ],
)
def test_one_that_fails_is_told_and_breaks_nothing(run: Run, install: Install, code: str, said: str) -> None:
    install("agreeable", GREET + GIVE.format("greet"))
    install("bad", code)
    done, out, err = run("--help")
    assert done == 0
    assert all(f"  {one.name} " in out for one in [*OWN, cli.commands["greet"]])
    assert err.startswith(f"ganzoo: {said}")
    assert err.count("\n") == 1
    assert run("greet")[:2] == (0, "hello\n")
    assert run("list", "method", "cyclegan")[1].split() == ["method", "cyclegan", "cyclegan"]


def test_a_clash_leaves_a_plugins_other_commands(run: Run, install: Install) -> None:
    install("both", GREET + GREET.replace("greet", "run") + GIVE.format("run, greet"))
    assert run("greet")[0] == 0
    assert plugins().refused == ["command 'run' of plugin 'both' is already there, from ganzoo itself"]


def test_strict_mode_and_bundled_ones_raise(run: Run, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("bad", GIVE.format("1 / 0"))
    found = Plugins()
    found.load([EntryPoint("bad", "bad_commands", "ganzoo")])
    with pytest.raises(GanzooError, match="plugin 'bad' could not give its commands: ZeroDivisionError"):
        found.commands(())
    monkeypatch.setenv("GANZOO_STRICT", "1")
    code, _, err = run("greet")
    assert code == 2
    assert err.startswith("ganzoo: plugin 'bad' could not give its commands: ")
