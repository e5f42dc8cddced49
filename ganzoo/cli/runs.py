"""The command ``ganzoo runs`` and its subcommands: list and compare runs, delete runs and checkpoints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli.arguments import AS_JSON, PATH, echo
from ganzoo.errors import DamagedError, GanzooError
from ganzoo.utils.formatting import format_bytes, format_duration
from ganzoo.utils.jsonl import to_json

if TYPE_CHECKING:
    from ganzoo.training.inventory import RunSummary
    from ganzoo.training.pruning import Removal

YES = click.option("--yes", is_flag=True, help="Delete without asking.")
RUNS = click.argument("names", nargs=-1, required=True, type=PATH, metavar="RUN...")


@click.group("runs", invoke_without_command=True)
@click.option("--root", type=PATH, default=Path("runs"), show_default=True, help="The folder of all runs.")
@click.option("--metric", "metrics", multiple=True, help="A metric value to show. Repeatable.  [default: that of best]")
@click.option("--verify", is_flag=True, help="Compare all files of all checkpoints with their checksums.")
@AS_JSON
@click.pass_context
def runs_command(context: click.Context, root: Path, metrics: tuple[str, ...], verify: bool, as_json: bool) -> None:
    """List the runs below a folder: state, steps, metric values, size; compare them, free space.

    RUN is a run's folder, or RECIPE/NAME below --root.
    """
    context.obj = root
    if name := context.invoked_subcommand:
        given = [
            option for option, value in {"--metric": metrics, "--verify": verify, "--json": as_json}.items() if value
        ]
        if given:
            after = f", or write --json after {name}" if name == "compare" and as_json else ""
            raise GanzooError(
                f"runs: {' and '.join(given)} before {name}: only the list of runs has that; leave it out{after}"
            )
        return
    from ganzoo.training.inventory import find_runs, summaries

    if not root.is_dir():
        raise GanzooError(f"{root}: no such folder; --root names the folder of your runs")
    found = summaries(find_runs(root), verify=verify)
    if as_json:
        click.echo(to_json([one.fields() for one in found], indent=1))
    elif found:
        _print_table([HEADER, *(_row(one, root, metrics) for one in found)])
        total = sum(one.bytes for one in found)
        echo(f"{len(found)} run{'s' * (len(found) != 1)}, {format_bytes(total)}")
    else:
        click.echo(f"no runs below {root}", err=True)
    for one in found:
        if one.problem:
            click.echo(f"damaged: {one.problem}", err=True)
    if verify and any(one.problem for one in found):
        raise DamagedError(f"{sum(bool(one.problem) for one in found)} of {len(found)} runs are damaged")


HEADER = ["run", "state", "steps", "method", "data", "last", "best", "size", "changed"]


def _row(run: RunSummary, root: Path, metrics: Sequence[str]) -> list[str]:
    from ganzoo.training.inventory import age

    name = run.folder.relative_to(root) if run.folder.is_relative_to(root) else run.folder
    shown = metrics or list(run.best) or list(run.values)[:1]
    last = "  ".join(f"{one} {_number(run.values.get(one))}" for one in shown)
    best = "  ".join(f"{_number(run.best.get(one))}" for one in shown if one in run.best)
    steps = f"{run.step}/{run.total or '?'}"
    return [
        *(str(name), run.state, steps, run.method, run.data, last or "–", best or "–"),
        *(format_bytes(run.bytes), f"{format_duration(age(run))} ago"),
    ]


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "–"


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


@runs_command.command("compare")
@RUNS
@AS_JSON
@click.pass_obj
def compare_command(root: Path, names: tuple[Path, ...], as_json: bool) -> None:
    """Show the settings and versions in which runs differ, and their metric values, side by side."""
    from ganzoo.training.comparison import MISSING, compare
    from ganzoo.training.inventory import resolve_run

    result = compare([resolve_run(name, root) for name in names])
    if as_json:
        click.echo(to_json(result.fields(), indent=1))
        return

    def cell(value: Any) -> str:
        if isinstance(value, float):
            return f"{value:.6g}"
        return MISSING if value is None else value if isinstance(value, str) else json.dumps(value)

    rows = [["", *(str(name) for name in names)]]
    rows.append(["state", *(one.state for one in result.runs)])
    rows.append(["steps", *(f"{one.step}/{one.total or '?'}" for one in result.runs)])
    for title, part in (("", result.settings), ("env: ", result.environment), ("value: ", result.values)):
        rows += [[f"{title}{key}", *map(cell, values)] for key, values in part.items()]
    _print_table(rows)


@runs_command.command("rm")
@RUNS
@YES
@click.pass_obj
def remove_command(root: Path, names: tuple[Path, ...], yes: bool) -> None:
    """Delete runs: networks, log, images, everything. A run in training is refused."""
    from ganzoo.training.pruning import plan_removal

    _delete(names, root, yes, plan_removal)


@runs_command.command("keep")
@RUNS
@click.option("--checkpoint", "kept", multiple=True, help="A checkpoint to keep. Repeatable.  [default: last and best]")
@click.option("--best", is_flag=True, help="Keep the checkpoint best; without last, training cannot be resumed.")
@YES
@click.pass_obj
def keep_command(root: Path, names: tuple[Path, ...], kept: tuple[str, ...], best: bool, yes: bool) -> None:
    """Keep some checkpoints of runs and delete their others, such as step-5000; logs and images stay."""
    from ganzoo.training.pruning import plan_keeping

    named = [*kept, *(["best"] if best else [])]
    _delete(names, root, yes, lambda runs: plan_keeping(runs, named or ["last", "best"], every=bool(named)))


def _delete(names: Sequence[Path], root: Path, yes: bool, plan: Callable[[Sequence[Path]], list[Removal]]) -> None:
    from ganzoo.training.inventory import resolve_run
    from ganzoo.training.pruning import clean_removed, remove, users_of

    runs = list({os.path.realpath(run): run for run in [resolve_run(name, root) for name in names]}.values())
    planned = plan(runs)
    for one in planned:
        echo(f"{one.folder}  {format_bytes(one.bytes)}")
    if any(one.checkpoint == "last" for one in planned):
        click.echo("note: without last, a run cannot be resumed", err=True)
    for line in users_of(planned, root):
        click.echo(f"warning: {line}", err=True)
    if not planned:
        echo("nothing to delete")
        clean_removed(runs)
        return
    total = format_bytes(sum(one.bytes for one in planned))
    if not yes:
        if not sys.stdin.isatty():
            raise GanzooError(f"nothing is deleted without a yes: add --yes to delete {total}")
        if not click.confirm(f"delete {total}?"):
            echo("nothing is deleted")
            return
    freed = remove(planned)
    clean_removed(runs)
    echo(f"deleted {format_bytes(freed)}")
