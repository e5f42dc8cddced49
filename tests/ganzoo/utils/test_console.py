"""What the console shows on terminals of any width, and without a terminal."""

from __future__ import annotations

import errno
import io
import re

import pytest
import rich.console

from ganzoo.utils import console as console_module
from ganzoo.utils.console import Console, ProgressLine

LOSSES = {f"generator/{name}": 0.123 for name in ("gan_AB", "gan_BA", "cycle_A", "cycle_B", "identity_A", "identity_B")}


def terminal(width: int) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    console = Console(quiet=False)
    console.rich = rich.console.Console(
        file=out,
        force_terminal=True,
        width=width,
        highlight=False,
        soft_wrap=True,
        color_system=None,
        legacy_windows=False,
    )
    return console, out


def plain(out: io.StringIO) -> list[str]:
    """Return the lines without control sequences; a carriage return ends a line, too."""
    return [line for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[^m]*?[a-zA-Z]", "", out.getvalue())) if line.strip()]


class Vanished(io.StringIO):
    """A terminal that was closed, or a pipe without a reader."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, "nobody reads")


def test_other_errors_of_the_output_are_raised() -> None:
    with pytest.raises(OSError, match="nobody reads"):
        Console(quiet=False, file=Vanished(errno.ENOSPC)).say("hello")


@pytest.mark.parametrize("number", [errno.EIO, errno.EPIPE])
def test_the_work_goes_on_without_a_terminal_or_a_reader(number: int) -> None:
    console = Console(quiet=False, file=Vanished(number))
    console.say("hello")
    with ProgressLine(console, 10, 0) as line:
        line.report(5, LOSSES, 12.3, 0.05, 75)


def last_line(width: int, steps: int = 640) -> str:
    console, out = terminal(width)
    with ProgressLine(console, steps, 0) as line:
        line.report(steps // 2, LOSSES, 12.3, 0.05, 75)
    return plain(out)[-1]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 129, 160, 240])
def test_the_progress_line_keeps_bar_steps_and_time_left_at_any_width(width: int) -> None:
    line = last_line(width)
    assert len(line) < width
    assert re.match(r"training [━─]+ 320/640  *(-:--:--|\d+:\d\d)", line)


def test_terms_of_one_name_are_shown_with_their_phases() -> None:
    console, out = terminal(240)
    with ProgressLine(console, 10, 0) as line:
        line.report(5, {"discriminator/D": 1, "generator/gan": 2, "guided/gan": 3}, 1, 0, 1)
    assert "D 1 generator/gan 2 guided/gan 3" in plain(out)[-1]


def test_on_a_narrow_terminal_losses_go_first_and_then_the_speed() -> None:
    assert "waiting for data 5% gan_AB 0.123 gan_BA 0.123" in last_line(240)
    assert "identity_B 0.123" in last_line(240)
    assert last_line(100).endswith("waiting for data 5% gan_AB 0.123")
    assert last_line(90).endswith("waiting for data 5%")
    assert last_line(70).endswith("12.3 images/s")
    assert last_line(50).endswith(":--") or last_line(50)[-1].isdigit()


@pytest.mark.parametrize("width", [30, 60, 200])
def test_the_panel_loses_nothing_and_its_commands_can_be_copied(width: int) -> None:
    console, out = terminal(width)
    path, command = "runs/" + 40 * "long" + "/default", "ganzoo translate runs/" + 30 * "[x] " + "-o OUT"
    console.panel("done", [f"report  {path}"], ["next:", f"  {command}"])
    framed, _, below = out.getvalue().partition("next:\n")
    assert "".join(re.findall(r"│ (.*?)\s*│", framed)).replace(" ", "") == f"report{path}"
    assert all(len(line) <= width for line in framed.splitlines())
    assert below == f"  {command}\n"


def test_outside_a_terminal_the_panel_is_plain_lines() -> None:
    out = io.StringIO()
    Console(quiet=False, file=out).panel("done", ["a [b]"], ["next:"])
    assert out.getvalue() == "— done —\na [b]\nnext:\n"


def test_a_long_task_has_a_line_with_a_bar_also_below_the_progress_line() -> None:
    console, out = terminal(100)
    with console.bar("measuring", 12) as show:
        show(6)
        assert console.live
        console.live.refresh()
    assert re.search(r"measuring ━{12}─{12}  6/12", out.getvalue())
    assert console.live is None
    with ProgressLine(console, 20, 0) as line, console.bar("measuring", 12) as show:
        show(9)
        assert console.live is line.live and line.live
        line.live.refresh()
    assert re.search(r"training ─+  0/20.*\n.*measuring ━+─+  9/12", out.getvalue())


def test_without_a_terminal_a_long_task_prints_lines_only_if_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    with Console(quiet=False, file=out).bar("measuring", 12) as show:
        show(3)
    assert out.getvalue() == ""
    monkeypatch.setattr(console_module, "SILENCE", 0.0)
    with Console(quiet=False, file=out).bar("measuring", 12) as show:
        show(3)
    assert out.getvalue() == "measuring: 3/12\n"


def test_processes_but_the_first_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    out = io.StringIO()
    console = Console(file=out)
    console.say("hidden")
    console.panel("hidden", ["hidden"], ["hidden"])
    with console.bar("hidden", 2) as show:
        show(1)
    assert out.getvalue() == ""


def test_names_between_colons_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Console().say("photos:a:b runs/x:key:y")
    assert capsys.readouterr().out == "photos:a:b runs/x:key:y\n"
