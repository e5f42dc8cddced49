"""ganzoo run, check, masks, evaluate, translate, export."""

from __future__ import annotations

from pathlib import Path

import click

RECIPE = click.Path(path_type=Path)


class Size(click.ParamType):
    """``256``, or ``256x320``: height and width in pixels."""

    name = "HxW"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int] | object:
        """Return (height, width)."""
        sides = str(value).lower().split("x")
        if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
            self.fail(f"{value!r} is not a size such as 256 or 256x320 (height, width)", param, ctx)
        return int(sides[0]), int(sides[-1])


@click.command("run")
@click.argument("recipe", type=RECIPE)
@click.argument("overrides", nargs=-1)
@click.option("--name", default="default", show_default=True, help="The run's name; the same name goes on with it.")
@click.option("--root", type=RECIPE, default=Path("runs"), show_default=True, help="Where runs are kept.")
@click.option("--fresh", is_flag=True, help="Begin anew; an earlier run of this name is put aside, not deleted.")
def run_command(recipe: Path, overrides: tuple[str, ...], name: str, root: Path, fresh: bool) -> None:
    """Train RECIPE, with OVERRIDES such as train.steps=100.

    The same command again goes on where the run was left, by whatever means it was left.
    """
    import ganzoo

    ganzoo.run(recipe, *overrides, name=name, root=root, fresh=fresh)


@click.command("check")
@click.argument("recipe", type=RECIPE)
@click.argument("overrides", nargs=-1)
@click.option("--quick", is_flag=True, help="Do not measure what a run needs.")
def check_command(recipe: Path, overrides: tuple[str, ...], quick: bool) -> None:
    """Print RECIPE in full, its parts with shapes and sizes, and what a run needs: time, memory, disk.

    The needs are measured by a few steps, which are thrown away.
    """
    from ganzoo.check.parts_table import check

    check(recipe, overrides, quick=quick)


@click.command("evaluate")
@click.argument("targets", nargs=-1, required=True, type=RECIPE)
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
    help="Which pictures.  [default: test, or validation where there are none]",
)
@click.option("--set", "changes", multiple=True, help="A change of the run's recipe: data.root=FOLDER; again for more.")
@click.option("--against", type=RECIPE, help="For folders of pictures: the real ones that they are to be like.")
@click.option(
    "-o", "--out", type=RECIPE, help="A file to append the records to.  [default: a run's results.jsonl alone]"
)
def evaluate_command(
    targets: tuple[Path, ...],
    metrics: tuple[str, ...],
    checkpoint: str,
    split: str | None,
    changes: tuple[str, ...],
    against: Path | None,
    out: Path | None,
) -> None:
    """Measure TARGETS: runs, checkpoints (RUN/checkpoints/NAME), or folders of pictures.

    Runs are measured by their own metrics on their own data. Pictures in folders are measured --against other ones, at
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


@click.command("masks")
@click.argument("recipe", type=RECIPE)
@click.argument("overrides", nargs=-1)
@click.option("-o", "--out", type=RECIPE, default=Path("masks.png"), show_default=True, help="The picture to write.")
def masks_command(recipe: Path, overrides: tuple[str, ...], out: Path) -> None:
    """Draw what RECIPE's maskers make of eight training pictures; train nothing."""
    from ganzoo.check.mask_preview import preview_masks

    preview_masks(recipe, overrides, out)


