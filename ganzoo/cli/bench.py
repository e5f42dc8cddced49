"""The command ``ganzoo bench``: run the cells that a table lacks."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH, ShardOption, echo


@click.command("bench")
@click.argument("spec", type=PATH)
@click.option("--scale", default="", help="Another size of the table, by its name in SPEC: small.")
@click.option("--data", type=PATH, help="The folder that {data} stands for.  [default: GANZOO_DATA]")
@click.option("--root", type=PATH, default=Path("runs/bench"), show_default=True, help="The folder of its runs.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Runs at a time; each its own GPU.")
@click.option("--only", multiple=True, help="A row to run; repeat it for more rows.  [default: all]")
@click.option("--dry-run", is_flag=True, help="Print the protocol, and the paper's; run nothing.")
@click.option("--shard", type=ShardOption(), help="The I-th of N shares of the runs, for N processes or machines.")
def bench_command(
    spec: Path,
    scale: str,
    data: Path | None,
    root: Path,
    jobs: int,
    only: tuple[str, ...],
    dry_run: bool,
    shard: tuple[int, int] | None,
) -> None:
    """Run what the table of SPEC lacks, save the records beside SPEC, and print the table.

    If SPEC names a page, the table is also written there. The same command resumes a stopped table. It repeats failed
    runs, and runs whose recipe, plugins or images have changed. A failure is recorded too; the command then ends with
    exit code 2.

    With --dry-run nothing is run: it prints each row's recipe with all options, the paper's protocol, how they differ,
    how settings were chosen, and the number of runs.

    With --shard the records get a file of their own beside SPEC, and no page is written. `ganzoo table` reads the files
    of all shards, and says what is missing.
    """
    from ganzoo.bench.page import current_table, split_page, update_page
    from ganzoo.bench.plan import describe_plan
    from ganzoo.bench.records import Shard
    from ganzoo.bench.render import markdown
    from ganzoo.bench.runner import check_rows, run
    from ganzoo.bench.spec import read_spec, resolve_places
    from ganzoo.errors import GanzooError

    bench, places = read_spec(spec, scale), resolve_places(root, data)
    check_rows(bench, only)
    share = Shard(*shard) if shard else None
    if dry_run:
        echo("\n".join(describe_plan(bench, places, only, share)))
        return
    written = bench.page is not None and not shard
    if bench.page and written:
        split_page(bench.page, bench.name)  # refuse a page without markers before the runs, not after them
    records = run(bench, places, jobs=jobs, only=only, shard=share)
    echo(markdown(update_page(bench, places, check=False) if written else current_table(bench, places)))
    chosen = [record for record in records if not only or record.cell["row"] in only]
    if failed := [f"{record.name}: {record.why}" for record in chosen if record.status == "failed"]:
        raise GanzooError("\n".join(failed))
