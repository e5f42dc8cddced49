"""Two processes find what one does: of pairs, and of sets whose patches are drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tiny_run import float64_run, lines, write_recipe


@pytest.mark.slow
def test_two_processes_find_what_one_does(tmp_path: Path) -> None:
    metrics = ["pair_l1", "psnr", "ssim", {"metric": "swd", "patches": 8, "projections": 16}]
    recipe = write_recipe(
        tmp_path,
        data={"dataset": "paired", "layout": "folders", "validation": 0.25},
        images={"size": 16, "load": 16},
        train={"steps": 2, "batch": 2},
        evaluate={"metrics": metrics, "batch": 2, "every": 0, "best": None},
    )
    two = float64_run(recipe, tmp_path / "two", processes=2)
    one = float64_run(recipe, tmp_path / "one", "train.batch=4", "evaluate.batch=3")
    (mine,), (theirs,) = (lines(folder / "results.jsonl") for folder in (one, two))
    assert mine["images"] == theirs["images"] == {"A": 3, "B": 3}
    names = [f"{name}_{way}" for way in ("AB", "BA") for name in ("pair_l1", "psnr", "ssim", "swd", "swd_16")]
    assert sorted(mine["values"]) == sorted(names)
    assert theirs["values"] == pytest.approx(mine["values"], rel=1e-5)