@click.command("translate")
@click.argument("run", type=RECIPE)
@click.argument("inputs", nargs=-1, required=True, type=RECIPE)
@click.option("-o", "--out", type=RECIPE, required=True, help="The folder for the translations.")
@click.option(
    "--direction",
    type=click.Choice(["AB", "BA", "AA"]),
    help="From which to which.  [default: the method's first]",
)
@click.option("--checkpoint", default="", help="last, best or step-N.  [default: best if there is one, else last]")
@click.option("--size", type=click.IntRange(1), help="Scale the shorter side to so many pixels first.")
@click.option("--device", default="", help="A torch device.  [default: the accelerator if there is one]")
@click.option(
    "--mask",
    "masks",
    multiple=True,
    type=RECIPE,
    help="A picture of the mask, or a folder that holds one for each picture; again for one more translation.",
)
@click.option(
    "--masker",
    "maskers",
    multiple=True,
    help="A masker in place of the run's own: centered_square, '{masker: round, scale: 0.5}'; again for one more.",
)
@click.option(
    "--style",
    multiple=True,
    help="For methods with styles: random, a picture whose style is taken, or numbers (0.3,-1,…); again for one more.",
)
@click.option("--samples", default=1, show_default=True, type=click.IntRange(1), help="Draws of each random style.")
@click.option(
    "--interpolate", type=click.IntRange(2), help="So many styles on the line from the first --style to the second."
)
@click.option("--seed", type=int, help="Of what is drawn.  [default: the run's]")
@click.option("--save-masks", type=RECIPE, help="A folder for the masks that were used, one below it for each role.")
def translate_command(
    run: Path,
    inputs: tuple[Path, ...],
    out: Path,
    direction: str | None,
    checkpoint: str,
    size: int | None,
    device: str,
    masks: tuple[Path, ...],
    maskers: tuple[str, ...],
    style: tuple[str, ...],
    samples: int,
    interpolate: int | None,
    seed: int | None,
    save_masks: Path | None,
) -> None:
    """Translate INPUTS, pictures and folders of them, with the generators of RUN.

    Every picture is translated at its own size; names and folders are kept, as PNG. Pictures of one folder that differ
    only in their ending keep it: a.jpg.png. With several masks or styles each has a folder of its own below OUT.
    """
    from ganzoo.inference.files import translate_files

    translate_files(
        run,
        inputs,
        out,
        direction=direction,
        checkpoint=checkpoint,
        size=size,
        device=device,
        masks=masks,
        maskers=maskers,
        save_masks=save_masks,
        style=style,
        samples=samples,
        interpolate=interpolate or 0,
        seed=seed,
    )


@click.command("export")
@click.argument("run", type=RECIPE)
@click.option("-o", "--out", type=RECIPE, required=True, help="The file: .onnx, or .pt2 (torch.export).")
@click.option(
    "--direction",
    type=click.Choice(["AB", "BA", "AA"]),
    help="From which to which.  [default: the method's first]",
)
@click.option("--checkpoint", default="", help="last, best or step-N.  [default: best if there is one, else last]")
@click.option("--size", type=Size(), help="The only height and width it is to take: 256, 256x320.  [default: any]")
@click.option("--batch", type=click.IntRange(1), help="How many pictures it is to take at once.  [default: any]")
@click.option("--check", multiple=True, type=RECIPE, help="A picture or a folder to compare on too; again for more.")
@click.option(
    "--tolerance",
    default=1e-3,
    show_default=True,
    type=click.FloatRange(0),
    help="The largest difference from the run on [−1, 1].",
)
def export_command(
    run: Path,
    out: Path,
    direction: str | None,
    checkpoint: str,
    size: tuple[int, int] | None,
    batch: int | None,
    check: tuple[Path, ...],
    tolerance: float,
) -> None:
    """Write what RUN translates in one direction to a file, for use without ganzoo.

    The file is read again and compared with the run, on random pictures and on those of --check.
    """
    import ganzoo

    about = ganzoo.export(
        run,
        out,
        direction=direction,
        checkpoint=checkpoint,
        size=size,
        batch=batch,
        check=check,
        tolerance=tolerance,
    )
    entering, leaving = (
        ", ".join(f"{name} {'×'.join(map(str, one['shape']))}" for name, one in about[side].items())
        for side in ("inputs", "outputs")
    )
    compared = " and ".join(f"{count} {kind}" for kind, count in about["compared"].items() if count)
    click.echo(f"{out}: {about['direction']}, {entering} → {leaving}")
    click.echo(f"largest difference from the run, on {compared} pictures: {about['difference']:.2g} on [−1, 1]")
