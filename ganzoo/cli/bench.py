"""The command ``ganzoo bench``: run the cells that a table lacks."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH, echo


@click.command("bench")
@click.argument("spec", type=PATH)
@click.option("--scale", default="", help="Another size of the table, by its name in SPEC: small.")
@click.option("--data", type=PATH, help="The folder that {data} stands for.  [default: GANZOO_DATA]")
@click.option("--root", type=PATH, default=Path("runs/bench"), show_default=True, help="The folder of its runs.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Runs at a time; each its own GPU.")
@click.option("--only", multiple=True, help="A row to run; repeat it for more rows.  [default: all]")
def bench_command(spec: Path, scale: str, data: Path | None, root: Path, jobs: int, only: tuple[str, ...]) -> None:
    """Run what the table of SPEC lacks, save the records beside SPEC, and print the table.

    If SPEC names a page, the table is also written there. The same command resumes a stopped table. It repeats failed
    runs, and runs whose recipe, plugins or images have changed. A failure is recorded too; the command then ends with
    exit code 2.
    """
    from ganzoo.bench.page import current_table, split_page, update_page
    from ganzoo.bench.render import markdown
    from ganzoo.bench.runner import check_rows, run
    from ganzoo.bench.spec import read_spec, resolve_places
    from ganzoo.errors import GanzooError

    bench, places = read_spec(spec, scale), resolve_places(root, data)
    check_rows(bench, only)
    if bench.page:
        split_page(bench.page, bench.name)  # refuse a page without markers before the runs, not after them
    records = run(bench, places, jobs=jobs, only=only)
    echo(markdown(update_page(bench, places, check=False) if bench.page else current_table(bench, places)))
    if failed := [f"{record.name}: {record.why}" for record in records if record.status == "failed"]:
        raise GanzooError("\n".join(failed))
