"""Argument types, options and the output that several commands use."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.plugins import plugins
from ganzoo.registry import KINDS
from ganzoo.utils.terminal import escape_controls

PATH = click.Path(path_type=Path)


class Size(click.ParamType):
    """A size in pixels: ``256``, or ``256x320`` for height and width."""

    name = "HxW"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int] | object:
        """Return (height, width) in pixels; fail if the text is not a size."""
        sides = str(value).lower().split("x")
        if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
            self.fail(f"{value!r} is not a size such as 256 or 256x320 (height, width)", param, ctx)
        return int(sides[0]), int(sides[-1])


class ShardOption(click.ParamType):
    """A share of the runs: ``2/4`` is the second of four."""

    name = "I/N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int] | object:
        """Return (I, N); fail unless 1 ≤ I ≤ N."""
        parts = str(value).split("/")
        if len(parts) != 2 or not all(one.isdecimal() for one in parts) or not 1 <= int(parts[0]) <= int(parts[1]):
            self.fail(f"{value!r} is not a share such as 2/4, the second of four", param, ctx)
        return int(parts[0]), int(parts[1])


def complete_kind(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the kinds of components that begin as the word on the command line does."""
    return [kind for kind in KINDS if kind.startswith(incomplete)]


def complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the components of the kind before it that begin as the word on the command line does."""
    kind = ctx.params.get("kind")
    found = plugins().registry.find(kind) if kind in KINDS else []
    return [component.name for component in found if component.name.startswith(incomplete)]


DEVICE = click.option("--device", default="", help="A torch device: cpu, cuda:1.  [default: the accelerator, if any]")
PRECISION = click.option(
    "--precision",
    default="fp32",
    show_default=True,
    type=click.Choice(["fp32", "bf16", "fp16", "auto"]),
    help="auto is bf16 where it is faster; fp16 needs a GPU.",
)


def echo(text: object) -> None:
    """Print a text to standard output, its control characters escaped: it may contain names of files and of plugins."""
    click.echo(escape_controls(str(text)))


AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
