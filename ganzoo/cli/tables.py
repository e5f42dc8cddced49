"""ganzoo bench, table."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(path_type=Path)


@click.command("bench")
@click.argument("spec", type=FILE)
@click.option("--scale", default="", help="Another size of the table, by its name in SPEC: small.")
@click.option("--data", type=FILE, help="The folder that {data} stands for.  [default: GANZOO_DATA]")
@click.option("--root", type=FILE, default=Path("runs/bench"), show_default=True, help="Where its runs are kept.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Runs at a time; each its own GPU.")
@click.option("--only", multiple=True, help="A row to run; again for more.  [default: all]")
def bench_command(spec: Path, scale: str, data: Path | None, root: Path, jobs: int, only: tuple[str, ...]) -> None:
    """Run what the table of SPEC lacks, keep the records beside it, and write the table.

    The same command goes on where it was stopped; a run that failed is tried again, and so is one whose recipe or
    plugins have changed. A failure is a record, too, and the command then ends with exit code 2.
    """
    from ganzoo.bench.page import current, markers_of, settle
    from ganzoo.bench.render import markdown
    from ganzoo.bench.runner import refuse_unknown, run
    from ganzoo.bench.spec import places_of, read_spec
    from ganzoo.errors import GanzooError

    bench, places = read_spec(spec, scale), places_of(root, data)
    refuse_unknown(bench, only)
    if bench.page:
        markers_of(bench)  # while nothing is lost by a page that lacks them
    records = run(bench, places, jobs=jobs, only=only)
    click.echo(markdown(settle(bench, places, check=False) if bench.page else current(bench, places)))
    if failed := [f"{one.name}: {one.why}" for one in records if one.status == "failed"]:
        raise GanzooError("\n".join(failed))


@click.command("table")
@click.argument("specs", nargs=-1, required=True, type=FILE)
@click.option("--scale", default="", help="Another size of the tables, by its name in the specs.")
@click.option("--data", type=FILE, help="The folder that {data} stands for.  [default: GANZOO_DATA]")
@click.option("--root", type=FILE, default=Path("runs/bench"), show_default=True, help="Where their runs are kept.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "csv", "latex", "html"]),
    help="Of what is printed.  [default: markdown]",
)
@click.option("--write", is_flag=True, help="Put it on the page that SPEC names.")
@click.option("--check", is_flag=True, help="Fail when the page's table is not what the records give.")
def table_command(
    specs: tuple[Path, ...], scale: str, data: Path | None, root: Path, form: str | None, write: bool, check: bool
) -> None:
    """Render the records of SPECS; nothing is run."""
    from ganzoo.bench.page import current, settle
    from ganzoo.bench.render import FORMATS
    from ganzoo.bench.spec import places_of, read_spec
    from ganzoo.errors import GanzooError

    given = [name for name, value in (("--format", form), ("--write", write), ("--check", check)) if value]
    if len(given) > 1:
        raise GanzooError(f"{' and '.join(given)}: give one of them: what is printed, written or checked is one thing")
    places = places_of(root, data)
    for spec in specs:
        bench = read_spec(spec, scale)
        if write or check:
            settle(bench, places, check=check)
        else:
            click.echo(FORMATS[form or "markdown"](current(bench, places)))
