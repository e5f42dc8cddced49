"""The command line ``ganzoo``: its commands, those of plugins, and how errors are printed.

Each command imports what it needs when it runs, so that light commands start fast.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from ganzoo.cli.bench import bench_command
from ganzoo.cli.check import check_command
from ganzoo.cli.data import data_command
from ganzoo.cli.doctor import doctor_command
from ganzoo.cli.evaluate import evaluate_command
from ganzoo.cli.export import export_command
from ganzoo.cli.list import list_command
from ganzoo.cli.masks import masks_command
from ganzoo.cli.new import new_command
from ganzoo.cli.plugins import plugins_command
from ganzoo.cli.publish import publish_command
from ganzoo.cli.report import report_command
from ganzoo.cli.run import run_command
from ganzoo.cli.runs import runs_command
from ganzoo.cli.schema import schema_command
from ganzoo.cli.show import show_command
from ganzoo.cli.studio import studio_command
from ganzoo.cli.study import study_command
from ganzoo.cli.table import table_command
from ganzoo.cli.translate import translate_command
from ganzoo.cli.usage_errors import describe, unknown_command
from ganzoo.cli.weights import weights_command
from ganzoo.errors import ComponentError, GanzooError, is_of_another_process, is_strict, one_line
from ganzoo.plugins import installed_version, plugins
from ganzoo.utils.allocator import keep_freed_memory
from ganzoo.utils.parent import stop_with_parent
from ganzoo.utils.terminal import accept_any_text, escape_controls

OWN = (
    run_command,
    check_command,
    data_command,
    masks_command,
    evaluate_command,
    bench_command,
    table_command,
    translate_command,
    export_command,
    publish_command,
    report_command,
    studio_command,
    study_command,
    runs_command,
    list_command,
    show_command,
    schema_command,
    plugins_command,
    new_command,
    weights_command,
    doctor_command,
)


MACHINE_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOTDIR, errno.EISDIR),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EMFILE, errno.ENFILE),
}
"""Errors of the system that are none of ganzoo: they are printed in one line, with the file."""
ADVICE = {
    errno.ENAMETOOLONG: "; the name of a file or folder has at most 255 bytes, a path 4096: choose a shorter one",
    errno.ELOOP: "; a link there leads back to itself: remove it",
}


class OutputClosedError(Exception):
    """The program that reads a command's output has ended, as with ``| head``."""


PASSED = (GanzooError, click.ClickException, click.Abort, click.exceptions.Exit, OutputClosedError)
"""Errors of a plugin's command that are the user's, or the ways in which any command ends."""


@contextmanager
def noticing_closed_output() -> Iterator[None]:
    """Raise OutputClosedError for a closed output, for which click would end the process with exit code 1."""
    try:
        yield
    except BrokenPipeError:
        raise OutputClosedError from None


class Commands(click.Group):
    """The group of ganzoo's own commands and those of plugins; plugins are loaded only when they are needed."""

    def load_plugin_commands(self) -> None:
        """Add the plugins' commands, and print to stderr why some are missing.

        Raises GanzooError if a bundled plugin fails, or any plugin in strict mode (GANZOO_STRICT).
        """
        own = {str(command.name): command for command in OWN}
        self.commands = own | plugins().commands(own)
        print_error("\n".join(plugins().command_errors))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        self.load_plugin_commands()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None if neither ganzoo nor a plugin has it."""
        if cmd_name not in self.commands:
            self.load_plugin_commands()
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command's name, the command and its words. Raises UsageError for an unknown command."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(unknown_command(args[0], self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Read the words of the command line; ``--help`` prints here."""
        with noticing_closed_output():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command. An error of a plugin's command that is none of the user raises ComponentError.

        What a command returns is dropped, as click would take a number for the exit code.
        """
        try:
            with noticing_closed_output():
                super().invoke(ctx)
        except Exception as error:
            name = ctx.invoked_subcommand
            if isinstance(error, PASSED) or (isinstance(error, OSError) and error.errno in MACHINE_ERRORS):
                raise
            if not name or name in ctx.obj or name not in plugins().command_origins:
                raise
            with plugins().command_origins[name].catch("the command"):
                raise


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version(), prog_name="ganzoo")
@click.pass_context
def cli(context: click.Context) -> None:
    """Train, compare and use GANs that translate images between two domains."""
    context.obj = frozenset(str(command.name) for command in OWN)


for command in OWN:
    cli.add_command(command)


def print_error(text: str) -> None:
    """Print an error to stderr, one line for each mistake; each process but the first adds its number.

    Control characters in it are escaped: it may name any file, and quote the answer of any server.
    """
    rank = escape_controls(os.environ.get("RANK", "0"))
    with suppress(OSError):  # what was printed before has no reader any more: the error still has
        sys.stdout.flush()
    for line in escape_controls(text).split("\n") if text else []:
        who = "ganzoo" if rank == "0" else f"ganzoo (process {rank})"
        with suppress(OSError):  # without a reader the exit code is all that is left
            sys.stderr.write(f"{who}: {line}\n")  # whole: print writes the line's end separately


def main() -> None:
    """Run the command line, and end the process with its exit code.

    A user's mistakes are printed to stderr, one line each; the error sets the exit code.
    """
    # By default, torch's threads spin for long while they wait for each other. If another process is busy too, training
    # on two cores then becomes many times slower. Torch reads this when it is loaded; results do not depend on it.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    keep_freed_memory()
    stop_with_parent()
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the shell has closed it: <&- or >&-
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        accept_any_text(stream)
    try:
        code = cli.main(prog_name="ganzoo", standalone_mode=False)
    except GanzooError as error:
        if isinstance(error, ComponentError) and is_strict():
            raise
        print_error(str(error))
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        print_error(describe(error))
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        print_error("interrupted")
        sys.exit(130)
    except RuntimeError as error:
        if not is_of_another_process(error) or is_strict():
            raise
        print_error(
            f"another process stopped, or cannot be reached: see its error, or this one: {one_line(error)[:300]}"
        )
        sys.exit(2)
    except OutputClosedError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if error.errno not in MACHINE_ERRORS:
            raise
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "the output"
        advice = ADVICE.get(error.errno, "")
        print_error(f"{name}: {error.strerror}{advice}")
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
