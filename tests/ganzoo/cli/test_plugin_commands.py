"""The hook ganzoo_commands: commands that plugins add to the command line, and the errors of those that fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ganzoo.cli import OWN, cli, main
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
    """Return a function that installs a plugin on the path, as pip does it."""

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
    assert "(did you mean 'greet'?)" in run("greeet")[2]


def test_a_plugin_may_have_only_commands(install: Install) -> None:
    install("polite", GREET + GIVE.format("greet"))
    plugin = next(one for one in plugins().loaded if one.name == "polite")
    assert (plugin.components, plugin.error) == (0, "")


def test_ganzoos_own_commands_do_not_ask_plugins(run: Run, install: Install) -> None:
    install("slow", GIVE.format("1 / 0"))
    assert run("list", "method", "cyclegan")[2] == ""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (GIVE.format("1 / 0"), "plugin 'bad' failed to return its commands: ZeroDivisionError: division by zero ("),
        (GIVE.format("exit(3)"), "plugin 'bad' failed to return its commands: SystemExit: 3"),
        (
            GIVE.format("'greet'"),
            "hook 'ganzoo_commands' of plugin 'bad': ganzoo_commands returned a list with the text",
        ),
        (
            GIVE.format("None"),
            "hook 'ganzoo_commands' of plugin 'bad': ganzoo_commands returned a list with None; expected",
        ),
        (
            GREET + GIVE.format("greet").replace("[greet]", "greet"),
            "hook 'ganzoo_commands' of plugin 'bad': ganzoo_commands returned one command, 'greet'; expected a list of",
        ),
        (
            GREET.replace("greet", "run") + GIVE.format("run"),
            "command 'run' is the one of package ganzoo-i2i; that of package bad is left out",
        ),
        (
            GREET + GIVE.format("greet"),
            "command 'greet' is the one of package agreeable; that of package bad is left out",
        ),
    ],
)
def test_a_plugin_that_fails_is_reported_and_breaks_nothing(
    run: Run, install: Install, code: str, message: str
) -> None:
    install("agreeable", GREET + GIVE.format("greet"))
    install("bad", code)
    exit_code, out, err = run("--help")
    assert exit_code == 0
    assert all(f"  {one.name} " in out for one in [*OWN, cli.commands["greet"]])
    assert err.startswith(f"ganzoo: {message}")
    assert err.count("\n") == 1
    assert run("greet")[:2] == (0, "hello\n")
    assert run("list", "method", "cyclegan")[1].split() == ["method", "cyclegan", "cyclegan"]


def test_a_name_clash_does_not_affect_a_plugins_other_commands(run: Run, install: Install) -> None:
    install("both", GREET + GREET.replace("greet", "run") + GIVE.format("run, greet"))
    assert run("greet")[0] == 0
    line = "command 'run' is the one of package ganzoo-i2i; that of package both is left out"
    assert plugins().command_errors == [line]


def test_strict_mode_and_bundled_plugins_raise(run: Run, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("bad", GIVE.format("1 / 0"))
    loaded = Plugins()
    loaded.load([EntryPoint("bad", "bad_commands", "ganzoo")])
    with pytest.raises(GanzooError, match="plugin 'bad' failed to return its commands: ZeroDivisionError"):
        loaded.commands(())
    monkeypatch.setenv("GANZOO_STRICT", "1")
    code, _, err = run("greet")
    assert code == 2
    assert err.startswith("ganzoo: plugin 'bad' failed to return its commands: ")


def test_an_error_of_a_command_is_one_line_with_the_authors_line(
    run: Run, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("bad", GREET.replace("click.echo", "{}[1]; click.echo") + GIVE.format("greet"))
    file = tmp_path / "bad_commands.py"
    line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if "{}[1]" in text)
    message = f"command 'greet' of plugin 'bad': the command failed: KeyError: 1 ({file}:{line}); GANZOO_STRICT=1 shows"
    code, out, err = run("greet")
    assert (code, out, err) == (2, "", f"ganzoo: {message} the traceback\n")
    monkeypatch.setenv("GANZOO_STRICT", "1")
    monkeypatch.setattr(sys, "argv", ["ganzoo", "greet"])
    with pytest.raises(KeyError):
        main()


@pytest.mark.parametrize(
    ("statement", "code", "error"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise click.ClickException('no such image')", 1, "ganzoo: no such image\n"),
        ("raise click.Abort", 130, "ganzoo: interrupted\n"),
        ("click.get_current_context().exit(4)", 4, ""),
        ("return 5", 0, ""),
        ("raise OSError(28, 'No space left', 'out.png')", 2, "ganzoo: out.png: No space left\n"),
    ],
)
def test_how_a_command_may_end(run: Run, install: Install, statement: str, code: int, error: str) -> None:
    install("polite", GREET.replace('click.echo("hello")', statement) + GIVE.format("greet"))
    assert run("greet") == (code, "", error)
