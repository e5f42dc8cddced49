"""ganzoo bench."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH


@click.command("bench")
@click.argument("spec", type=PATH)
@click.option("--scale", default="", help="Another size of the table, by its name in SPEC: small.")
@click.option("--data", type=PATH, help="The folder that {data} stands for.  [default: GANZOO_DATA]")
@click.option("--root", type=PATH, default=Path("runs/bench"), show_default=True, help="Where its runs are kept.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Runs at a time; each its own GPU.")
@click.option("--only", multiple=True, help="A row to run; again for more.  [default: all]")
def bench_command(spec: Path, scale: str, data: Path | None, root: Path, jobs: int, only: tuple[str, ...]) -> None:
    """Run what the table of SPEC lacks, keep the records beside it, and write the table.

    The same command goes on where it was stopped; a run that failed is tried again, and so is one whose recipe or
    plugins have changed. A failure is a record, too, and the command then ends with exit code 2.
    """
    from ganzoo.bench.page import current, markers_of, settle
    from ganzoo.bench.render import markdown
    from ganzoo.bench.runner import check_rows, run
    from ganzoo.bench.spec import read_spec, resolve_places
    from ganzoo.errors import GanzooError

    bench, places = read_spec(spec, scale), resolve_places(root, data)
    check_rows(bench, only)
    if bench.page:
        markers_of(bench)  # while nothing is lost by a page that lacks them
    records = run(bench, places, jobs=jobs, only=only)
    click.echo(markdown(settle(bench, places, check=False) if bench.page else current(bench, places)))
    if failed := [f"{one.name}: {one.why}" for one in records if one.status == "failed"]:
        raise GanzooError("\n".join(failed))
