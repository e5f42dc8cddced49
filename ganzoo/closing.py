"""What a finished run leaves behind: its result line, and a panel that says where things are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo.interfaces import Split

if TYPE_CHECKING:
    from ganzoo.runs import Run


def write_result(run: Run, split: Split, pictures: dict[str, int], figures: dict[str, float]) -> None:
    """Append the closing evaluation to results.jsonl."""
    run.results.append(
        step=run.total,
        checkpoint="last",
        split=split,
        pictures=pictures,
        seed=run.recipe.train.seed,
        figures=figures,
    )


def closing_panel(run: Run) -> None:
    """Print the closing figures beside those of the untrained network, the places of things, the next commands."""
    lines = []
    result = next((one for one in run.results if one["step"] == run.total), None)
    if result:
        untrained: dict[str, float] = next((one["figures"] for one in run.lines if one["step"] == 0), {})
        counts = ", ".join(f"{count} {way}" for way, count in result["pictures"].items())
        lines.append(f"on the {result['split']} split ({counts})")
        for name, value in result["figures"].items():
            before = f"(untrained, on validation: {untrained[name]:.4g})" if name in untrained else ""
            lines.append(f"  {name:<24} {value:<8.4g} {before}".rstrip())
    grids = sorted((run.folder / "samples").glob("*.png"))
    if grids:
        lines.append(f"pictures     {grids[-1]}")
    lines += [
        f"weights      {run.checkpoint('last')}",
        f"log          {run.folder / 'metrics.jsonl'}",
        "next:",
        f"  ganzoo translate {run.folder} PICTURES -o OUT",
    ]
    length = (
        f"train.epochs={2 * run.recipe.train.epochs}" if run.recipe.train.epochs else f"train.steps={2 * run.total}"
    )
    lines.append(f"  ganzoo run {run.recipe.file} {length}    (trains on, twice as long)")
    run.console.panel("done", lines)
