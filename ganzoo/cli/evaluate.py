"""ganzoo evaluate."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH


@click.command("evaluate")
@click.argument("targets", nargs=-1, required=True, type=PATH)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="In place of the run's: fid, '{metric: fd, network: resnet50}'; again for more.",
)
@click.option("--checkpoint", default="", help="last, best or step-N.  [default: last, and best if there is one]")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    help="Which images.  [default: test, or validation where there are none]",
)
@click.option("--set", "changes", multiple=True, help="A change of the run's recipe: data.root=FOLDER; again for more.")
@click.option("--against", type=PATH, help="For folders of images: the real ones that they are to be like.")
@click.option("-o", "--out", type=PATH, help="A file to append the records to.  [default: a run's results.jsonl alone]")
def evaluate_command(
    targets: tuple[Path, ...],
    metrics: tuple[str, ...],
    checkpoint: str,
    split: str | None,
    changes: tuple[str, ...],
    against: Path | None,
    out: Path | None,
) -> None:
    """Measure TARGETS: runs, checkpoints (RUN/checkpoints/NAME), or folders of images.

    Runs are measured by their own metrics on their own data. Images in folders are measured --against other ones, at
    their own sizes, by metrics that look at the two sets alone.
    """
    from ganzoo.evaluation.runs import evaluate_targets

    evaluate_targets(
        targets,
        metrics=metrics,
        checkpoint=checkpoint,
        split=split,  # type: ignore[arg-type]
        changes=changes,
        against=against,
        out=out,
    )
