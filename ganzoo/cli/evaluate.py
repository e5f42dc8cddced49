"""The command ``ganzoo evaluate``: compute metrics of runs or of folders of images."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import DEVICE, PATH
from ganzoo.cli.notices import note_failed_plugins


@click.command("evaluate")
@click.argument("targets", nargs=-1, required=True, type=PATH)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="A metric instead of the run's own: fid, '{metric: fd, network: resnet50}'. Repeat for more.",
)
@click.option("--checkpoint", default="", help="last, best or step-N.  [default: last, and best if there is one]")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    help="The images to use.  [default: test, or validation if there are none]",
)
@click.option(
    "--set", "changes", multiple=True, help="Override a key of the run's recipe: data.root=FOLDER. Repeat for more."
)
@click.option("--against", type=PATH, help="For folders of images: the folder of real images to compare with.")
@DEVICE
@click.option("-o", "--out", type=PATH, help="A file to append the records to, besides a run's results.jsonl.")
@click.option(
    "--per-image", type=PATH, metavar="FILE.csv", help="A file for the values of single images; it is replaced."
)
@click.option(
    "--bootstrap",
    type=click.IntRange(min=0),
    metavar="N",
    help="Draws of the images for 95 % intervals of the values; 0: none.  [default: as the recipe says]",
)
def evaluate_command(
    targets: tuple[Path, ...],
    metrics: tuple[str, ...],
    checkpoint: str,
    split: str | None,
    changes: tuple[str, ...],
    against: Path | None,
    device: str,
    out: Path | None,
    per_image: Path | None,
    bootstrap: int | None,
) -> None:
    """Compute metrics of TARGETS: runs, checkpoints (RUN/checkpoints/NAME), or folders of images.

    The values are printed, and those of a run are appended to its results.jsonl. Runs use the metrics and the data of
    their recipes. Folders of images are compared with the folder --against, at their own sizes, with metrics that need
    only the two sets of images.
    """
    note_failed_plugins()
    from ganzoo.evaluation.runs import evaluate_targets

    evaluate_targets(
        targets,
        metrics=metrics,
        checkpoint=checkpoint,
        split=split,  # type: ignore[arg-type]
        changes=changes,
        against=against,
        device=device,
        out=out,
        per_image=per_image,
        bootstrap=bootstrap,
    )
